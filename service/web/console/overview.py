"""The start page: what was accepted in the last day and what came of it, what waits, how the targets fare."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

from service.providers import IdentityProvider
from service.store import configuration, figures, ledger, target_health
from service.store.figures import TargetFigures
from service.web.console import charts
from service.web.console.health import shown_health
from service.web.console.layout import page
from service.web.services import Services

LATEST = 10
MOST_TARGETS = 50


class OverviewPages:
    """What an administrator sees first."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the page."""
        blueprint.add_url_rule("/", "overview", self.overview)

    def overview(self) -> Response:
        """The figures, and the latest requests."""
        now = self._services.clock()
        with self._services.database.read() as tx:
            hours = figures.by_hour(tx, now)
            states = ledger.count_by_state(tx)
            oldest = figures.oldest_open(tx)
            refusals = figures.refusing_policies(tx, now)
            fares = figures.of_targets(tx)
            known = configuration.identity_providers(tx)
            health = target_health.health(tx, [one.name for one in known[:MOST_TARGETS]], now)
            requests, _ = ledger.requests_page(tx, {}, None, LATEST)
        day = [hour.states for hour in hours]
        return page(
            "overview.html",
            states=states,
            totals=charts.kinds(states),
            day=charts.kinds({state: sum(one.get(state, 0) for one in day) for one in day for state in one}),
            chart=charts.hourly(hours),
            drawing=charts,
            oldest=oldest,
            age=None if oldest is None else _age(now, oldest.created_at),
            refusals=refusals,
            most_refusals=figures.MOST_REFUSALS,
            targets=[
                target_view(one, fares.get(one.name), shown_health(health[one.name])) for one in known[:MOST_TARGETS]
            ],
            more_targets=max(0, len(known) - MOST_TARGETS),
            zone=self._services.settings.time_zone,
            requests=requests,
            since=ledger.stamp(hours[0].start),
        )


def target_view(one: IdentityProvider, fares: TargetFigures | None, health: tuple[str, str]) -> dict[str, Any]:
    """A target with its health in one word, and the counts that it is judged by."""
    latest = charts.kinds(fares.latest) if fares else {}
    waiting = fares.open if fares else {}
    return {
        "name": one.name,
        "health": health,
        "latest": latest,
        "open": sum(waiting.values()),
        "retrying": waiting.get("retrying", 0),
        "deliveredAt": fares.last_delivered_at if fares else None,
    }


def _age(now: datetime, then: datetime) -> str:
    """How long ago, in its largest unit."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} s"
