"""A group's members at Salesforce: records that join a user to a public group or a permission set.

Up to 200 of them go in one request (REST API, sObject Collections), since every request counts against the
organization's allowance. One that is refused must not cost the others their membership.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.connector import Member
from connectors.errors import ConnectorError, TargetRefused, TargetUnavailable
from connectors.rest_calls import Answer, Talk, mappings
from connectors.salesforce_calls import Organization, same_id
from connectors.soql import select

_AT_ONCE = 200
_PRESENT = frozenset({"DUPLICATE_VALUE"})
_ABSENT = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY"})
_AGAIN = frozenset({"UNABLE_TO_LOCK_ROW", "PROCESSING_HALTED"})


@dataclass(frozen=True, slots=True)
class Joint:
    """The kind of records that join, and their two fields."""

    kind: str
    group: str
    member: str


GROUP_MEMBER = Joint("GroupMember", "GroupId", "UserOrGroupId")
ASSIGNMENT = Joint("PermissionSetAssignment", "PermissionSetId", "AssigneeId")


@dataclass
class Sending:
    """The changes of one group's members: who was refused, and with what words."""

    organization: Organization
    joint: Joint
    identifier: str
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    def current(self) -> Talk[dict[str, str]]:
        """Who is in, as the member's id to the id of the record that says so."""
        query = select(["Id", self.joint.member], self.joint.kind, {self.joint.group: self.identifier})
        found = yield from self.organization.query(query, "read the members")
        return {str(one.get(self.joint.member)): str(one["Id"]) for one in found}

    def add(self, members: Sequence[Member]) -> Talk[None]:
        """Let members in; who is in stays so."""
        for batch in _batches(members):
            body = {"allOrNone": False, "records": [self._record(member) for member in batch]}
            purpose = f"add {len(batch)} members" if len(batch) > 1 else f"add the member `{batch[0].name}`"
            answer = yield from self.organization.call("POST", "/composite/sobjects", purpose, body)
            self._hear(answer, [member.name for member in batch], _PRESENT)

    def take(self, members: Sequence[Member]) -> Talk[None]:
        """Take members out; who is not in is no matter."""
        for batch in _batches(members):
            conditions = {self.joint.group: self.identifier, self.joint.member: [one.identifier for one in batch]}
            query = select(["Id", self.joint.member], self.joint.kind, conditions)
            found = yield from self.organization.query(query, "look the members up")
            names = {member.identifier: member.name for member in batch}
            shown = {str(one["Id"]): _name(names, str(one.get(self.joint.member))) for one in found}
            yield from self.erase(shown)

    def erase(self, shown: Mapping[str, str]) -> Talk[None]:
        """Delete the records that join; ids to what people call the member."""
        for batch in _batches(list(shown)):
            place = f"/composite/sobjects?ids={','.join(batch)}&allOrNone=false"
            answer = yield from self.organization.call("DELETE", place, f"take {len(batch)} members out")
            self._hear(answer, [shown[one] for one in batch], _ABSENT)

    def refusal(self) -> ConnectorError:
        """What to say of who was refused; a locked record may be free later."""
        names = ", ".join(f"`{name}`" for name, _, _ in self.refused[:5])
        more = f" and {len(self.refused) - 5} more" if len(self.refused) > 5 else ""
        message = f"change the members: {len(self.refused)} were not accepted: {names}{more}: {self.refused[0][2]}"
        kind = TargetUnavailable if all(code in _AGAIN for _, code, _ in self.refused) else TargetRefused
        return kind(message, detail=self.refused[0][2])

    def _record(self, member: Member) -> dict[str, Any]:
        joined = {self.joint.group: self.identifier, self.joint.member: member.identifier}
        return {"attributes": {"type": self.joint.kind}, **joined}

    def _hear(self, answer: Answer, names: Sequence[str], fine: Iterable[str]) -> None:
        """Read the result of each record. Raises TargetRefused when there is none for each."""
        if not answer.good:
            raise self.organization.error(answer)
        results = mappings(answer.data)
        if len(results) != len(names):
            raise TargetRefused(f"{answer.request.purpose}: {len(results)} results for {len(names)} records")
        for name, result in zip(names, results, strict=True):
            errors = mappings(result.get("errors")) or [{}]
            code, words = str(errors[0].get("statusCode") or "UNKNOWN"), str(errors[0].get("message") or "")
            if result.get("success") is not True and code not in fine:
                self.refused.append((name, code, answer.masked(f"{words} ({code})") or code))


def difference(current: Iterable[Member], shown: Mapping[str, str]) -> tuple[list[Member], dict[str, str]]:
    """Who is to be let in, and the records to delete, as ids to names."""
    wanted = list(current)
    there = {identifier[:15] for identifier in shown}
    added = [member for member in wanted if member.identifier[:15] not in there]
    kept = {member.identifier[:15] for member in wanted}
    return added, {record: one for one, record in shown.items() if one[:15] not in kept}


def _name(names: Mapping[str, str], identifier: str) -> str:
    return next((name for known, name in names.items() if same_id(known, identifier)), identifier)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
