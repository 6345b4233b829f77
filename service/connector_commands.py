"""`sluice connectors`: which connectors there are, with their settings, and the plug-ins that cannot be used."""

from __future__ import annotations

import json
from typing import Any

import click

from connectors import catalog
from connectors.catalog import Catalog
from connectors.connector import Connector, Property


@click.command("connectors")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with everything that is known of each setting.")
def connectors(*, as_json: bool) -> None:
    """List all connectors with their settings; fails when a plug-in cannot be used."""
    found = catalog.catalog()
    click.echo(json.dumps(_listing(found), indent=2) if as_json else "\n".join(_lines(found)))
    if found.broken:
        click.get_current_context().exit(1)


def _listing(found: Catalog) -> dict[str, Any]:
    """All connectors in the words of `GET /api/v1/connectors`, and the broken plug-ins beside them."""
    return {
        "items": [
            {
                "type": one.type,
                "displayName": one.display_name,
                "builtIn": one in catalog.BUILT_IN,
                "properties": [_property(known) for known in _ordered(one)],
            }
            for one in found.connectors
        ],
        "broken": [{"name": one.name, "message": one.message} for one in found.broken],
    }


def _property(known: Property) -> dict[str, Any]:
    return {
        "key": known.key,
        "displayName": known.display_name,
        "description": known.description,
        "type": known.type,
        "required": known.required,
        "confidential": known.confidential,
        "defaultValue": known.default,
        "options": list(known.options),
        "displayOrder": known.display_order,
    }


def _lines(found: Catalog) -> list[str]:
    lines = []
    for one in found.connectors:
        origin = "" if one in catalog.BUILT_IN else " (plug-in)"
        lines.append(f"{one.type}: {one.display_name}{origin}")
        lines += [f"  {known.key}: {_told(known)}" for known in _ordered(one)]
    return [*lines, *(f"{one.name}: cannot be used: {one.message}" for one in found.broken)]


def _told(known: Property) -> str:
    """A setting in one line: its name, its kind, and what it is when nobody sets it."""
    facts: list[str] = [known.type]
    if known.required:
        facts.append("required")
    if known.default:
        facts.append(f"default `{known.default}`")
    if known.options:
        facts.append(f"one of {', '.join(f'`{option}`' for option in known.options)}")
    return f"{known.display_name} ({', '.join(facts)})"


def _ordered(one: Connector) -> list[Property]:
    return sorted(one.properties, key=lambda known: known.display_order)
