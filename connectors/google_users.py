"""Users at Google: their password, the name that Google demands, suspending instead of deleting."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from connectors.connector import Exchanges, Provisioned
from connectors.errors import TargetRefused
from connectors.google_calls import missing, path
from connectors.google_payload import marks, user
from connectors.google_work import Work
from connectors.passwords import changed_password, initial_password
from connectors.rest_calls import Talk

_RANDOM_LENGTH = 40  # Google takes 8 to 100 characters


class UserWork(Work):
    """One task about a user."""

    collection = "users"
    kind = "user"
    address_field = "primaryEmail"

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The state that the user should have, without a password."""
        made, warnings = user(self.task, self.settings, self.directory.setup)
        self.warnings += warnings
        return made

    def new_resource(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The user with its initial password, else a random one: Google demands one."""
        names = self.resource.get("name", {})
        for part, words in (("givenName", "given name"), ("familyName", "family name")):
            if not names.get(part):
                raise TargetRefused(f"the user has no {words}, which Google demands: set a default")
        setup = self.directory.setup
        initial = initial_password(self.task, enabled=setup.passwords, default=setup.default_password)
        password = initial or random_password(self.task.random)
        place = {"orgUnitPath": setup.org_unit} if setup.org_unit else {}
        return {**place, **self.resource, "password": password}, (password,)

    def extra_change(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """A password that was given; an update never resets one."""
        return ({"password": self._given}, (self._given,)) if self._given else ({}, ())

    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Whether the account is marked with our entity."""
        return marks(found, self.task.entity_id)

    def find_elsewhere(self) -> Talk[Mapping[str, Any] | None]:
        """The account marked with our entity: it may have been made under an earlier address."""
        escaped = self.task.entity_id.replace("\\", "\\\\").replace("'", "\\'")
        query = path("users", customer="my_customer", query=f"externalId='{escaped}'", projection="full")
        answer = yield from self.directory.get(query, "look up by mark")
        if not answer.good:
            raise self.directory.error(answer)
        found = [one for one in answer.listed("users") if one.get("id") and self.is_ours(one)]
        return found[0] if found else None

    def complete(self, identifier: str, *, known: bool) -> Talk[bool]:
        """Nothing follows."""
        del identifier, known
        yield from ()
        return False

    def remove(self, identifier: str) -> Exchanges:
        """Delete, or suspend."""
        if not self.directory.setup.suspends:
            return (yield from self.erase(identifier))
        body = {"suspended": True}
        answer = yield from self.directory.call("PATCH", path("users", identifier), "suspend the user", body)
        if missing(answer):
            return Provisioned(outcome="already-gone", identifier=identifier, active=False)
        if not answer.good:
            raise self.directory.error(answer)
        link = self.task.link
        delivered = {**(link.delivered or {}), **body} if link is not None and link.delivered else None
        return Provisioned(outcome="deactivated", identifier=identifier, delivered=delivered, active=False)

    @property
    def _given(self) -> str:
        return changed_password(self.task, enabled=self.directory.setup.passwords)


def random_password(source: random.Random) -> str:
    """A password that nobody knows, for an account that is made without one."""
    letters = string.ascii_letters + string.digits
    return "".join(source.choice(letters) for _ in range(_RANDOM_LENGTH))
