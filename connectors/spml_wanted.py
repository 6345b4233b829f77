"""What a target is to have after a task: names, values and members, before anything is known of the target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.connector import Member, Membership, Task
from connectors.errors import Misconfigured
from connectors.spml_attributes import Values, flattened, legal, lookup, mapped, texts
from connectors.spml_messages import Changes
from connectors.spml_setup import CREDENTIALS, OBJECT_CLASS, Setup

DISABLED_WORDS = frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted state of an object.

    `attributes` have the name, but not object class, password and members. `active` is None when the entity does not
    say. `members` are the identifiers of a group's present members.
    """

    name: str
    attributes: Values
    object_class: list[str]
    active: bool | None
    members: tuple[str, ...]


def wanted(task: Task, setup: Setup) -> Wanted:
    """The wanted state; raises `TargetRefused` for values that cannot be sent, `Misconfigured` for bad mappings."""
    attributes = _attributes(task, setup)
    return Wanted(
        name=attributes[setup.name_attribute][0],
        attributes=attributes,
        object_class=_object_class(task, setup),
        active=_active(task, setup),
        members=identifiers(task.membership.current) if task.membership else (),
    )


def _attributes(task: Task, setup: Setup) -> Values:
    own = mapped(task.attributes) if task.mapped else _by_default(task, setup)
    elsewhere = {OBJECT_CLASS, "active"} if setup.suspends else {OBJECT_CLASS}
    own = {name: values for name, values in own.items() if name.casefold() not in elsewhere}
    _refuse_reserved(own, CREDENTIALS if task.entity_type == "user" else setup.member_attribute)
    named = [name for name in own if name.casefold() == setup.name_attribute.casefold()]
    name = own.pop(named[0]) if named else [legal(task.name, "name")]
    return {setup.name_attribute: name, **own}


def _by_default(task: Task, setup: Setup) -> Values:
    user = task.entity_type == "user"
    name = texts(lookup(task.attributes, "userName" if user else "displayName"), "name")
    own = flattened(task.attributes) if user else {}
    return {**own, setup.name_attribute: name} if name else own


def _refuse_reserved(own: Values, reserved: str) -> None:
    for name in own:
        if not name:
            raise Misconfigured("a claim is mapped to an empty name: remove the mapping")
        if name.casefold() == reserved.casefold():
            raise Misconfigured(f"a claim is mapped to `{name}`, which is not taken from claims: remove the mapping")


def _object_class(task: Task, setup: Setup) -> list[str]:
    chosen = texts(lookup(task.attributes, OBJECT_CLASS), OBJECT_CLASS) if task.mapped else []
    return chosen or [setup.object_class]


def _active(task: Task, setup: Setup) -> bool | None:
    sent_as_it_is = task.mapped and not setup.suspends
    if task.entity_type != "user" or sent_as_it_is:
        return None
    value = texts(lookup(task.attributes, "active"), "active")
    if not value:  # a create brings back what an earlier delete has only suspended
        return True if task.operation == "create" else None
    return value[0].strip().lower() not in DISABLED_WORDS


def member_changes(membership: Membership | None, shown: frozenset[str] | None, name: str, *, sure: bool) -> Changes:
    """Members to add and delete, as changes of the attribute `name`.

    `shown` are the members that the target was seen to have, None when it was not asked. All members are replaced when
    neither these nor the change since the last delivery is known; `sure` says that the latter did not take effect yet.
    """
    if membership is None:
        return []
    current = identifiers(membership.current)
    known = membership.added is not None and membership.removed is not None
    if shown is None and not (known and sure):
        return [("replace", {name: list(current)})]
    if known:
        added, removed = identifiers(membership.added), identifiers(membership.removed)
    else:
        added, removed = current, tuple(sorted((shown or frozenset()).difference(current)))
    if shown is not None:
        added = tuple(member for member in added if member not in shown)
        removed = tuple(member for member in removed if member in shown)
    changes: Changes = (("add", {name: list(added)}), ("delete", {name: list(removed)}))
    return [change for change in changes if change[1][name]]


def identifiers(members: Iterable[Member] | None) -> tuple[str, ...]:
    """The members' identifiers at the target, each once, in their order."""
    return tuple(dict.fromkeys(member.identifier for member in members or ()))
