"""Users: https://grafana.com/docs/grafana/latest/developers/http_api/user/ and …/admin/."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import quote

from connectors.account_claims import claim, is_active
from connectors.connector import Exchanges, Progress, Provisioned, Settings, Task
from connectors.errors import TargetConflict
from sluice_grafana.calls import Calls, Talk


def provision_user(task: Task, settings: Settings, calls: Calls) -> Exchanges:
    """Make, change or remove a user."""
    if task.operation == "delete":
        return (yield from _remove(task, calls))
    if task.link is not None:
        known = yield from calls.call("GET", f"/api/users/{quote(task.link.identifier, safe='')}", "read the user")
        if known.status != 404:
            calls.good(known, "read the user")
            return (yield from _change(task, calls, task.link.identifier, "updated"))
    existing = yield from _find(task, calls)
    if existing is None:
        return (yield from _create(task, calls))
    if settings.on_conflict == "fail" and not task.ambiguous:
        raise TargetConflict(f"Grafana has a user `{task.name}` already")
    yield Progress(identifier=existing)
    return (yield from _change(task, calls, existing, "linked"))


def _find(task: Task, calls: Calls) -> Talk[str | None]:
    login = quote(_fields(task)["login"], safe="")
    reply = yield from calls.call("GET", f"/api/users/lookup?loginOrEmail={login}", "look for the user")
    return None if reply.status == 404 else str(calls.good(reply, "look for the user")["id"])


def _create(task: Task, calls: Calls) -> Exchanges:
    # Grafana demands a password; one that nobody knows keeps the account closed until single sign-on opens it.
    password = task.password or "".join(task.random.choices(string.ascii_letters + string.digits, k=32))
    body = {**_fields(task), "password": password}
    made = yield from calls.must("POST", "/api/admin/users", "create the user", body, password=password)
    identifier = str(made["id"])
    yield Progress(identifier=identifier)
    active = is_active(task) is not False
    if not active:
        yield from _switch(calls, identifier, active=False)
    outcome = "recreated" if task.link is not None else "created"
    return Provisioned(outcome=outcome, identifier=identifier, delivered=_fields(task), active=active)


def _change(task: Task, calls: Calls, identifier: str, outcome: Any) -> Exchanges:
    yield from calls.must("PUT", f"/api/users/{quote(identifier, safe='')}", "change the user", _fields(task))
    if task.password:
        path = f"/api/admin/users/{quote(identifier, safe='')}/password"
        body = {"password": task.password}
        yield from calls.must("PUT", path, "set the password", body, password=task.password)
    active = is_active(task)
    if active is not None:
        yield from _switch(calls, identifier, active=active)
    return Provisioned(outcome=outcome, identifier=identifier, delivered=_fields(task), active=active is not False)


def _switch(calls: Calls, identifier: str, *, active: bool) -> Talk[None]:
    word = "enable" if active else "disable"
    yield from calls.must("POST", f"/api/admin/users/{quote(identifier, safe='')}/{word}", f"{word} the user", {})


def _remove(task: Task, calls: Calls) -> Exchanges:
    identifier = task.link.identifier if task.link is not None else None
    if identifier is None and task.ambiguous:
        # An earlier creation may have come through; without one, whoever has the name is none of ours.
        identifier = yield from _find(task, calls)
    if identifier is None:
        return Provisioned(outcome="already-gone", active=False)
    path = f"/api/admin/users/{quote(identifier, safe='')}"
    reply = yield from calls.call("DELETE", path, "delete the user")
    if reply.status == 404:
        return Provisioned(outcome="already-gone", identifier=identifier, active=False)
    calls.good(reply, "delete the user")
    return Provisioned(outcome="deleted", identifier=identifier, active=False)


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
