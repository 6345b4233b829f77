"""`/api/v1/connectors`: which kinds of connector there are, and their settings."""

from __future__ import annotations

from typing import Any

from connectors.connector import Connector, Property
from service.web.operations import Answer, Call, operation
from service.web.provider_schemas import ConnectorTypePage
from service.web.services import Services


class ConnectorApi:
    """The catalog of connectors."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation("GET", "/api/v1/connectors", tag="connectors", scopes=("read",), answers={200: ConnectorTypePage})
    def list(self, _call: Call) -> Answer:
        """The kinds of connector with the metadata of their settings, and the plug-ins that cannot be used."""
        broken = [{"name": name, "message": message} for name, message in self._services.broken_plugins()]
        return Answer(
            {"items": [_view(one) for one in self._services.connectors()], "broken": broken, "next": None},
        )


def _view(connector: Connector) -> dict[str, Any]:
    ordered = sorted(connector.properties, key=lambda one: one.display_order)
    return {
        "type": connector.type,
        "displayName": connector.display_name,
        "properties": [_property(one) for one in ordered],
    }


def _property(one: Property) -> dict[str, Any]:
    return {
        "key": one.key,
        "displayName": one.display_name,
        "description": one.description,
        "type": one.type,
        "required": one.required,
        "confidential": one.confidential,
        "defaultValue": one.default,
        "options": list(one.options),
        "displayOrder": one.display_order,
    }
