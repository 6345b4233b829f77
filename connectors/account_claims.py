"""Reading an entity's attributes by the names that settings and mappings use: a claim's URI, or a SCIM 2.0 path.

For connectors whose targets speak no SCIM. A mapped task is flat: there a name is what the mapping calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.claims import LOCAL_CLAIMS, PathError, Scalar, claim_values
from connectors.connector import Task

_FALSE = frozenset({"false", "0", "no", "off"})


def claim(attributes: Mapping[str, Any], name: str) -> str:
    """The first value that the name has, as text; empty when it has none.

    Of a multi-valued attribute the primary element counts, else the first; `emails.work` is the one of that type.
    """
    if name in attributes:
        return text(attributes[name])
    return next(filter(None, map(text, _values(attributes, name))), "")


def _values(attributes: Mapping[str, Any], name: str) -> tuple[Scalar, ...]:
    """By the table of claims; a WSO2 claim that it does not have is taken for the path at its end."""
    path = name.removeprefix(LOCAL_CLAIMS)
    try:
        return claim_values(attributes, name) or (claim_values(attributes, path) if path != name else ())
    except PathError:
        return ()


def text(value: Any) -> str:
    """A value as text: of several the primary one, else the first; of an element its `value`."""
    if isinstance(value, (list, tuple)):
        return text(primary(value)) if value else ""
    if isinstance(value, Mapping):
        return text(value.get("value"))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()


def primary(values: Any) -> Any:
    """The element that is marked as primary, else the first."""
    return next((one for one in values if isinstance(one, Mapping) and one.get("primary") is True), values[0])


def elements(attributes: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """The elements of a multi-valued attribute; a bare value is an element without a type."""
    values = attributes.get(name)
    for one in values if isinstance(values, (list, tuple)) else [values]:
        if isinstance(one, Mapping):
            yield one
        elif one not in (None, ""):
            yield {"value": one}


def is_active(task: Task) -> bool | None:
    """Whether the account is to be enabled, None when the entity does not say.

    A create brings back what an earlier delete has only disabled.
    """
    value = next((task.attributes[key] for key in task.attributes if key.lower() == "active"), None)
    said = text(value).lower()
    if not said:
        return True if task.operation == "create" else None
    return said not in _FALSE
