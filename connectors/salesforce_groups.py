"""One task about a group at Salesforce: a public group that is made, renamed and deleted, or a permission set.

A permission set is made by people who know what it permits: it is found by its label or name, who is assigned to it is
the group's members, and it is never made, renamed or deleted here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from connectors.connector import Exchanges, Link, Member, Outcome, Progress, Provisioned, Settings, Task
from connectors.errors import Misconfigured, TargetConflict, TargetRefused, TargetUnavailable
from connectors.rest_calls import Answer, Talk, Vanished
from connectors.salesforce_calls import Organization, missing, sobject, taken
from connectors.salesforce_members import ASSIGNMENT, GROUP_MEMBER, Joint, Sending, difference
from connectors.salesforce_payload import group_name, public_group
from connectors.soql import select


@dataclass
class GroupWork(ABC):
    """One task and what follows from it."""

    task: Task
    settings: Settings
    organization: Organization
    warnings: list[str] = field(default_factory=list)

    kind: ClassVar[str]
    joint: ClassVar[Joint]

    def run(self) -> Exchanges:
        """Do the task's operation; raises `ConnectorError`."""
        if self.task.operation == "delete":
            return (yield from self.delete())
        if self.task.link is None:
            return (yield from self.create("created"))
        try:
            return (yield from self._update(self.task.link))
        except Vanished:
            return (yield from self.create("recreated"))

    @abstractmethod
    def create(self, outcome: Outcome) -> Exchanges:
        """Make it or find it."""

    @abstractmethod
    def change(self, link: Link) -> Talk[bool]:
        """Bring its own fields to the wanted state; whether anything was sent. Raises Vanished."""

    @abstractmethod
    def delete(self) -> Exchanges:
        """Take it away."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What is delivered, without members."""

    def done(self, outcome: Outcome, identifier: str) -> Provisioned:
        """The target has the wanted state."""
        delivered = self.state()
        return Provisioned(outcome=outcome, identifier=identifier, delivered=delivered, warnings=tuple(self.warnings))

    def adopt(self, identifier: str, outcome: Outcome) -> Exchanges:
        """Link what exists and bring it to the wanted state."""
        # Empty, not None: what was delivered to an earlier group says nothing of this one.
        yield Progress(identifier=identifier, delivered={})
        try:
            yield from self.change(Link(identifier))
            yield from self.send_members(identifier, known=False)
        except Vanished as error:
            raise TargetUnavailable(f"link the {self.kind}: it was found and then was gone") from error
        return self.done(outcome, identifier)

    def _update(self, link: Link) -> Exchanges:
        sent = yield from self.change(link)
        certain = bool(link.delivered) and not self.task.ambiguous
        sent = (yield from self.send_members(link.identifier, known=certain)) or sent
        return self.done("updated" if sent else "unchanged", link.identifier)

    # --- members ------------------------------------------------------------------------------------------------------

    def send_members(self, identifier: str, *, known: bool) -> Talk[bool]:
        """Send the members that came and went; whether there were any. Raises Vanished when the group is gone.

        `known` says that the changes since the last delivery are what is missing; else who is in is compared.
        """
        membership = self.task.membership
        if membership is None:
            return False
        sending = Sending(self.organization, self.joint, identifier)
        if known and membership.added is not None and membership.removed is not None:
            added, removed = self.fit(membership.added), self.fit(membership.removed)
            yield from sending.take(removed)
            count = len(added) + len(removed)
        else:
            shown = yield from sending.current()
            added, gone = difference(self.fit(membership.current), shown)
            yield from sending.erase(gone)
            count = len(added) + len(gone)
        yield from sending.add(added)
        if sending.refused:
            yield from self.expect(identifier)
            raise sending.refusal()
        return count > 0

    def fit(self, members: Sequence[Member]) -> list[Member]:
        """The members that this kind of group can have."""
        return list(members)

    def expect(self, identifier: str) -> Talk[None]:
        """Raise Vanished when the group is gone: then every member is refused."""
        answer = yield from self.organization.get(sobject(self.kind, identifier, fields="Id"), "read the group")
        if missing(answer):
            raise Vanished


