"""Groups at Google: one request for each member that comes or goes, since the API has no other way.

One member that Google does not accept must not cost the others their membership: the rest goes through, and the refusal
names who was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors.connector import Exchanges, Member
from connectors.errors import ConnectorError, TargetConflict, TargetRefused, TargetUnavailable
from connectors.google_calls import duplicate, missing, path, said
from connectors.google_payload import group
from connectors.google_work import Work
from connectors.rest_calls import Answer, Talk, Vanished

_PAGE = 200  # the most that members.list gives at once
# So many refused alone and none accepted: it is not the members that the target dislikes.
_HOPELESS = 5


_Changes = tuple[tuple[Member, ...], tuple[Member, ...]]


@dataclass(frozen=True, slots=True)
class _Refusal:
    member: Member
    answer: Answer


class GroupWork(Work):
    """One task about a group."""

    collection = "groups"
    kind = "group"
    address_field = "email"

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The state that the group should have, without members."""
        made, warnings = group(self.task, self.directory.setup)
        self.warnings += warnings
        return made

    def new_resource(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The group; members follow."""
        return self.resource, ()

    def extra_change(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """Nothing."""
        return {}, ()

    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Whether it is as an attempt of ours leaves it that got no answer: of our name, and still empty.

        A group bears no mark: its external ids are not offered everywhere. Without such an attempt it is a stranger's.
        """
        if not self.task.ambiguous:
            return False
        same = all(found.get(key) == value for key, value in self.resource.items() if key != "email")
        return same and str(found.get("directMembersCount", "")) == "0"

    def find(self) -> Talk[Mapping[str, Any] | None]:
        """The group of our address. Raises TargetConflict when it has another name: two names may make one address."""
        found = yield from super().find()
        wanted = self.resource["name"].casefold()
        unsure = "email" not in self.task.attributes and wanted != self.address.partition("@")[0]
        if found is not None and unsure and str(found.get("name") or "").casefold() != wanted:
            raise TargetConflict(f"the address `{self.address}` is of another group, `{found.get('name')}`")
        return found

    def find_elsewhere(self) -> Talk[Mapping[str, Any] | None]:
        """Nothing can be found without a mark."""
        yield from ()
        return None

    def remove(self, identifier: str) -> Exchanges:
        """Delete."""
        return self.erase(identifier)

    # --- members ------------------------------------------------------------------------------------------------------

    def complete(self, identifier: str, *, known: bool) -> Talk[bool]:
        """Send the members that came and went: as we know it, else compared with who is there."""
        membership = self.task.membership
        if membership is None:
            return False
        added, removed = membership.added, membership.removed
        if added is None or removed is None or not known:
            added, removed = yield from self._compared(identifier, membership.current)
        refused: list[_Refusal] = []
        accepted = 0
        for member, add in (*((one, False) for one in removed), *((one, True) for one in added)):
            answer = yield from (self._add if add else self._take)(identifier, member)
            if answer is None:
                accepted += 1
                continue
            refused.append(_Refusal(member, answer))
            if len(refused) >= _HOPELESS and not accepted:
                raise self.directory.error(answer)
        if refused:
            raise _refusal(refused, len(added) + len(removed))
        return bool(added or removed)

    def _compared(self, identifier: str, current: Sequence[Member]) -> Talk[_Changes]:
        """Who is to be added and taken out. Owners and managers that Google's own people made are left in."""
        there = yield from self._list(identifier)
        wanted = {member.identifier for member in current}
        added = tuple(member for member in current if member.identifier not in there)
        gone = sorted(key for key, role in there.items() if key not in wanted and role == "MEMBER")
        return added, tuple(Member("", key, key) for key in gone)

    def _list(self, identifier: str) -> Talk[dict[str, str]]:
        """The members' identifiers and roles. Raises Vanished."""
        found: dict[str, str] = {}
        token = ""
        while True:
            query: dict[str, str | int] = {"maxResults": _PAGE, **({"pageToken": token} if token else {})}
            answer = yield from self.directory.get(path("groups", identifier, "members", **query), "read the members")
            if missing(answer):
                raise Vanished
            if not answer.good:
                raise self.directory.error(answer)
            page = {str(one["id"]): str(one.get("role")) for one in answer.listed("members") if one.get("id")}
            token = str(answer.resource.get("nextPageToken") or "")
            if not token or page.keys() <= found.keys():
                return found | page
            found |= page

    def _add(self, identifier: str, member: Member) -> Talk[Answer | None]:
        """Add a member, None when it is in; else the refusal. Raises Vanished when the group is gone."""
        body = {"id": member.identifier, "role": "MEMBER"}
        place = path("groups", identifier, "members")
        answer = yield from self.directory.call("POST", place, f"add the member `{member.name}`", body)
        if answer.good or duplicate(answer):
            return None
        return (yield from self._judged(identifier, answer))

    def _take(self, identifier: str, member: Member) -> Talk[Answer | None]:
        """Take a member out, None when it is out; else the refusal. Raises Vanished when the group is gone."""
        place = path("groups", identifier, "members", member.identifier)
        answer = yield from self.directory.call("DELETE", place, f"take the member `{member.name}` out")
        if answer.good:
            return None
        refusal = yield from self._judged(identifier, answer)
        return None if missing(answer) else refusal

    def _judged(self, identifier: str, answer: Answer) -> Talk[Answer]:
        """A 404 is about the group or about the member: read the group."""
        if missing(answer) and (yield from self.read(identifier, "read the group")) is None:
            raise Vanished
        if answer.status == 409:
            raise self.directory.error(answer)
        return answer


def _refusal(refused: Sequence[_Refusal], total: int) -> ConnectorError:
    """What to say of the members that were not accepted; those that the target does not show may only be too new."""
    names = ", ".join(f"`{one.member.name}`" for one in refused[:5])
    more = f" and {len(refused) - 5} more" if len(refused) > 5 else ""
    first = refused[0].answer
    message = f"change the members: {len(refused)} of {total} were not accepted: {names}{more}"
    detail = said(first)
    kind = TargetUnavailable if all(missing(one.answer) for one in refused) else TargetRefused
    return kind(f"{message}: {detail}" if detail else message, status=first.status, detail=detail)
