"""One task about a user at Salesforce: create, link, update, deactivate.

A user cannot be deleted there. Everything that is not certain is looked up before it is written: an earlier attempt
without an answer, an account that exists already, a state that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from connectors.connector import Exchanges, Link, Outcome, Progress, Provisioned, Remember, Settings, Task
from connectors.errors import Misconfigured, TargetConflict, TargetUnavailable
from connectors.passwords import changed_password, initial_password
from connectors.rest_calls import Answer, Talk, Vanished
from connectors.salesforce_calls import Organization, has_code, missing, sobject, taken
from connectors.salesforce_fields import Fields, fields
from connectors.salesforce_payload import CHOSEN, OPTIONAL, for_new, retired_name, user, username
from connectors.soql import select

_PROFILES = "salesforce-profiles"
_PROFILE_ID = re.compile(r"00e[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?")
# What Salesforce demands; an entity that has lost it keeps it there.
_DEMANDED = frozenset(
    {
        *("Username", "LastName", "Email", "Alias", "ProfileId", "IsActive", "CommunityNickname"),
        *("TimeZoneSidKey", "LocaleSidKey", "LanguageLocaleKey", "EmailEncodingKey"),
    }
)
_ANY_CASE = frozenset({"Username", "Email"})


@dataclass
class UserWork:
    """One task and what follows from it."""

    task: Task
    settings: Settings
    organization: Organization
    warnings: list[str] = field(default_factory=list)

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
    def _made(self) -> dict[str, Any]:
        """What the entity says, in Salesforce's fields."""
        return user(self.task, self.settings, self.organization.setup)

    def _wanted(self) -> Talk[tuple[dict[str, Any], Fields]]:
        """The state that the user should have, as the organization's fields take it. Raises Misconfigured."""
        checked = [name for name in self._made if name not in OPTIONAL or self.task.mapped]
        found = yield from fields(self.organization, self.task.remembered, checked)
        wanted = {
            name: found.typed(name, value)
            for name, value in self._made.items()
            if not found.unknown([name]) and self._offered(found, name, value)
        }
        return wanted, found

    def _offered(self, found: Fields, name: str, value: Any) -> bool:
        """An entity's own locale or time zone is spelled as SCIM has it, which a picklist need not have."""
        return self.task.mapped or name not in CHOSEN or found.offers(name, str(value))

    @property
    def _given(self) -> str:
        return changed_password(self.task, enabled=self.organization.setup.passwords)

    def _done(self, outcome: Outcome, identifier: str, delivered: Mapping[str, Any]) -> Provisioned:
        return Provisioned(
            outcome=outcome,
            identifier=identifier,
            delivered=delivered,
            active=delivered.get("IsActive") is not False,
            warnings=tuple(self.warnings),
        )

    # --- create -------------------------------------------------------------------------------------------------------

    def _create(self, outcome: Outcome) -> Exchanges:
        wanted, found = yield from self._wanted()
        if self.task.ambiguous:
            existing = yield from self._find(wanted)
            if existing is not None:
                return (yield from self._adopt(existing, wanted, found))
        profile = yield from self._profile(wanted)
        body = for_new(wanted | profile, self.task, self.organization.setup)
        answer = yield from self.organization.call("POST", sobject("User"), "create the user", self._kept(body, found))
        if taken(answer):
            return (yield from self._conflict(answer, wanted, found))
        if answer.status == 404:
            raise Misconfigured("create the user: the organization does not know this API", setting="sf-api-version")
        if not answer.good:
            raise self.organization.error(answer)
        identifier = str(answer.resource.get("id") or "")
        if not identifier:
            raise TargetUnavailable("create the user: the target confirms it without an id", status=answer.status)
        yield Progress(identifier=identifier, delivered=wanted)
        setup = self.organization.setup
        initial = initial_password(self.task, enabled=setup.passwords, default=setup.default_password)
        try:
            yield from self._set_password(identifier, initial)
        except Vanished as error:
            raise TargetUnavailable("create the user: it was created and then was gone") from error
        return self._done(outcome, identifier, wanted)

    def _kept(self, body: Mapping[str, Any], found: Fields, *, creating: bool = True) -> dict[str, Any]:
        """What may be written now; the rest is told."""
        kept = {name: value for name, value in body.items() if found.writable(name, creating=creating)}
        how = "when a user is made" if creating else "later"
        self.warnings += [f"`{name}` cannot be set {how}, and was left out" for name in body if name not in kept]
        return kept

    def _profile(self, wanted: Mapping[str, Any]) -> Talk[dict[str, str]]:
        """The profile of a new user; a name is looked up, once. Raises Misconfigured when there is none of it."""
        named = self.organization.setup.profile
        if wanted.get("ProfileId") or not named:
            if not wanted.get("ProfileId"):
                raise Misconfigured("a new user needs a profile: name one", setting="sf-profile-id")
            return {}
        if _PROFILE_ID.fullmatch(named):
            return {"ProfileId": named}
        kept = self.task.remembered.get(_PROFILES)
        if isinstance(kept, Mapping) and kept.get("name") == f"{self.organization.setup.domain} {named}":
            return {"ProfileId": str(kept["id"])}
        found = yield from profile_id(self.organization, named)
        return {"ProfileId": found}

    def _conflict(self, answer: Answer, wanted: dict[str, Any], found: Fields) -> Exchanges:
        existing = yield from self._find(wanted)
        if existing is None:
            name = wanted["Username"]
            raise TargetConflict(
                f"create the user: the target says that `{name}`, or another value of it, exists, but shows none:"
                " user names are unique among all organizations",
                status=answer.status,
                detail=self.organization.error(answer).detail,
            )
        return (yield from self._adopt(existing, wanted, found))

    # --- what exists already ------------------------------------------------------------------------------------------

    def _find(self, wanted: Mapping[str, Any]) -> Talk[Mapping[str, Any] | None]:
        """The user with our mark, else the one of our user name. Raises TargetConflict when there are several."""
        by = [self.organization.setup.mark_field, "Username"]
        for name in (one for one in by if one and wanted.get(one)):
            query = select(["Id", *wanted], "User", {name: str(wanted[name])})
            found = yield from self.organization.query(query, f"look up by {name}")
            having = [one for one in found if _equal(name, one.get(name), wanted[name])]
            if len(having) > 1:
                raise TargetConflict(f"look up by {name}: {len(having)} users have the {name} `{wanted[name]}`")
            if having:
                return having[0]
        return None

    def _is_ours(self, existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        """By the mark; without a field for one, an unanswered attempt leaves every value as wanted."""
        mark = self.organization.setup.mark_field
        if mark:
            return str(existing.get(mark)) == str(wanted.get(mark))
        return self.task.ambiguous and all(_equal(name, existing.get(name), value) for name, value in wanted.items())

    def _adopt(self, existing: Mapping[str, Any], wanted: dict[str, Any], found: Fields) -> Exchanges:
        """Link what exists and bring it to the wanted state. Raises TargetConflict when linking is forbidden."""
        ours = self._is_ours(existing, wanted)
        if not ours and not self.organization.setup.links:
            raise TargetConflict(f"the user `{wanted['Username']}` exists at the target and may not be linked")
        identifier = str(existing["Id"])
        # Empty, not None: what was delivered to an earlier account says nothing of this one.
        yield Progress(identifier=identifier, delivered={})
        outcome: Outcome = "created" if ours and self.task.ambiguous else "linked"
        try:
            yield from self._write(identifier, existing, wanted, found)
            yield from self._set_password(identifier, self._given)
        except Vanished as error:
            raise TargetUnavailable("link the user: it was found and then was gone") from error
        return self._done(outcome, identifier, wanted)

    # --- update -------------------------------------------------------------------------------------------------------

    def _update(self, link: Link) -> Exchanges:
        """Send what has changed. Raises Vanished."""
        wanted, found = yield from self._wanted()
        before = dict(link.delivered or {})
        if "IsActive" in before:
            # An entity that does not say whether it is active changes nothing about that.
            wanted.setdefault("IsActive", before["IsActive"])
        if not before or self.task.ambiguous:
            before = yield from self._read(link.identifier, [*wanted, *(name for name in before if name not in wanted)])
        sent = yield from self._write(link.identifier, before, wanted, found)
        sent = (yield from self._set_password(link.identifier, self._given)) or sent
        return self._done("updated" if sent else "unchanged", link.identifier, wanted)

    def _read(self, identifier: str, names: list[str]) -> Talk[dict[str, Any]]:
        answer = yield from self.organization.get(sobject("User", identifier, fields=",".join(names)), "read the user")
        if missing(answer):
            raise Vanished
        if not answer.good:
            raise self.organization.error(answer)
        return {name: value for name, value in answer.resource.items() if name in names}

    def _write(
        self, identifier: str, before: Mapping[str, Any], wanted: Mapping[str, Any], found: Fields
    ) -> Talk[bool]:
        """Send the difference; whether there was one. Raises Vanished, TargetConflict when a name is taken."""
        names = [*wanted, *(name for name in before if name not in wanted and self._was_ours(name))]
        body = {
            name: wanted.get(name)
            for name in names
            if not _equal(name, before.get(name), wanted.get(name))
            and not (wanted.get(name) is None and name in _DEMANDED)
        }
        body = self._kept(body, found, creating=False)
        if not body:
            return False
        answer = yield from self.organization.call("PATCH", sobject("User", identifier), "change the user", body)
        if missing(answer):
            raise Vanished
        if not answer.good:
            raise self.organization.error(answer)
        return True

    def _was_ours(self, name: str) -> bool:
        """Whether a field was delivered: what others have set stays."""
        return self.task.link is not None and name in (self.task.link.delivered or {})

    def _set_password(self, identifier: str, password: str) -> Talk[bool]:
        """Set a password, which has a resource of its own; nothing without one. Raises Vanished."""
        if not password:
            return False
        body, place = {"NewPassword": password}, sobject("User", identifier, "password")
        answer = yield from self.organization.call("POST", place, "set the password", body, (password,))
        if missing(answer):
            raise Vanished
        if has_code(answer, "INVALID_NEW_PASSWORD") and self.task.ambiguous:
            self.warnings.append("the password was refused as it is when it was set before, by an unanswered request")
        elif not answer.good:
            raise self.organization.error(answer)
        return True

    # --- delete -------------------------------------------------------------------------------------------------------

    def _delete(self) -> Exchanges:
        """Deactivate; what is not there is done. Without a link only what an earlier attempt made goes."""
        if self.task.link is not None:
            return (yield from self._retire(self.task.link.identifier, self.task.link.delivered or {}))
        if not self.task.ambiguous:
            return Provisioned(outcome="already-gone", active=False)
        wanted, _ = yield from self._wanted()
        existing = yield from self._find(wanted)
        if existing is None:
            return Provisioned(outcome="already-gone", active=False)
        if not self._is_ours(existing, wanted):
            warning = f"the user `{wanted['Username']}` exists at the target with other values, and was left alone"
            return Provisioned(outcome="already-gone", active=False, warnings=(warning,))
        return (yield from self._retire(str(existing["Id"]), wanted))

    def _retire(self, identifier: str, delivered: Mapping[str, Any]) -> Exchanges:
        """Deactivate and free what must be unique, so that the next of that name can be made."""
        body: dict[str, Any] = {"IsActive": False}
        if self.organization.setup.renames:
            try:
                shown = delivered if delivered.get("Username") else (yield from self._read(identifier, ["Username"]))
            except Vanished:
                return Provisioned(outcome="already-gone", identifier=identifier, active=False)
            name = str(shown.get("Username") or "") or username(self.task, self.settings, self.organization.setup)
            body["Username"] = retired_name(name, identifier)
            body |= {"FederationIdentifier": None} if delivered.get("FederationIdentifier") else {}
        answer = yield from self.organization.call("PATCH", sobject("User", identifier), "deactivate the user", body)
        if missing(answer):
            return Provisioned(outcome="already-gone", identifier=identifier, active=False)
        if not answer.good:
            raise self.organization.error(answer)
        left = {name: value for name, value in {**delivered, **body}.items() if value is not None}
        return self._done("deactivated", identifier, left)


def profile_id(organization: Organization, name: str) -> Talk[str]:
    """The id of a profile. Raises Misconfigured when there is none of that name."""
    found = yield from organization.query(select(["Id"], "Profile", {"Name": name}), f"look up the profile `{name}`")
    if not found:
        raise Misconfigured(f"the organization has no profile `{name}`", setting="sf-profile-id")
    identifier = str(found[0]["Id"])
    yield Remember(_PROFILES, {"name": f"{organization.setup.domain} {name}", "id": identifier}, timedelta(days=1))
    return identifier


def _equal(name: str, one: Any, other: Any) -> bool:
    """Salesforce says null for what is empty, and writes addresses in small letters."""
    if name in _ANY_CASE:
        return str(one or "").casefold() == str(other or "").casefold()
    return (one in (None, "") and other in (None, "")) or one == other
