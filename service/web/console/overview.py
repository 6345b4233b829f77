"""The start page: how many deliveries are in which state, and what happened last, with the reasons."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response

from service.store import ledger
from service.web.console.layout import page
from service.web.services import Services

LATEST = 50


class OverviewPages:
    """What an administrator sees first."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the page."""
        blueprint.add_url_rule("/", "overview", self.overview)

    def overview(self) -> Response:
        """The states of all deliveries, and the latest requests."""
        with self._services.database.read() as tx:
            states = ledger.count_by_state(tx)
            requests, _ = ledger.requests_page(tx, {}, None, LATEST)
        return page("overview.html", states=states, requests=requests)
