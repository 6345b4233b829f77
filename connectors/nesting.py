"""Groups that are members of groups: what a target is told of them, as the settings of its connector say.

`pass-on`    the group is a member at the target, too;
`flatten`    its users are members in its stead, and those of the groups in it;
`leave-out`  it is no member.

A connector that lets people choose has a property made by `nesting_property`, and says in a method `nesting(settings)`
what was chosen. One without that method is handed the groups. Whoever builds a task calls `told_members`: a connector
only sees the members that its target is to have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar, get_args

from connectors.connector import Connector, EntityType, Property, Settings

Nesting = Literal["pass-on", "flatten", "leave-out"]
WAYS: tuple[Nesting, ...] = get_args(Nesting)

M = TypeVar("M")


def nesting_property(key: str, default: Nesting = "pass-on", ways: tuple[Nesting, ...] = WAYS) -> Property:
    """The setting with which people choose; `ways` are those that the target has."""
    return Property(
        key=key,
        display_name="Nested Groups",
        description="What becomes of groups in groups: members (pass-on), replaced by their users (flatten), left out",
        type="option",
        options=ways,
        default=default,
    )


def chosen(settings: Settings, key: str, default: Nesting = "pass-on") -> Nesting:
    """What a setting says; the default where it is blank or says nothing that is known."""
    value = settings.get(key).strip().lower()
    return next((way for way in WAYS if way == value), default)


def nesting(connector: Connector, settings: Settings) -> Nesting:
    """What the target is told of groups in groups."""
    own = getattr(connector, "nesting", None)
    return "pass-on" if own is None else own(settings)


def told_members(
    members: Iterable[M],
    way: Nesting,
    *,
    type_of: Callable[[M], EntityType],
    id_of: Callable[[M], str],
    members_of: Callable[[str], Iterable[M]],
) -> list[M]:
    """The members that a target is told of, each once; `members_of` gives the members of the group of an entity id.

    Groups that contain each other end the walk, not the process.
    """
    if way == "pass-on":
        return list(members)
    if way == "leave-out":
        return [one for one in members if type_of(one) == "user"]
    users: dict[str, M] = {}
    seen: set[str] = set()
    waiting = deque(members)
    while waiting:
        one = waiting.popleft()
        if type_of(one) == "user":
            users.setdefault(id_of(one), one)
        elif id_of(one) not in seen:
            seen.add(id_of(one))
            waiting.extend(members_of(id_of(one)))
    return list(users.values())
