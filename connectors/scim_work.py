"""One task at a SCIM 2.0 target: create, link, update, delete, as users and groups have it in common.

`UserWork` and `GroupWork` say how theirs are written. Everything that is not certain is looked up before it is written:
an earlier attempt without an answer, an account that exists already, a state that is not known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from connectors.connector import Exchanges, Link, Outcome, Progress, Provisioned, Settings, Task
from connectors.errors import Misconfigured, TargetConflict, TargetRefused, TargetUnavailable
from connectors.filters import resource_url
from connectors.profile import Profile, Shape
from connectors.scim_calls import Answer, Calls, Talk, Unsupported, Vanished
from connectors.scim_changes import (
    Operation,
    batches,
    changes,
    everything,
    patch_message,
    pathless,
    paths,
    relevant,
    touched,
)
from connectors.scim_discovery import NOTHING_SAID, Offers, no_patch, offers
from connectors.scim_lookup import Found, look_up
from connectors.scim_members import Change, change_members
from connectors.scim_payload import naming_attribute, wanted
from connectors.scim_shape import shaped


@dataclass(frozen=True, slots=True)
class Written:
    """What an update did: whether anything was sent, the resource's version after it, what people should know."""

    sent: bool
    etag: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work(ABC):
    """One task and what follows from it."""

    task: Task
    settings: Settings
    calls: Calls
    known: Offers = NOTHING_SAID

    # -- what users and groups do differently -------------------------------------------------------------------------

    @abstractmethod
    def post(self) -> Talk[tuple[Answer, Sequence[Change]]]:
        """Create the resource; the answer, and the members that are still to be sent."""

    @abstractmethod
    def write_known(self, link: Link) -> Talk[Written]:
        """Bring the resource to the wanted state, knowing what the target can do. Raises Vanished when it is gone."""

    @abstractmethod
    def remove(self, identifier: str) -> Exchanges:
        """Take the resource away as the profile says."""

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def profile(self) -> Profile:
        """The target's ways."""
        return self.calls.profile

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The state that the target should have."""
        shape: Shape = self.profile.user if self.task.entity_type == "user" else self.profile.group
        return shaped(wanted(self.task, self.settings), shape)

    @cached_property
    def endpoint(self) -> str:
        """The URL of the collection. Raises Misconfigured when none is set."""
        key = "scim2-user-ep" if self.task.entity_type == "user" else "scim2-group-ep"
        if self.task.entity_type == "group" and not self.profile.group.supported:
            raise Misconfigured("the target's profile says that it has no groups", setting=key)
        if not self.settings.get(key):
            raise Misconfigured(f"a {self.kind} cannot be provisioned: no endpoint is set", setting=key)
        return self.settings.get(key)

    @property
    def unique(self) -> bool:
        """Whether targets refuse a second resource of the same name: a user (RFC 7643 section 4.1.1), but no group."""
        return self.task.entity_type == "user"

    @property
    def kind(self) -> str:
        """`user` or `group`, for people."""
        return self.task.entity_type

    @property
    def name(self) -> str:
        """What the entity is called at the target."""
        return str(self.resource[naming_attribute(self.task)])

    def done(self, outcome: Outcome, identifier: str, etag: str | None, warnings: tuple[str, ...] = ()) -> Provisioned:
        """The target has the wanted state."""
        return Provisioned(
            outcome=outcome,
            identifier=identifier,
            delivered=self.resource,
            etag=etag,
            active=self.resource.get("active") is not False,
            warnings=warnings,
        )

    # -- create -------------------------------------------------------------------------------------------------------

    def create(self, outcome: Outcome = "created") -> Exchanges:
        """POST; what exists already is linked. Look before posting what the target might take a second time."""
        if self.task.ambiguous or self.expected_missing or not self.unique:
            found = yield from self.find()
            if found is not None:
                return (yield from self.adopt(found))
        if self.expected_missing:
            # Made now, it could never be found again: neither after a lost answer nor to be enabled.
            warning = f"the target hides disabled users: `{self.name}` is made when it is enabled"
            return Provisioned(outcome="unchanged", active=False, warnings=(warning,))
        answer, unsent = yield from self.post()
        if answer.taken:
            return (yield from self._conflict(answer))
        if not answer.good:
            raise answer.error()
        identifier = answer.identifier or (yield from self._identifier_of_new(answer))
        yield Progress(identifier=identifier, delivered=self.resource, etag=answer.etag)
        try:
            yield from self._complete(identifier, unsent)
        except Vanished as error:
            raise TargetUnavailable(f"create the {self.kind}: it was created and then was gone") from error
        return self.done(outcome, identifier, answer.etag)

    def _complete(self, identifier: str, unsent: Sequence[Change]) -> Talk[None]:
        url = resource_url(self.endpoint, identifier)
        try:
            yield from change_members(self.calls, url, unsent)
        except Unsupported:
            yield from self.write(Link(identifier, self.resource))

    def _identifier_of_new(self, answer: Answer) -> Talk[str]:
        """Some targets confirm a creation without saying what they created."""
        found = yield from self.find()
        if found is None:
            raise TargetRefused(
                f"create the {self.kind}: the target answered {answer.status} without an identifier, and finds nothing"
                " by externalId or name",
                status=answer.status,
            )
        return found.identifier

    def _conflict(self, answer: Answer) -> Exchanges:
        found = yield from self.find()
        if found is None:
            raise TargetConflict(
                f"create the {self.kind}: the target says that it exists, but finds none named `{self.name}`",
                status=answer.status,
                detail=answer.detail(),
            )
        return (yield from self.adopt(found))

    # -- what exists already ------------------------------------------------------------------------------------------

    def find(self) -> Talk[Found | None]:
        """The resource with our externalId, which an earlier attempt made, else the one with our name."""
        return look_up(self.calls, self.endpoint, self.resource, naming_attribute(self.task))

    def adopt(self, found: Found) -> Exchanges:
        """Link what was found and bring it to the wanted state. Raises TargetConflict when linking is forbidden."""
        if not found.ours and self.settings.on_conflict == "fail":
            raise TargetConflict(f"the {self.kind} `{self.name}` exists at the target and may not be linked")
        # Empty, not None: what was delivered to an earlier resource says nothing of this one.
        yield Progress(identifier=found.identifier, delivered={})
        outcome: Outcome = "created" if found.ours and self.task.ambiguous else "linked"
        whole = replace(self, task=replace(self.task, operation="replace"))
        try:
            written = yield from whole.write(Link(found.identifier))
        except Vanished as error:
            raise TargetUnavailable(f"link the {self.kind}: it was found and then was gone") from error
        return self.done(outcome, found.identifier, written.etag, written.warnings)

    # -- update -------------------------------------------------------------------------------------------------------

    def update(self, link: Link) -> Exchanges:
        """Send what has changed; what has vanished at the target is created again."""
        try:
            written = yield from self.write(link)
        except Vanished:
            if self.expected_missing:
                return self.done("unchanged", link.identifier, None)
            return (yield from self.create("recreated"))
        if written.sent:
            return self.done("updated", link.identifier, written.etag, written.warnings)
        made = self.task.operation == "create" and any(one.method == "POST" for one in self.task.unfinished)
        return self.done("created" if made else "unchanged", link.identifier, link.etag)

    def write(self, link: Link) -> Talk[Written]:
        """Bring the resource to the wanted state. Raises Vanished when it is gone."""
        known = yield from offers(self.calls, self.settings.get("scim2-user-ep"), self.task.remembered)
        return (yield from replace(self, known=known).write_known(link))

    @property
    def expected_missing(self) -> bool:
        """Whether the target is known to hide what we want to be disabled."""
        return False

    def settled(self, link: Link) -> bool:
        """Whether the resource's attributes are known to be as they should be."""
        return bool(link.delivered) and not self.task.ambiguous and not changes(link.delivered or {}, self.resource)

    def put(self, link: Link, body: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> Talk[Written]:
        """Replace the resource. Raises Vanished, Unsupported."""
        url, purpose = resource_url(self.endpoint, link.identifier), f"replace the {self.kind}"
        # Without a version: a whole image overwrites whatever somebody else has changed meanwhile.
        answer = yield from self.calls.put(url, body, purpose, secrets=secrets)
        return Written(sent=True, etag=answer.expect().etag)

    def patch(self, link: Link, extra: tuple[Operation, ...] = (), secrets: tuple[str, ...] = ()) -> Talk[Written]:
        """Send what differs from the last delivered state, or from the target's own where that one is not certain.

        `extra` operations go with it. Raises Vanished, Unsupported.
        """
        url = resource_url(self.endpoint, link.identifier)
        if link.delivered and not self.task.ambiguous:
            operations = [*changes(link.delivered, self.resource), *extra]
            written = yield from self._send(url, operations, secrets, self._version(link.etag))
            if written is not None:
                return written
        read = yield from self.calls.get(url, f"read the {self.kind}")
        if read.missing:
            raise Vanished
        operations = [*self._differences(read, link), *extra]
        # Without a version: some targets compare even their own as if it could never match (RFC 9110 section 8.8.3.2).
        written = yield from self._send(url, operations, secrets, None)
        if written is None:
            raise TargetUnavailable(f"change the {self.kind}: the target demands another version", status=412)
        return written

    def either(self, first: Callable[[], Talk[Written]], second: Callable[[], Talk[Written]]) -> Talk[Written]:
        """Write the first way, and the second way where the target does not know the method of the first."""
        try:
            return (yield from first())
        except Unsupported as error:
            if error.answer.request.method == "PATCH":
                yield no_patch(self.known, self.profile.discovery)
        try:
            return (yield from second())
        except Unsupported as error:
            raise error.answer.error() from error

    def _differences(self, read: Answer, link: Link) -> list[Operation]:
        if not read.good:
            return everything(self.resource)
        managed = {*paths(link.delivered or {}), *touched(self.task.patch)}
        return changes(relevant(read.data, self.resource, managed), self.resource)

    def _send(
        self, url: str, operations: list[Operation], secrets: tuple[str, ...], etag: str | None
    ) -> Talk[Written | None]:
        """PATCH in as many messages as the profile demands; None when the resource is not what was expected (412)."""
        ways, version = self.profile.patch, None
        spoken = operations if ways.paths else pathless(operations, self.resource)
        for batch in batches(spoken, ways.operations):
            message, purpose = patch_message(batch, ways), f"change the {self.kind}"
            answer = yield from self.calls.patch(url, message, purpose, secrets=secrets, etag=etag)
            if answer.status == 412:
                return None
            version = answer.expect().etag
            etag = None  # only the first message meets the state that was known
        return Written(sent=bool(operations), etag=version)

    def _version(self, etag: str | None) -> str | None:
        """The version to demand: a user's, where the profile and the target's configuration have nothing against it.

        A group's changes with every member; its changes are computed from our own memberships anyway.
        """
        wanted_here = self.kind == "user" and self.profile.user.etags and self.known.etag is not False
        return etag if wanted_here else None

    # -- delete -------------------------------------------------------------------------------------------------------

    def delete(self) -> Exchanges:
        """Take the resource away; what is not there is done. Without a link only what an earlier attempt made goes."""
        if self.task.link is not None:
            return (yield from self.remove(self.task.link.identifier))
        found = (yield from self.find()) if self.task.ambiguous else None
        if found is None:
            return Provisioned(outcome="already-gone", active=False)
        if not found.ours:
            warning = f"the {self.kind} `{self.name}` exists at the target without our externalId and was left alone"
            return Provisioned(outcome="already-gone", active=False, warnings=(warning,))
        return (yield from self.remove(found.identifier))

    def erase(self, identifier: str) -> Exchanges:
        """DELETE (RFC 7644 section 3.6)."""
        answer = yield from self.calls.delete(resource_url(self.endpoint, identifier), f"delete the {self.kind}")
        if not answer.good and not answer.missing:
            raise answer.error()
        outcome: Outcome = "already-gone" if answer.missing else "deleted"
        return Provisioned(outcome=outcome, identifier=identifier, active=False)

    def keep(self, identifier: str) -> Provisioned:
        """Leave it: the profile says that the target takes nothing away."""
        warning = f"the target's profile leaves every {self.kind} in place"
        return Provisioned(outcome="unchanged", identifier=identifier, active=False, warnings=(warning,))
