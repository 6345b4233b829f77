"""Users at a SCIM 2.0 target: how they are written, their password, and what takes one away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from connectors.connector import Exchanges, Link, Provisioned
from connectors.filters import resource_url
from connectors.passwords import changed_password, initial_password
from connectors.scim_calls import Answer, Talk
from connectors.scim_changes import Operation, patch_message, pathless
from connectors.scim_members import Change
from connectors.scim_work import Work, Written


class UserWork(Work):
    """One task about a user."""

    @property
    def _passwords(self) -> bool:
        return self.settings.flag("scim2-enable-pwd-provisioning", default=True)

    def post(self) -> Talk[tuple[Answer, Sequence[Change]]]:
        """The image, with its initial password where there is one."""
        default = self.settings.get("scim2-default-pwd")
        body, secrets = self._body(initial_password(self.task, enabled=self._passwords, default=default))
        return (yield from self.calls.post(self.endpoint, body, "create the user", secrets)), ()

    @property
    def expected_missing(self) -> bool:
        """A disabled user, where the target hides those."""
        return self.profile.user.inactive_is_missing and self.resource.get("active") is False

    def write_known(self, link: Link) -> Talk[Written]:
        """PUT or PATCH as the profile says; an update never carries a password that was not given."""
        ways = self.profile.user
        if self.task.operation != "replace" and self.settled(link) and not self._given():
            return Written(sent=False, etag=link.etag)
        put = partial(self._put, link)
        patch = partial(self._patch, link)
        way = ways.replace if self.task.operation == "replace" else ways.modify
        if way == "put" or self.known.patch is False:
            return (yield from self.either(put, patch))
        return (yield from self.either(patch, put))

    def remove(self, identifier: str) -> Exchanges:
        """DELETE, or deactivate, or nothing."""
        how = self.profile.user.delete
        if how == "nothing":
            return self.keep(identifier)
        if how == "delete":
            return (yield from self.erase(identifier))
        return (yield from self._deactivate(identifier))

    def _deactivate(self, identifier: str) -> Exchanges:
        operation: Operation = {"op": "replace", "path": "active", "value": False}
        url = resource_url(self.endpoint, identifier)
        operations = [operation] if self.profile.patch.paths else pathless([operation], {"active": False})
        message = patch_message(operations, self.profile.patch)
        answer = yield from self.calls.patch(url, message, "deactivate the user")
        if answer.unsupported:
            answer = yield from self.calls.put(url, {**self.resource, "active": False}, "deactivate the user")
        if answer.missing:
            return Provisioned(outcome="already-gone", identifier=identifier, active=False)
        if not answer.good:
            raise answer.error()
        delivered = {**self.resource, "active": False}
        return Provisioned(
            outcome="deactivated", identifier=identifier, delivered=delivered, etag=answer.etag, active=False
        )

    def _put(self, link: Link) -> Talk[Written]:
        body, secrets = self._body(self._given())
        return self.put(link, body, secrets)

    def _patch(self, link: Link) -> Talk[Written]:
        password = self._given()
        if not password:
            return self.patch(link)
        return self.patch(link, ({"op": "replace", "path": "password", "value": password},), (password,))

    def _given(self) -> str:
        return changed_password(self.task, enabled=self._passwords)

    def _body(self, password: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        if not password:
            return self.resource, ()
        return {**self.resource, "password": password}, (password,)
