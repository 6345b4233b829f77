"""Checks an identity provider: its connectors against what their types say of their settings, and its mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from connectors.connector import Connector, Property, Settings
from connectors.metadata import metadata_problems
from service.providers import SECRET_MASK, ConnectorConfiguration, IdentityProvider
from service.provisioning import mapping
from service.store.configuration import Invalid, Problem

SEVERAL_LINES = frozenset({"text", "secret"})


class ConnectorChecks:
    """Knows the types of connectors; holds nothing else. Thread-safe."""

    def __init__(self, connector: Callable[[str], Connector], tenant: str) -> None:
        self._connector = connector
        self._tenant = tenant

    def secret_keys(self, type_: str) -> frozenset[str]:
        """Which settings of a type are secrets; none of a type that is gone."""
        try:
            return frozenset(p.key for p in self._connector(type_).properties if p.confidential)
        except LookupError:
            return frozenset()

    def checked(self, provider: IdentityProvider, stored: Mapping[str, Mapping[str, str]]) -> IdentityProvider:
        """The provider with its types in their own spelling.

        `stored` are the opened secrets by type and key, for those that a mask keeps. Raises `Invalid` with fields such
        as `connectors[0].properties.scim2-user-ep`.
        """
        problems: list[Problem] = mapping.problems(provider.claim_mappings)
        connectors = []
        for place, wanted in enumerate(provider.connectors):
            try:
                known = self._connector(wanted.type)
            except LookupError as error:
                problems.append((f"connectors[{place}].type", str(error)))
                continue
            connector = replace(wanted, type=known.type)
            opened = _opened(connector, stored.get(known.type, {}))
            found = self._problems(known, provider.name, replace(connector, properties=opened))
            problems += [(f"connectors[{place}].{field}", message) for field, message in found]
            connectors.append(connector)
        if problems:
            raise Invalid(problems)
        return replace(provider, connectors=tuple(connectors), default_connector=self._default(provider))

    def _default(self, provider: IdentityProvider) -> str | None:
        """The default connector's type in its own spelling, when it has one."""
        if provider.default_connector is None:
            return None
        try:
            return self._connector(provider.default_connector).type
        except LookupError:
            return provider.default_connector

    def _problems(self, known: Connector, provider: str, wanted: ConnectorConfiguration) -> list[Problem]:
        settings = Settings(
            identity_provider=provider,
            tenant=self._tenant,
            properties=wanted.properties,
            profile=wanted.profile,
            on_conflict=wanted.on_conflict,
        )
        properties = {one.key: one for one in known.properties}
        found = [(key, f"unknown setting of connector `{known.type}`") for key in wanted.properties.keys() - properties]
        found += [
            (key, "must be one line")
            for key, value in wanted.properties.items()
            if key in properties and properties[key].type not in SEVERAL_LINES and not _is_line(value)
        ]
        wrong = {key for key, _ in found}
        for key, message in (*metadata_problems(known.properties, settings), *known.problems(settings)):
            if key not in wrong:
                wrong.add(key)
                found.append((key, message))
        return [(_field(key, properties), message) for key, message in sorted(found)]


def _field(key: str, properties: Mapping[str, Property]) -> str:
    """A connector may also find its profile wrong, which is no property."""
    return key if key in {"profile", "onConflict"} and key not in properties else f"properties.{key}"


def _is_line(value: str) -> bool:
    return "\n" not in value and "\r" not in value


def _opened(connector: ConnectorConfiguration, stored: Mapping[str, str]) -> dict[str, str]:
    """The settings with the stored secrets in place of their masks; a mask of nothing stays, and is refused later."""
    return {k: stored.get(k, v) if v == SECRET_MASK else v for k, v in connector.properties.items()}