class PublicGroup(GroupWork):
    """A public group, which is ours."""

    kind = "Group"
    joint = GROUP_MEMBER

    def state(self) -> dict[str, Any]:
        """Name and developer name."""
        return public_group(self.task)

    def create(self, outcome: Outcome) -> Exchanges:
        """Make it; what exists already is linked. After an ambiguous attempt, look before making."""
        if self.task.ambiguous:
            found = yield from self._find()
            if found is not None:
                return (yield from self._adopt(found))
        body = {**self.state(), "Type": "Regular"}
        answer = yield from self.organization.call("POST", sobject("Group"), "create the group", body)
        if taken(answer):
            found = yield from self._find()
            if found is None:
                raise self.organization.error(answer)
            return (yield from self._adopt(found))
        if answer.status == 404:
            raise Misconfigured("create the group: the organization does not know this API", setting="sf-api-version")
        if not answer.good:
            raise self.organization.error(answer)
        identifier = str(answer.resource.get("id") or "")
        if not identifier:
            raise TargetUnavailable("create the group: the target confirms it without an id", status=answer.status)
        yield Progress(identifier=identifier, delivered=self.state())
        try:
            yield from self.send_members(identifier, known=False)
        except Vanished as error:
            raise TargetUnavailable("create the group: it was created and then was gone") from error
        return self.done(outcome, identifier)

    def change(self, link: Link) -> Talk[bool]:
        """Rename it, where it is not known to have its name. Raises Vanished."""
        before = {} if self.task.ambiguous else dict(link.delivered or {})
        body = {name: value for name, value in self.state().items() if before.get(name) != value}
        if not body:
            return False
        place = sobject("Group", link.identifier)
        answer = yield from self.organization.call("PATCH", place, "rename the group", body)
        if missing(answer):
            raise Vanished
        if not answer.good:
            raise self.organization.error(answer)
        return True

    def delete(self) -> Exchanges:
        """Delete it; what is not there is done. Without a link only what an earlier attempt made goes."""
        if self.task.link is not None:
            return (yield from self._erase(self.task.link.identifier))
        found = (yield from self._find()) if self.task.ambiguous else None
        if found is None:
            return Provisioned(outcome="already-gone", active=False)
        if not (yield from self._is_ours(found)):
            warning = (
                f"the group `{self.state()['Name']}` exists at the target, is not known as ours, and was left alone"
            )
            return Provisioned(outcome="already-gone", active=False, warnings=(warning,))
        return (yield from self._erase(str(found["Id"])))

    def _erase(self, identifier: str) -> Exchanges:
        answer: Answer = yield from self.organization.call("DELETE", sobject("Group", identifier), "delete the group")
        if not answer.good and not missing(answer):
            raise self.organization.error(answer)
        outcome: Outcome = "already-gone" if missing(answer) else "deleted"
        return Provisioned(outcome=outcome, identifier=identifier, active=False)

    def _find(self) -> Talk[Mapping[str, Any] | None]:
        """The public group of our developer name: a name alone need not be unique."""
        conditions = {"DeveloperName": self.state()["DeveloperName"], "Type": "Regular"}
        query = select(["Id", "Name", "DeveloperName"], "Group", conditions)
        found = yield from self.organization.query(query, "look the group up")
        return found[0] if found else None

    def _adopt(self, found: Mapping[str, Any]) -> Exchanges:
        ours = self.task.ambiguous and (yield from self._is_ours(found))
        if not ours and not self.organization.setup.links:
            raise TargetConflict(f"the group `{self.state()['Name']}` exists at the target and may not be linked")
        return (yield from self.adopt(str(found["Id"]), "created" if ours else "linked"))

    def _is_ours(self, found: Mapping[str, Any]) -> Talk[bool]:
        """Whether it is as an attempt of ours leaves it that got no answer: of our name, and still empty."""
        if found.get("Name") != self.state()["Name"]:
            return False
        return not (yield from Sending(self.organization, self.joint, str(found["Id"])).current())


class PermissionSet(GroupWork):
    """A permission set, which is not ours: only who is assigned to it."""

    kind = "PermissionSet"
    joint = ASSIGNMENT

    def state(self) -> dict[str, Any]:
        """The name that it is found by."""
        return {"Label": group_name(self.task)}

    def create(self, outcome: Outcome) -> Exchanges:
        """Find it. Raises TargetRefused when there is none of that name."""
        del outcome  # it is never made here
        name = group_name(self.task)
        for field_ in ("Label", "Name"):
            query = select(["Id", field_, "IsOwnedByProfile"], "PermissionSet", {field_: name})
            found = yield from self.organization.query(query, f"look the permission set up by {field_}")
            own = [one for one in found if one.get("IsOwnedByProfile") is not True]
            if len(own) > 1:
                raise TargetConflict(f"{len(own)} permission sets have the {field_} `{name}`")
            if own:
                return (yield from self.adopt(str(own[0]["Id"]), "linked"))
        raise TargetRefused(f"the organization has no permission set `{name}`: make one, or provision no such group")

    def change(self, link: Link) -> Talk[bool]:
        """Nothing of it is ours; a group that was renamed says so."""
        yield from ()
        before = (link.delivered or {}).get("Label")
        if before and before != self.state()["Label"]:
            self.warnings.append(f"the group was renamed; its permission set is still the one found as `{before}`")
        return False

    def fit(self, members: Sequence[Member]) -> list[Member]:
        """Users: a permission set is assigned to nobody else."""
        groups = [member.name for member in members if member.type == "group"]
        self.warnings += [f"the group `{name}` cannot be assigned to a permission set" for name in groups]
        return [member for member in members if member.type == "user"]

    def delete(self) -> Exchanges:
        """Take the members out that we know of; the permission set stays."""
        link, membership = self.task.link, self.task.membership
        if link is None:
            return Provisioned(outcome="already-gone", active=False)
        sending = Sending(self.organization, self.joint, link.identifier)
        if membership is not None:
            yield from sending.take(self.fit([*membership.current, *(membership.removed or ())]))
        if sending.refused:
            raise sending.refusal()
        self.warnings.append("the permission set stays, without the members that are known")
        done = self.done("deleted", link.identifier)
        return Provisioned(outcome=done.outcome, identifier=done.identifier, active=False, warnings=done.warnings)
