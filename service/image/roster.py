"""The members of a group: who is in a list of members, and who joins and leaves by a patch."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from service.image.errors import Findings
from service.image.schema import RESOURCE_TYPES
from service.image.values import complex_value, kind

_MEMBER: Final = RESOURCE_TYPES["group"].core.attributes["members"]


def member_ids(value: Any, at: str, findings: Findings) -> tuple[str, ...]:
    """The ids in a list of members (RFC 7643, section 4.2), each once, in order; a list that is null is empty."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        findings.error(at, f'must be a list such as `[{{"value": "<id>"}}]`, not {kind(value)}')
        return ()
    found: dict[str, None] = {}
    for index, one in enumerate(value):
        here = f"{at}[{index}]"
        before = len(findings.errors)
        member = complex_value(_MEMBER, one, here, findings)
        if member is not None and member.get("value"):
            found[member["value"]] = None
        elif len(findings.errors) == before:
            findings.error(f"{here}.value", "is missing: it holds the id of the member")
    return tuple(found)


@dataclass(slots=True)
class Roster:
    """The change of a membership that the operations of a patch add up to.

    `current` are the present members, when they are known: then joining twice or leaving without being there is no
    change. `replaced` is the whole new list once an operation has given one.
    """

    current: AbstractSet[str] | None = None
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    replaced: set[str] | None = None

    def add(self, ids: Iterable[str]) -> None:
        """These join."""
        if self.replaced is not None:
            self.replaced.update(ids)
            return
        for one in ids:
            self.removed.discard(one)
            if self.current is None or one not in self.current:
                self.added.add(one)

    def remove(self, ids: Iterable[str]) -> None:
        """These leave."""
        if self.replaced is not None:
            self.replaced.difference_update(ids)
            return
        for one in ids:
            self.added.discard(one)
            if self.current is None or one in self.current:
                self.removed.add(one)

    def replace(self, ids: Iterable[str]) -> None:
        """These and no others are members from here on."""
        self.replaced = set(ids)
        self.added, self.removed = set(), set()
