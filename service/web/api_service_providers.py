"""`/api/v1/service-providers`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from service.providers import ServiceProvider
from service.store import configuration
from service.store.database import Transaction
from service.web.etags import etag_of, require_match
from service.web.fields import Page, checked
from service.web.merge_patch import merged
from service.web.operations import JSON, MERGE_PATCH, Answer, Call, operation
from service.web.provider_schemas import ServiceProviderBody, ServiceProviderPage, service_provider_view
from service.web.refusals import configuration_problems
from service.web.services import Services

PATH = "/api/v1/service-providers"
TAG = "service providers"
CANCELLED = "Sluice-Cancelled-Deliveries"


class ServiceProviderApi:
    """The applications on whose behalf something is provisioned, each with its outbound configuration."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation("GET", PATH, tag=TAG, scopes=("read",), answers={200: ServiceProviderPage})
    def list(self, _call: Call, query: Page) -> Answer:
        """Service providers in the order of their names."""
        with self._services.database.read() as tx:
            found = configuration.service_providers(tx, after=query.cursor or "", limit=query.limit + 1)
        following = found[query.limit - 1].name if len(found) > query.limit else None
        return Answer({"items": [service_provider_view(one) for one in found[: query.limit]], "next": following})

    @operation(
        "POST",
        PATH,
        tag=TAG,
        answers={201: ServiceProviderBody},
        problems=(409,),
        response_headers=("ETag", "Location"),
    )
    def create(self, _call: Call, body: ServiceProviderBody) -> Answer:
        """Make a service provider."""
        with configuration_problems(), self._services.database.transaction() as tx:
            stored = configuration.create_service_provider(tx, body.provider(), self._services.clock())
        return _answer(stored, status=201, headers={"Location": f"{PATH}/{quote(stored.name, safe='')}"})

    @operation(
        "GET",
        f"{PATH}/{{name}}",
        tag=TAG,
        scopes=("read",),
        answers={200: ServiceProviderBody},
        response_headers=("ETag",),
    )
    def get(self, _call: Call, name: str) -> Answer:
        """A service provider by its name."""
        with configuration_problems(), self._services.database.read() as tx:
            return _answer(configuration.get_service_provider(tx, name))

    @operation(
        "PUT",
        f"{PATH}/{{name}}",
        tag=TAG,
        answers={200: ServiceProviderBody},
        problems=(409,),
        request_headers=("If-Match",),
        response_headers=("ETag", CANCELLED),
    )
    def put(self, call: Call, name: str, body: ServiceProviderBody) -> Answer:
        """Replace a service provider.

        What is left out takes its default. Another `name` renames it. What a removed row had not delivered is
        cancelled, and counted in the answer.
        """
        with configuration_problems(), self._services.database.transaction() as tx:
            stored = configuration.get_service_provider(tx, name, lock=True)
            return self._write(tx, call, stored, body)

    @operation(
        "PATCH",
        f"{PATH}/{{name}}",
        tag=TAG,
        answers={200: ServiceProviderBody},
        problems=(409,),
        media_types=(MERGE_PATCH, JSON),
        schema=ServiceProviderBody,
        request_headers=("If-Match",),
        response_headers=("ETag", CANCELLED),
    )
    def patch(self, call: Call, name: str, body: dict[str, Any]) -> Answer:
        """Change parts of a service provider by a JSON merge patch (RFC 7396): lists are replaced whole."""
        with configuration_problems(), self._services.database.transaction() as tx:
            stored = configuration.get_service_provider(tx, name, lock=True)
            wanted = checked(ServiceProviderBody, merged(service_provider_view(stored), body))
            return self._write(tx, call, stored, wanted)

    def _write(self, tx: Transaction, call: Call, stored: ServiceProvider, body: ServiceProviderBody) -> Answer:
        require_match(call.headers, _etag(stored))
        wanted = replace(body.provider(), version=stored.version)
        written = configuration.update_service_provider(tx, stored.name, wanted, self._services.clock())
        cancelled = self._services.outbound.configuration_changed(tx, service_provider=written.name)
        return _answer(written, cancelled=cancelled)

    @operation(
        "DELETE",
        f"{PATH}/{{name}}",
        tag=TAG,
        answers={204: None},
        problems=(409,),
        request_headers=("If-Match",),
        response_headers=(CANCELLED,),
    )
    def delete(self, call: Call, name: str) -> Answer:
        """Remove a service provider with its rows and its tokens; what it had not delivered is cancelled."""
        with configuration_problems(), self._services.database.transaction() as tx:
            stored = configuration.get_service_provider(tx, name, lock=True)
            require_match(call.headers, _etag(stored))
            configuration.delete_service_provider(tx, name)
            cancelled = self._services.outbound.configuration_changed(tx, service_provider=stored.name)
        return Answer(None, 204, {CANCELLED: str(cancelled)})


def _etag(provider: ServiceProvider) -> str:
    return etag_of(service_provider_view(provider), provider.version)


def _answer(
    provider: ServiceProvider, *, status: int = 200, headers: dict[str, str] | None = None, cancelled: int | None = None
) -> Answer:
    body, counted = service_provider_view(provider), {}
    if cancelled is not None:
        body["cancelledDeliveries"] = cancelled
        counted = {CANCELLED: str(cancelled)}
    return Answer(body, status, {"ETag": _etag(provider), **counted, **(headers or {})})
