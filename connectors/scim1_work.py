"""One task at a SCIM 1.1 target: create, link, update, delete.

PATCH is optional in 1.1: where the target does not know it, PUT is used, and that is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from connectors.connector import Exchanges, Link, Member, Outcome, Progress, Provisioned, Remember, Settings, Task
from connectors.errors import Misconfigured, TargetConflict, TargetRefused, TargetUnavailable
from connectors.filters import resource_url
from connectors.passwords import changed_password, initial_password
from connectors.scim1_members import NOT_ACCEPTED, change_members, difference
from connectors.scim1_payload import members_value, message, name_of, partial, wanted
from connectors.scim_calls import Answer, Calls, Talk, Unsupported, Vanished
from connectors.scim_changes import paths, relevant, touched
from connectors.scim_lookup import Found, look_up
from connectors.scim_payload import naming_attribute

NO_PATCH = "scim1-no-patch"


@dataclass
class Work:
    """One task and what follows from it."""

    task: Task
    settings: Settings
    calls: Calls
    patches: bool = field(init=False)

    def __post_init__(self) -> None:
        self.patches = not self.task.remembered.get(NO_PATCH)

    def run(self) -> Exchanges:
        """Do the task's operation; raises `ConnectorError`."""
        if self.task.operation == "delete":
            return (yield from self._delete())
        if self.task.link is None:
            return (yield from self._create("created"))
        try:
            return (yield from self._update(self.task.link))
        except Vanished:
            return (yield from self._create("recreated"))

    # --- facts --------------------------------------------------------------------------------------------------------

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The state that the target should have."""
        return wanted(self.task, self.settings)

    @cached_property
    def endpoint(self) -> str:
        """The URL of the collection. Raises Misconfigured when none is set."""
        key = "scim-user-ep" if self.task.entity_type == "user" else "scim-group-ep"
        if not self.settings.get(key):
            raise Misconfigured(f"a {self.kind} cannot be provisioned: no endpoint is set", setting=key)
        return self.settings.get(key)

    @property
    def kind(self) -> str:
        """`user` or `group`, for people."""
        return self.task.entity_type

    @property
    def _members(self) -> tuple[Member, ...]:
        return self.task.membership.current if self.task.membership is not None else ()

    def _password(self, *, initial: bool) -> str:
        """The password to send; empty for none."""
        enabled = self.kind == "user" and self.settings.flag("scim-enable-pwd-provisioning", default=True)
        if initial:
            return initial_password(self.task, enabled=enabled, default=self.settings.get("scim-default-pwd"))
        return changed_password(self.task, enabled=enabled)

    def _whole(self, *, initial: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The body of POST and PUT, with password and members, and the secrets in it."""
        password = self._password(initial=initial)
        body = self.resource | ({"password": password} if password else {})
        if self.kind == "group" and (self._members or not initial):
            body |= {"members": members_value(self._members)}
        return body, (password,) if password else ()

    def _done(self, outcome: Outcome, identifier: str, etag: str | None) -> Provisioned:
        active = self.resource.get("active") is not False
        return Provisioned(outcome=outcome, identifier=identifier, delivered=self.resource, etag=etag, active=active)

    # --- create -------------------------------------------------------------------------------------------------------

    def _create(self, outcome: Outcome) -> Exchanges:
        # A target need not refuse a second group of the same name (core schema, section 8).
        if self.task.ambiguous or self.kind == "group":
            found = yield from self._find()
            if found is not None:
                return (yield from self._adopt(found))
        body, secrets = self._whole(initial=True)
        answer = yield from self.calls.post(self.endpoint, body, f"create the {self.kind}", secrets)
        if answer.taken:
            return (yield from self._conflict(answer))
        unsent = self._members if "members" in body and answer.status in NOT_ACCEPTED else ()
        if unsent:
            # One member that is gone from the target must not keep the group from being made.
            purpose = "create the group without members"
            empty = yield from self.calls.post(self.endpoint, self.resource, purpose)
            answer = empty if empty.good else answer
        if not answer.good:
            raise answer.error()
        identifier = answer.identifier or (yield from self._identifier_of_new(answer))
        if unsent:
            yield Progress(identifier=identifier, delivered=self.resource, etag=answer.etag)
            return (yield from self._fill(outcome, identifier))
        return self._done(outcome, identifier, answer.etag)

    def _fill(self, outcome: Outcome, identifier: str) -> Exchanges:
        """Add the members to a group that was made without."""
        try:
            yield from change_members(self.calls, resource_url(self.endpoint, identifier), self._members, ())
        except Vanished as error:
            raise TargetUnavailable("create the group: it was created and then was gone") from error
        except Unsupported:
            yield from self._without_patch(Link(identifier, self.resource))
        return self._done(outcome, identifier, None)

    def _identifier_of_new(self, answer: Answer) -> Talk[str]:
        """Some targets confirm a creation without saying what they created."""
        found = yield from self._find()
        if found is None:
            raise TargetRefused(
                f"create the {self.kind}: the target answered {answer.status} without an identifier, and finds nothing"
                " by externalId or name",
                status=answer.status,
            )
        return found.identifier

    def _conflict(self, answer: Answer) -> Exchanges:
        found = yield from self._find()
        if found is None:
            name = name_of(self.task, self.resource)
            raise TargetConflict(
                f"create the {self.kind}: the target says that it exists, but finds none named `{name}`",
                status=answer.status,
                detail=answer.detail(),
            )
        return (yield from self._adopt(found))

    def _find(self) -> Talk[Found | None]:
        return look_up(self.calls, self.endpoint, self.resource, naming_attribute(self.task))

    def _adopt(self, found: Found) -> Exchanges:
        """Link what exists and bring it to the wanted state. Raises TargetConflict when linking is forbidden."""
        if not found.ours and self.settings.on_conflict == "fail":
            name = name_of(self.task, self.resource)
            raise TargetConflict(f"the {self.kind} `{name}` exists at the target and may not be linked")
        # Empty, not None: what was delivered to an earlier resource says nothing of this one.
        yield Progress(identifier=found.identifier, delivered={})
        outcome: Outcome = "created" if found.ours and self.task.ambiguous else "linked"
        try:
            done = yield from self._update(Link(found.identifier))
        except Vanished as error:
            raise TargetUnavailable(f"link the {self.kind}: it was found and then was gone") from error
        return self._done(outcome, found.identifier, done.etag)

    # --- update -------------------------------------------------------------------------------------------------------

    def _update(self, link: Link) -> Exchanges:
        """Send what has changed: by PATCH, else the whole resource by PUT. Raises Vanished."""
        before = yield from self._before(link)
        body = partial(before, self.resource)
        password = self._password(initial=False)
        if password:
            body["password"] = password
        if not self.patches and (body or self._membership_changed):
            return (yield from self._put(link))
        etag = link.etag
        if body:
            try:
                etag = yield from self._patch(link, body, (password,) if password else ())
            except Unsupported:
                return (yield from self._without_patch(link))
        try:
            changed = yield from self._change_members(link)
        except Unsupported:
            return (yield from self._without_patch(link))
        return self._done("updated" if body or changed else "unchanged", link.identifier, None if changed else etag)

    def _before(self, link: Link) -> Talk[Mapping[str, Any]]:
        """What the target has: as delivered, or as it shows where that is not certain."""
        if link.delivered and not self.task.ambiguous:
            return link.delivered
        read = yield from self.calls.get(resource_url(self.endpoint, link.identifier), f"read the {self.kind}")
        if read.missing:
            raise Vanished
        if not read.good:
            raise read.error()
        managed = {*paths(link.delivered or {}), *touched(self.task.patch)}
        return relevant(read.data, self.resource, managed)

    def _patch(self, link: Link, body: Mapping[str, Any], secrets: tuple[str, ...]) -> Talk[str | None]:
        url = resource_url(self.endpoint, link.identifier)
        answer = yield from self.calls.patch(url, message(body), f"change the {self.kind}", secrets=secrets)
        etag = answer.expect().etag
        yield Progress(identifier=link.identifier, delivered=self.resource, etag=etag)
        return etag

    def _without_patch(self, link: Link) -> Exchanges:
        yield Remember(NO_PATCH, value=True, ttl=timedelta(days=1))
        return (yield from self._put(link))

    def _put(self, link: Link) -> Exchanges:
        body, secrets = self._whole(initial=False)
        url = resource_url(self.endpoint, link.identifier)
        if self.kind == "group" and self.task.membership is None:  # PUT removes what it does not name
            read = (yield from self.calls.get(url, "read the members")).expect()
            body["members"] = read.data.get("members") or []
        answer = yield from self.calls.put(url, body, f"replace the {self.kind}", secrets=secrets)
        if answer.missing:
            raise Vanished
        if not answer.good:
            raise answer.error()
        return self._done("updated", link.identifier, answer.etag)

    @property
    def _membership_changed(self) -> bool:
        membership = self.task.membership
        return membership is not None and (membership.added, membership.removed) != ((), ())

    def _change_members(self, link: Link) -> Talk[bool]:
        """Add and remove members, as known or as compared with those of the target; whether anything was sent."""
        membership, url = self.task.membership, resource_url(self.endpoint, link.identifier)
        if membership is None:
            return False
        added, removed = membership.added, membership.removed
        if added is None or removed is None or self.task.ambiguous:
            read = (yield from self.calls.get(url, "read the members")).expect()
            added, removed = difference(membership.current, read.data)
        yield from change_members(self.calls, url, added, removed)
        return bool(added or removed)

    # --- delete -------------------------------------------------------------------------------------------------------

    def _delete(self) -> Exchanges:
        """Delete; what is not there is done. Without a link only what an earlier attempt made goes."""
        if self.task.link is not None:
            return (yield from self._erase(self.task.link.identifier))
        found = (yield from self._find()) if self.task.ambiguous else None
        if found is None:
            return Provisioned(outcome="already-gone", active=False)
        if not found.ours:
            warning = f"a {self.kind} of this name exists at the target without our externalId and was left alone"
            return Provisioned(outcome="already-gone", active=False, warnings=(warning,))
        return (yield from self._erase(found.identifier))

    def _erase(self, identifier: str) -> Exchanges:
        answer = yield from self.calls.delete(resource_url(self.endpoint, identifier), f"delete the {self.kind}")
        if not answer.good and not answer.missing:
            raise answer.error()
        outcome: Outcome = "already-gone" if answer.missing else "deleted"
        return Provisioned(outcome=outcome, identifier=identifier, active=False)
