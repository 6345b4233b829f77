"""Groups as teams: https://grafana.com/docs/grafana/latest/developers/http_api/team/. A team holds users only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from connectors.connector import Exchanges, Member, Outcome, Progress, Provisioned, Settings, Task
from connectors.errors import TargetConflict, TargetRefused
from sluice_grafana.calls import Calls, Talk, identifier_in


def provision_team(task: Task, settings: Settings, calls: Calls) -> Exchanges:
    """Make, change or remove a team."""
    if task.operation == "delete":
        return (yield from _remove(task, calls))
    identifier, known, outcome = yield from _team(task, settings, calls)
    yield Progress(identifier=identifier)
    sent = known.get("name") != _name(task)
    if sent:
        path = f"/api/teams/{quote(identifier, safe='')}"
        yield from calls.must("PUT", path, "rename the team", {"name": _name(task)})
    sent = (yield from _members(task, calls, identifier)) or sent
    return Provisioned(
        outcome="unchanged" if outcome == "updated" and not sent else outcome,
        identifier=identifier,
        delivered={"name": _name(task)},
    )


def _team(task: Task, settings: Settings, calls: Calls) -> Talk[tuple[str, Mapping[str, Any], Outcome]]:
    """The team to work on, how it is, and what has become of it: one that we know, one of that name, or a new one."""
    if task.link is not None:
        known = yield from calls.find("GET", f"/api/teams/{quote(task.link.identifier, safe='')}", "read the team")
        if known is not None:
            return task.link.identifier, known, "updated"
    existing = yield from _find(task, calls)
    if existing is not None and settings.on_conflict == "fail" and not task.ambiguous:
        raise TargetConflict(f"Grafana has a team `{_name(task)}` already")
    if existing is not None:
        return identifier_in(existing, "id", "look for the team"), existing, "linked"
    wanted = {"name": _name(task)}
    made = yield from calls.must("POST", "/api/teams", "create the team", wanted)
    identifier = identifier_in(made, "teamId", "create the team")
    return identifier, wanted, "recreated" if task.link is not None else "created"


def _find(task: Task, calls: Calls) -> Talk[Mapping[str, Any] | None]:
    path = f"/api/teams/search?name={quote(_name(task), safe='')}"
    found = yield from calls.must("GET", path, "look for the team")
    teams = found.get("teams") if isinstance(found, dict) else None
    return next((one for one in teams or () if one.get("name") == _name(task)), None)


def _members(task: Task, calls: Calls, identifier: str) -> Talk[bool]:
    """Bring the team's members to ours; whether anything was sent.

    One whom Grafana refuses must not cost the others their membership. Raises TargetRefused when all others are in.
    """
    if task.membership is None:
        return False
    path = f"/api/teams/{quote(identifier, safe='')}/members"
    shown = yield from calls.must("GET", path, "read the members")
    there = {identifier_in(one, "userId", "read the members") for one in shown}
    wanted = {one.identifier: one for one in task.membership.current}
    for one in sorted(there - wanted.keys()):
        yield from calls.find("DELETE", f"{path}/{quote(one, safe='')}", "remove a member")
    refused: list[Member] = []
    for key, member in wanted.items():
        if key not in there:
            reply = yield from calls.call("POST", path, "add a member", {"userId": int(key)})
            if reply.status in {400, 404}:
                refused.append(member)
            else:
                calls.good(reply, "add a member")
    if refused:
        names = ", ".join(f"`{member.name}`" for member in refused)
        raise TargetRefused(f"change the members: Grafana refused {names}")
    return there != wanted.keys()


def _remove(task: Task, calls: Calls) -> Exchanges:
    identifier = task.link.identifier if task.link is not None else None
    if identifier is None and task.ambiguous:
        # An earlier creation may have come through; without one, whoever has the name is none of ours.
        existing = yield from _find(task, calls)
        identifier = identifier_in(existing, "id", "look for the team") if existing is not None else None
    if identifier is None:
        return Provisioned(outcome="already-gone", active=False)
    there = yield from calls.find("DELETE", f"/api/teams/{quote(identifier, safe='')}", "delete the team")
    return Provisioned(outcome="already-gone" if there is None else "deleted", identifier=identifier, active=False)


def _name(task: Task) -> str:
    return str(task.attributes.get("displayName") or task.attributes.get("name") or task.name)
