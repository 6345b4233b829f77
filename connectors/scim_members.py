"""A group's members at a SCIM target: changes in batches that the target's profile allows.

One member that the target does not accept must not cost the others their membership: a refused batch is halved until
the bad member stands alone, the rest goes through, and the refusal names who was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.connector import Member
from connectors.errors import TargetRefused
from connectors.filters import element
from connectors.profile import Members, Profile
from connectors.scim_calls import Answer, Calls, Talk, Vanished
from connectors.scim_changes import Operation, patch_message
from connectors.scim_payload import member_values

# RFC 7644 section 3.12: what a target says of a member it does not know, or does not have.
NOT_ACCEPTED = frozenset({400, 404, 409, 422})
# So many refused alone and none accepted: it is not the members that the target dislikes.
_HOPELESS = 5


@dataclass(frozen=True, slots=True)
class Change:
    """One member to add, or to remove; a removal may be of someone we do not know, by identifier only."""

    add: bool
    member: Member


def differences(current: Iterable[Member], read: Mapping[str, Any]) -> list[Change]:
    """What turns the members of a group as read into `current`."""
    listed = read.get("members")
    there = {str(one["value"]) for one in listed or () if isinstance(one, Mapping) and "value" in one}
    wanted = {member.identifier: member for member in current}
    gone = [Member("", identifier, identifier) for identifier in sorted(there - wanted.keys())]
    return [
        *(Change(add=False, member=member) for member in gone),
        *(Change(add=True, member=member) for identifier, member in wanted.items() if identifier not in there),
    ]


def change_members(calls: Calls, url: str, changes: Sequence[Change]) -> Talk[None]:
    """Send membership changes.

    Raises Vanished, Unsupported, and TargetRefused when members were not accepted (after all others were sent).
    """
    sending = _Sending(calls, url)
    for batch in _batches(changes, calls.profile):
        yield from sending.send(batch)
    if sending.refused:
        raise sending.refusal(len(changes))


def operations(changes: Sequence[Change], ways: Members) -> list[Operation]:
    """The PATCH operations of a batch, in the target's dialect."""
    removed = [change.member for change in changes if not change.add]
    added = [change.member for change in changes if change.add]
    return [*_removals(removed, ways), *_additions(added, ways)]


def _removals(removed: Sequence[Member], ways: Members) -> list[Operation]:
    """One operation per member: a list of values with `remove` empties the whole group at targets that ignore it."""
    if ways.remove == "filter":
        return [{"op": "remove", "path": element("members", one.identifier)} for one in removed]
    values = [{"value": one.identifier} for one in removed]
    return [{"op": "remove", "path": "members", "value": values}] if values else []


def _additions(added: Sequence[Member], ways: Members) -> list[Operation]:
    values = member_values(added, ways)
    if not values:
        return []
    if ways.add == "list":
        return [{"op": "add", "path": "members", "value": values}]
    wrapped: Operation = {"op": "add", "value": {"members": values}}
    return [wrapped if ways.add == "pathless" else {**wrapped, "path": "members"}]


def _batches(changes: Sequence[Change], profile: Profile) -> Iterator[list[Change]]:
    """Removals first; each batch within both limits (all additions together are one operation)."""
    members, most_operations = profile.patch.members, profile.patch.operations
    removals = [change for change in changes if not change.add]
    additions = [change for change in changes if change.add]
    size = min(members, most_operations) if profile.members.remove == "filter" else members
    while len(removals) > size:
        yield removals[:size]
        removals = removals[size:]
    full = profile.members.remove == "filter" and len(removals) >= most_operations
    room = 0 if full else members - len(removals)
    if removals or additions:
        yield [*removals, *additions[:room]]
    for start in range(room, len(additions), members):
        yield additions[start : start + members]


@dataclass(slots=True)
class _Sending:
    """The state of sending one group's changes: who was refused alone, how many went through."""

    calls: Calls
    url: str
    accepted: int = 0
    refused: list[tuple[Change, Answer]] = field(default_factory=list)
    seen: bool = False

    def send(self, batch: Sequence[Change]) -> Talk[None]:
        """Send a batch, and its halves when it is refused."""
        purpose = f"change {len(batch)} members" if len(batch) > 1 else "change one member"
        profile = self.calls.profile
        message = patch_message(operations(batch, profile.members), profile.patch)
        answer = yield from self.calls.patch(self.url, message, purpose)
        if answer.good:
            self.accepted += len(batch)
            return
        if answer.status not in NOT_ACCEPTED:
            answer.expect()
        if answer.status == 404:
            yield from self._expect_group()
        if len(batch) > 1:
            yield from self.send(batch[: len(batch) // 2])
            yield from self.send(batch[len(batch) // 2 :])
        elif batch[0].add or not (answer.status == 404 or answer.scim_type == "noTarget"):
            self._refuse(batch[0], answer)

    def refusal(self, total: int) -> TargetRefused:
        """What to say of the members that were not accepted."""
        names = ", ".join(f"`{change.member.name}`" for change, _ in self.refused[:5])
        more = f" and {len(self.refused) - 5} more" if len(self.refused) > 5 else ""
        _, first = self.refused[0]
        message = f"change the members: {len(self.refused)} of {total} were not accepted: {names}{more}"
        detail = first.detail()
        return TargetRefused(f"{message}: {detail}" if detail else message, status=first.status, detail=detail)

    def _refuse(self, change: Change, answer: Answer) -> None:
        self.refused.append((change, answer))
        if len(self.refused) >= _HOPELESS and not self.accepted:
            raise answer.error()

    def _expect_group(self) -> Talk[None]:
        """A 404 is about the group or about a member: read the group, once."""
        if not self.seen:
            answer = yield from self.calls.get(self.url, "read the group")
            if answer.missing:
                raise Vanished
            self.seen = True
