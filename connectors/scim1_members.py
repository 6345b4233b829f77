"""A group's members at a SCIM 1.1 target: added and removed by PATCH, in messages of limited size.

One member that the target does not accept must not cost the others their membership: a refused message is halved until
the bad member stands alone, the rest goes through, and the refusal names who was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.connector import Member
from connectors.errors import TargetRefused
from connectors.scim1_payload import members_value, message, removed_members
from connectors.scim_calls import Answer, Calls, Talk, Vanished

# 1.1 names no limit; a message of this many members stays well under a megabyte.
MOST_IN_ONE = 1000
NOT_ACCEPTED = frozenset({400, 404, 409, 422})
# So many refused alone and none accepted: it is not the members that the target dislikes.
_HOPELESS = 5

Change = tuple[bool, Member]


def difference(current: Iterable[Member], read: Mapping[str, Any]) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """The members to add and to remove to turn a group as read into `current`; who is removed has an id only."""
    there = {str(one["value"]) for one in read.get("members") or () if isinstance(one, Mapping) and "value" in one}
    named = {member.identifier: member for member in current}
    added = tuple(member for identifier, member in named.items() if identifier not in there)
    return added, tuple(Member("", identifier, identifier) for identifier in sorted(there - named.keys()))


def change_members(calls: Calls, url: str, added: Iterable[Member], removed: Iterable[Member]) -> Talk[None]:
    """Send membership changes, removals first.

    Raises Vanished when the group is gone, Unsupported when the target does not know PATCH, TargetRefused when members
    were not accepted (after all others were sent).
    """
    changes: list[Change] = [*((False, member) for member in removed), *((True, member) for member in added)]
    sending = _Sending(calls, url)
    for start in range(0, len(changes), MOST_IN_ONE):
        yield from sending.send(changes[start : start + MOST_IN_ONE])
    if sending.refused:
        raise sending.refusal(len(changes))


@dataclass(slots=True)
class _Sending:
    """The state of sending one group's changes: who was refused alone, how many went through."""

    calls: Calls
    url: str
    accepted: int = 0
    refused: list[tuple[Member, Answer]] = field(default_factory=list)
    group_seen: bool = False

    def send(self, batch: Sequence[Change]) -> Talk[None]:
        """Send a batch, and its halves when it is refused."""
        values = [
            *removed_members(member for add, member in batch if not add),
            *members_value(member for add, member in batch if add),
        ]
        purpose = f"change {len(batch)} members" if len(batch) > 1 else "change one member"
        answer = yield from self.calls.patch(self.url, message({"members": values}), purpose)
        if answer.status not in NOT_ACCEPTED:
            answer.expect()
            self.accepted += len(batch)
            return
        yield from self._expect_group(answer)
        if len(batch) > 1:
            yield from self.send(batch[: len(batch) // 2])
            yield from self.send(batch[len(batch) // 2 :])
        else:
            self._refuse(batch[0], answer)

    def refusal(self, total: int) -> TargetRefused:
        """What to say of the members that were not accepted."""
        names = ", ".join(f"`{member.name}`" for member, _ in self.refused[:5])
        more = f" and {len(self.refused) - 5} more" if len(self.refused) > 5 else ""
        answer = self.refused[0][1]
        return TargetRefused(
            f"change the members: {len(self.refused)} of {total} were not accepted: {names}{more}",
            status=answer.status,
            detail=answer.detail(),
        )

    def _refuse(self, change: Change, answer: Answer) -> None:
        add, member = change
        if not add and answer.missing:  # who is not there is removed
            return
        self.refused.append((member, answer))
        if len(self.refused) >= _HOPELESS and not self.accepted:
            raise answer.error()

    def _expect_group(self, answer: Answer) -> Talk[None]:
        """A 404 is about the group or about a member: read the group, once."""
        if not answer.missing or self.group_seen:
            return
        read = yield from self.calls.get(self.url, "read the group")
        if read.missing:
            raise Vanished
        self.group_seen = True
