"""Users: https://grafana.com/docs/grafana/latest/developers/http_api/user/ and …/admin/."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from connectors.account_claims import claim, is_active
from connectors.connector import Exchanges, Outcome, Progress, Provisioned, Settings, Task
from connectors.errors import TargetConflict
from sluice_grafana.calls import Calls, Talk, identifier_in


def provision_user(task: Task, settings: Settings, calls: Calls) -> Exchanges:
    """Make, change or remove a user."""
    if task.operation == "delete":
        return (yield from _remove(task, calls))
    if task.link is not None:
        known = yield from calls.find("GET", f"/api/users/{quote(task.link.identifier, safe='')}", "read the user")
        if known is not None:
            return (yield from _change(task, calls, task.link.identifier, known, "updated"))
    existing = yield from _find(task, calls)
    if existing is None:
        return (yield from _create(task, calls))
    if settings.on_conflict == "fail" and not task.ambiguous:
        raise TargetConflict(f"Grafana has a user `{task.name}` already")
    identifier = identifier_in(existing, "id", "look for the user")
    yield Progress(identifier=identifier)
    return (yield from _change(task, calls, identifier, existing, "linked"))


def _find(task: Task, calls: Calls) -> Talk[Mapping[str, Any] | None]:
    login = quote(_fields(task)["login"], safe="")
    return calls.find("GET", f"/api/users/lookup?loginOrEmail={login}", "look for the user")


def _create(task: Task, calls: Calls) -> Exchanges:
    # Grafana demands a password; one that nobody knows keeps the account closed until single sign-on opens it.
    password = task.password or "".join(task.random.choices(string.ascii_letters + string.digits, k=32))
    body = {**_fields(task), "password": password}
    made = yield from calls.must("POST", "/api/admin/users", "create the user", body, password=password)
    identifier = identifier_in(made, "id", "create the user")
    yield Progress(identifier=identifier)
    active = is_active(task) is not False
    if not active:
        yield from _switch(calls, identifier, active=False)
    outcome: Outcome = "recreated" if task.link is not None else "created"
    return Provisioned(outcome=outcome, identifier=identifier, delivered=_fields(task), active=active)


def _change(task: Task, calls: Calls, identifier: str, known: Mapping[str, Any], outcome: Outcome) -> Exchanges:
    """Bring a user, who is `known` to be so, to our state; what is as it should be is not sent."""
    fields, path = _fields(task), quote(identifier, safe="")
    sent = False
    if any(known.get(name) != value for name, value in fields.items()):
        yield from calls.must("PUT", f"/api/users/{path}", "change the user", fields)
        sent = True
    if task.password:
        body = {"password": task.password}
        place = f"/api/admin/users/{path}/password"
        yield from calls.must("PUT", place, "set the password", body, password=task.password)
        sent = True
    enabled = known.get("isDisabled") is not True
    active = is_active(task)
    if active is not None and active is not enabled:
        yield from _switch(calls, identifier, active=active)
        sent = True
    done: Outcome = "unchanged" if outcome == "updated" and not sent else outcome
    return Provisioned(
        outcome=done, identifier=identifier, delivered=fields, active=enabled if active is None else active
    )


def _switch(calls: Calls, identifier: str, *, active: bool) -> Talk[None]:
    word = "enable" if active else "disable"
    yield from calls.must("POST", f"/api/admin/users/{quote(identifier, safe='')}/{word}", f"{word} the user", {})


def _remove(task: Task, calls: Calls) -> Exchanges:
    identifier = task.link.identifier if task.link is not None else None
    if identifier is None and task.ambiguous:
        # An earlier creation may have come through; without one, whoever has the name is none of ours.
        existing = yield from _find(task, calls)
        identifier = identifier_in(existing, "id", "look for the user") if existing is not None else None
    if identifier is None:
        return Provisioned(outcome="already-gone", active=False)
    path = f"/api/admin/users/{quote(identifier, safe='')}"
    there = yield from calls.find("DELETE", path, "delete the user")
    return Provisioned(outcome="already-gone" if there is None else "deleted", identifier=identifier, active=False)


def _fields(task: Task) -> dict[str, str]:
    """Grafana's fields: from claim mappings under these very names, else from the SCIM attributes."""
    name = " ".join(filter(None, (claim(task.attributes, "name.givenName"), claim(task.attributes, "name.familyName"))))
    found = {
        "login": claim(task.attributes, "login") or claim(task.attributes, "userName") or task.name,
        "email": claim(task.attributes, "email") or claim(task.attributes, "emails"),
        "name": claim(task.attributes, "displayName") or name or task.name,
    }
    if task.mapped:
        found["name"] = claim(task.attributes, "name")
    return {key: value for key, value in found.items() if value}
