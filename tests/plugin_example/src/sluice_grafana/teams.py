"""Groups as teams: https://grafana.com/docs/grafana/latest/developers/http_api/team/. A team holds users only."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from connectors.connector import Exchanges, Progress, Provisioned, Settings, Task
from connectors.errors import TargetConflict
from sluice_grafana.calls import Calls, Talk


def provision_team(task: Task, settings: Settings, calls: Calls) -> Exchanges:
    """Make, change or remove a team."""
    if task.operation == "delete":
        return (yield from _remove(task, calls))
    identifier, outcome = yield from _team(task, settings, calls)
    yield Progress(identifier=identifier)
    if outcome in {"updated", "linked"}:
        path = f"/api/teams/{quote(identifier, safe='')}"
        yield from calls.must("PUT", path, "rename the team", {"name": _name(task)})
    left_out = yield from _members(task, calls, identifier)
    return Provisioned(
        outcome=outcome, identifier=identifier, delivered={"name": _name(task)}, warnings=_warnings(left_out)
    )


def _team(task: Task, settings: Settings, calls: Calls) -> Talk[tuple[str, Any]]:
    """The team to work on, and what has become of it: one that we know, one of that name, or a new one."""
    if task.link is not None:
        reply = yield from calls.call("GET", f"/api/teams/{quote(task.link.identifier, safe='')}", "read the team")
        if reply.status != 404:
            calls.good(reply, "read the team")
            return task.link.identifier, "updated"
    existing = yield from _find(task, calls)
    if existing is not None and settings.on_conflict == "fail" and not task.ambiguous:
        raise TargetConflict(f"Grafana has a team `{_name(task)}` already")
    if existing is not None:
        return existing, "linked"
    made = yield from calls.must("POST", "/api/teams", "create the team", {"name": _name(task)})
    return str(made["teamId"]), "recreated" if task.link is not None else "created"


def _find(task: Task, calls: Calls) -> Talk[str | None]:
    path = f"/api/teams/search?name={quote(_name(task), safe='')}"
    found = yield from calls.must("GET", path, "look for the team")
    return next((str(one["id"]) for one in found["teams"] if one["name"] == _name(task)), None)


def _members(task: Task, calls: Calls, identifier: str) -> Talk[list[str]]:
    """Bring the team's members to ours; answers the names of nested groups, which a team cannot hold."""
    if task.membership is None:
        return []
    path = f"/api/teams/{quote(identifier, safe='')}/members"
    there = {str(one["userId"]) for one in (yield from calls.must("GET", path, "read the members"))}
    wanted = {one.identifier for one in task.membership.current if one.type == "user"}
    for one in sorted(there - wanted):
        reply = yield from calls.call("DELETE", f"{path}/{quote(one, safe='')}", "remove a member")
        if reply.status != 404:
            calls.good(reply, "remove a member")
    for one in sorted(wanted - there):
        yield from calls.must("POST", path, "add a member", {"userId": int(one)})
    return [one.name for one in task.membership.current if one.type == "group"]


def _remove(task: Task, calls: Calls) -> Exchanges:
    identifier = task.link.identifier if task.link is not None else None
    if identifier is None and task.ambiguous:
        # An earlier creation may have come through; without one, whoever has the name is none of ours.
        identifier = yield from _find(task, calls)
    if identifier is None:
        return Provisioned(outcome="already-gone", active=False)
    reply = yield from calls.call("DELETE", f"/api/teams/{quote(identifier, safe='')}", "delete the team")
    if reply.status == 404:
        return Provisioned(outcome="already-gone", identifier=identifier, active=False)
    calls.good(reply, "delete the team")
    return Provisioned(outcome="deleted", identifier=identifier, active=False)


def _name(task: Task) -> str:
    return str(task.attributes.get("displayName") or task.attributes.get("name") or task.name)


def _warnings(left_out: list[str]) -> tuple[str, ...]:
    names = ", ".join(f"`{name}`" for name in left_out)
    return (f"a team holds users only: these groups were left out: {names}",) if left_out else ()
