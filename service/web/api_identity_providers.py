"""`/api/v1/identity-providers`, and what can be done to one beyond writing it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from service.providers import IdentityProvider
from service.store import configuration, target_health
from service.store.database import Transaction
from service.web.connector_checks import ConnectorChecks
from service.web.etags import etag_of, require_match
from service.web.fields import Page, checked
from service.web.merge_patch import merged
from service.web.operations import JSON, MERGE_PATCH, Answer, Call, operation
from service.web.problems import Problem, invalid
from service.web.provider_schemas import (
    ConnectionTestView,
    IdentityProviderBody,
    IdentityProviderPage,
    health_view,
    identity_provider_view,
)
from service.web.refusals import configuration_problems
from service.web.services import Services

PATH = "/api/v1/identity-providers"
TAG = "identity providers"


class IdentityProviderApi:
    """The targets that accounts are provisioned into, with their connectors and mappings."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._checks = ConnectorChecks(services.connector, services.settings.tenant)
        self._seals = configuration.Seals(services.vault, self._checks.secret_keys)

    @operation("GET", PATH, tag=TAG, scopes=("read",), answers={200: IdentityProviderPage})
    def list(self, _call: Call, query: Page) -> Answer:
        """Identity providers in the order of their names."""
        with self._services.database.read() as tx:
            found = configuration.identity_providers(tx, after=query.cursor or "", limit=query.limit + 1)
            health = target_health.health(tx, [one.name for one in found], self._services.clock())
        following = found[query.limit - 1].name if len(found) > query.limit else None
        return Answer({"items": [_view(one, health) for one in found[: query.limit]], "next": following})

    @operation(
        "POST",
        PATH,
        tag=TAG,
        answers={201: IdentityProviderBody},
        problems=(409,),
        response_headers=("ETag", "Location"),
    )
    def create(self, _call: Call, body: IdentityProviderBody) -> Answer:
        """Make an identity provider."""
        _refuse_pausing(body, paused=False)
        with configuration_problems(), self._services.database.transaction() as tx:
            wanted = self._checks.checked(body.provider(), {})
            stored = configuration.create_identity_provider(tx, self._seals, wanted, self._services.clock())
            location = f"{PATH}/{quote(stored.name, safe='')}"
            return self._answer(tx, stored, status=201, headers={"Location": location})

    @operation(
        "GET",
        f"{PATH}/{{name}}",
        tag=TAG,
        scopes=("read",),
        answers={200: IdentityProviderBody},
        response_headers=("ETag",),
    )
    def get(self, _call: Call, name: str) -> Answer:
        """An identity provider by its name; its secrets are masked."""
        with configuration_problems(), self._services.database.read() as tx:
            return self._answer(tx, configuration.get_identity_provider(tx, name))

    @operation(
        "PUT",
        f"{PATH}/{{name}}",
        tag=TAG,
        answers={200: IdentityProviderBody},
        problems=(409,),
        request_headers=("If-Match",),
        response_headers=("ETag",),
    )
    def put(self, call: Call, name: str, body: IdentityProviderBody) -> Answer:
        """Replace an identity provider.

        What is left out takes its default. Another `name` renames it. A secret sent as `********` keeps its stored
        value, one that is left out is removed. A connector keeps its links while its type stays.
        """
        with configuration_problems(), self._services.database.transaction() as tx:
            stored = configuration.get_identity_provider(tx, name, lock=True)
            return self._write(tx, call, stored, body)

    @operation(
        "PATCH",
        f"{PATH}/{{name}}",
        tag=TAG,
        answers={200: IdentityProviderBody},
        problems=(409,),
        media_types=(MERGE_PATCH, JSON),
        schema=IdentityProviderBody,
        request_headers=("If-Match",),
        response_headers=("ETag",),
    )
    def patch(self, call: Call, name: str, body: dict[str, Any]) -> Answer:
        """Change parts of an identity provider by a JSON merge patch (RFC 7396): lists are replaced whole."""
        with configuration_problems(), self._services.database.transaction() as tx:
            stored = configuration.get_identity_provider(tx, name, lock=True)
            wanted = checked(IdentityProviderBody, merged(identity_provider_view(stored), body))
            return self._write(tx, call, stored, wanted)

    def _write(self, tx: Transaction, call: Call, stored: IdentityProvider, body: IdentityProviderBody) -> Answer:
        require_match(call.headers, _etag(stored))
        _refuse_pausing(body, paused=stored.paused)
        wanted = self._checks.checked(body.provider(), self._secrets(tx, stored))
        written = configuration.update_identity_provider(tx, self._seals, stored.name, wanted, self._services.clock())
        number = configuration.identity_provider_id(tx, written.name)
        self._services.outbound.configuration_changed(tx, identity_provider_id=number)
        return self._answer(tx, written)

    def _answer(
        self, tx: Transaction, provider: IdentityProvider, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Answer:
        health = target_health.health(tx, [provider.name], self._services.clock())
        return Answer(_view(provider, health), status, {"ETag": _etag(provider), **(headers or {})})

    def _secrets(self, tx: Transaction, stored: IdentityProvider) -> dict[str, dict[str, str]]:
        """The opened settings of the stored connectors, for the checks of those that a mask keeps."""
        found = {}
        for connector in stored.connectors:
            _, settings = configuration.connector_settings(
                tx, self._services.vault, stored.name, connector.type, tenant=self._services.settings.tenant
            )
            found[connector.type] = dict(settings.properties)
        return found

    @operation(
        "DELETE",
        f"{PATH}/{{name}}",
        tag=TAG,
        answers={204: None},
        problems=(409,),
        request_headers=("If-Match",),
    )
    def delete(self, call: Call, name: str) -> Answer:
        """Remove an identity provider that no service provider names."""
        with configuration_problems(), self._services.database.transaction() as tx:
            require_match(call.headers, _etag(configuration.get_identity_provider(tx, name, lock=True)))
            configuration.delete_identity_provider(tx, name)
        return Answer(None, 204)

    @operation("POST", f"{PATH}/{{name}}/pause", tag=TAG, answers={200: IdentityProviderBody})
    def pause(self, call: Call, name: str) -> Answer:
        """Hold everything that would go to an identity provider."""
        with configuration_problems():
            self._services.outbound.pause(name)
        return self.get(call, name)

    @operation("POST", f"{PATH}/{{name}}/resume", tag=TAG, answers={200: IdentityProviderBody})
    def resume(self, call: Call, name: str) -> Answer:
        """Let go on what was held for an identity provider."""
        with configuration_problems():
            self._services.outbound.resume(name)
        return self.get(call, name)

    @operation("POST", f"{PATH}/{{name}}/connectors/{{type}}/test", tag=TAG, answers={200: ConnectionTestView})
    def test(self, _call: Call, name: str, type: str) -> Answer:  # noqa: A002 - the name in the address
        """Try to reach a target and to authenticate; changes nothing there."""
        try:
            canonical = self._services.connector(type).type
        except LookupError as error:
            raise Problem(404, str(error)) from error
        with configuration_problems():
            return Answer(self._services.outbound.test_connection(name, canonical))


def _refuse_pausing(body: IdentityProviderBody, *, paused: bool) -> None:
    if body.paused is not None and body.paused != paused:
        raise invalid([("paused", "is changed by POST to `pause` or `resume` of the identity provider")])


def _etag(provider: IdentityProvider) -> str:
    return etag_of(identity_provider_view(provider), provider.version)


def _view(provider: IdentityProvider, health: dict[str, target_health.Health]) -> dict[str, Any]:
    return identity_provider_view(provider) | {"health": health_view(health[provider.name])}
