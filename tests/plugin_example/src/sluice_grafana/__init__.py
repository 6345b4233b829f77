"""A Sluice connector for Grafana: users by the admin API, groups as teams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.characters import refuse_halves
from connectors.connector import Exchanges, Finding, Probe, Property, Settings, Task
from connectors.errors import Misconfigured
from connectors.metadata import metadata_problems
from connectors.nesting import Nesting, chosen, nesting_property
from sluice_grafana.calls import Calls
from sluice_grafana.teams import provision_team
from sluice_grafana.users import provision_user


class Grafana:
    """The connector. It holds no state: one instance serves all threads."""

    type = "grafana"
    display_name = "Grafana"
    properties = (
        Property(
            key="grafana-url",
            display_name="URL",
            description="Where Grafana is, without `/api`",
            type="url",
            required=True,
            display_order=1,
        ),
        Property(
            key="grafana-username",
            display_name="Username",
            description="A server administrator: tokens cannot make users",
            required=True,
            display_order=2,
        ),
        Property(
            key="grafana-password",
            display_name="Password",
            type="secret",
            required=True,
            confidential=True,
            display_order=3,
        ),
        replace(nesting_property("grafana-nested-groups", "flatten", ("flatten", "leave-out")), display_order=4),
    )

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring Grafana to the task's state. Raises `connectors.errors.ConnectorError`."""
        for key, message in [*metadata_problems(self.properties, settings), *self.problems(settings)]:
            raise Misconfigured(f"{key}: {message}", setting=key)
        refuse_halves(task)
        calls = Calls(settings, task.now)
        work = provision_user if task.entity_type == "user" else provision_team
        return (yield from work(task, settings, calls))

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Read the users as the administrator would."""
        reply = yield from Calls(settings, now).call("GET", "/api/users?perpage=1", "read the users")
        if reply.status == 200:
            return (Finding(good=True, message="Grafana answers, and lets us administer its users"),)
        return (Finding(good=False, message=f"Grafana answered {reply.status} to reading the users"),)

    def nesting(self, settings: Settings) -> Nesting:
        """A team holds users only: the users of a group in a group, or none of them; see `connectors.nesting`."""
        return chosen(settings, "grafana-nested-groups", "flatten")

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What the settings' metadata does not say: user names in Basic credentials hold no colon (RFC 7617)."""
        bad = ":" in settings.get("grafana-username")
        return [("grafana-username", "must not contain a colon")] if bad else []
