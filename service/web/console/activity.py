"""Activity: the lists of deliveries and of requests, newest first, with filters that stay in the address."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.provisioning.bulk import STATES
from service.store import configuration, ledger
from service.web.console import activity_filters
from service.web.console.activity_filters import DELIVERY_STATES, REQUEST_STATES, Filters
from service.web.console.forms import Json
from service.web.console.layout import page, visitor
from service.web.services import Services

PER_PAGE = 50
ACTED_ON = sorted({state for states in STATES.values() for state in states})
OF_REQUESTS = ("state", "serviceProvider", "entity", "since")


class ActivityPages:
    """What was asked for, and what came of it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        blueprint.add_url_rule("/activity", "deliveries", self.deliveries)
        blueprint.add_url_rule("/requests", "requests", self.requests)

    def deliveries(self) -> Response:
        """Deliveries, and what can be done to all that the filters mean."""
        filters = activity_filters.read(request.args, DELIVERY_STATES)
        cursor = request.args.get("cursor")
        items: list[Json] = []
        following, counts = None, {}
        with self._services.database.read() as tx:
            if not filters.wrong:
                items, following = ledger.deliveries_page(tx, filters.meant, cursor, PER_PAGE)
                if visitor().may("operate"):
                    counts = ledger.count_states(tx, filters.meant, ACTED_ON)
        offered = {action: sum(counts.get(one, 0) for one in states) for action, states in STATES.items()}
        return self._page(
            "deliveries.html",
            filters,
            items=items,
            following=following,
            cursor=cursor,
            offered={action: count for action, count in offered.items() if count},
            states=DELIVERY_STATES,
        )

    def requests(self) -> Response:
        """Requests, each with its deliveries."""
        filters = activity_filters.read(request.args, REQUEST_STATES, OF_REQUESTS)
        cursor = request.args.get("cursor")
        items: list[Json] = []
        following = None
        if not filters.wrong:
            with self._services.database.read() as tx:
                items, following = ledger.requests_page(tx, filters.meant, cursor, PER_PAGE)
        return self._page(
            "requests.html", filters, items=items, following=following, cursor=cursor, states=REQUEST_STATES
        )

    def _page(self, template: str, filters: Filters, **content: object) -> Response:
        with self._services.database.read() as tx:
            providers = [one.name for one in configuration.service_providers(tx)]
            targets = [one.name for one in configuration.identity_providers(tx)]
        return page(
            template,
            422 if filters.wrong else 200,
            filters=filters,
            in_field=activity_filters.in_field,
            providers=providers,
            targets=targets,
            **content,
        )
