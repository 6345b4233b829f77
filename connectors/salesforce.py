"""Salesforce, by its REST API: the connector type `salesforce`.

`salesforce_users` decides what to do for a user, `salesforce_groups` (with `salesforce_members`) for a group;
`salesforce_payload` says what the target should have, `salesforce_fields` which fields it knows, `salesforce_calls`
makes the requests and reads the answers, `soql` writes the queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.characters import refuse_halves
from connectors.connector import EntityType, Exchanges, Finding, Probe, Settings, Task
from connectors.errors import ConnectorError
from connectors.nesting import Nesting, chosen
from connectors.rest_calls import Talk
from connectors.salesforce_calls import Organization, organization
from connectors.salesforce_fields import described
from connectors.salesforce_groups import GroupWork, PermissionSet, PublicGroup
from connectors.salesforce_settings import PROPERTIES, problems, setup
from connectors.salesforce_users import UserWork, profile_id


class Salesforce:
    """The connector for Salesforce: users, and groups as public groups or permission sets."""

    type = "salesforce"
    display_name = "Salesforce"
    properties = PROPERTIES

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state; see `connectors.connector.Connector`.

        The provisioned identifier is Salesforce's id. The delivered state is the user or group in Salesforce's fields,
        without password and members.
        """
        refuse_halves(task)
        ours = setup(settings)
        talk = organization(ours, task.remembered, task.now, f"{task.random.getrandbits(128):032x}")
        if task.entity_type == "user":
            return (yield from UserWork(task, settings, talk).run())
        kind: type[GroupWork] = PermissionSet if ours.permission_sets else PublicGroup
        return (yield from kind(task, settings, talk).run())

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Sign in, read the allowance, the fields of users and the profile; every error becomes a finding."""
        del remembered  # a connection test believes nothing that was said earlier
        wrong = [Finding(good=False, message=f"{key}: {message}") for key, message in self.problems(settings)]
        if wrong:
            return tuple(wrong)
        ours = setup(settings)
        talk = organization(ours, {}, now, f"probe-{now.timestamp():.6f}")
        findings: list[Finding] = []
        try:
            findings.append((yield from _signed_in(talk)))
            findings.append((yield from _users(talk)))
            if ours.profile and not ours.profile.startswith("00e"):
                identifier = yield from profile_id(talk, ours.profile)
                findings.append(Finding(good=True, message=f"the profile `{ours.profile}` is `{identifier}`"))
        except ConnectorError as error:
            said = f": {error.detail}" if error.detail and error.detail not in error.message else ""
            findings.append(Finding(good=False, message=f"{error.message}{said}"))
        return tuple(findings)

    def deletes(self, settings: Settings, entity_type: EntityType) -> bool:
        """Users are never deleted there, groups are; see `connectors.connector.deletes`."""
        del settings
        return entity_type == "group"

    def nesting(self, settings: Settings) -> Nesting:
        """What becomes of groups in groups; see `connectors.nesting`."""
        return chosen(settings, "sf-nested-groups")

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message); empty when they can work."""
        return problems(settings)


def _signed_in(talk: Organization) -> Talk[Finding]:
    answer = yield from talk.get("/limits", "read the allowance")
    if not answer.good:
        raise talk.error(answer)
    allowance = answer.resource.get("DailyApiRequests")
    left = f": {allowance.get('Remaining')} of {allowance.get('Max')} API requests are left today" if allowance else ""
    return Finding(good=True, message=f"the credentials are accepted{left}")


def _users(talk: Organization) -> Talk[Finding]:
    """What is learned here serves the first deliveries, and lets a dry run show what they would write."""
    found = yield from described(talk)
    if not found.known:
        return Finding(good=True, message="the organization does not say which fields users have: none is checked")
    if not found.makes:
        return Finding(good=False, message="users cannot be made: the account that acts lacks the permission")
    return Finding(good=True, message=f"users can be made, and have {len(found.known)} fields")
