"""Fits a resource to what a target takes: attributes that must be there, that must not, that have one value only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.profile import Shape

_REFERENCE = re.compile(r"\{([^{}]+)\}")


def shaped(resource: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """The resource as the shape demands; `schemas` lists the extensions that are left."""
    fitted = {key: dict(value) if isinstance(value, Mapping) else value for key, value in resource.items()}
    for path, template in shape.required.items():
        if read(fitted, path) in (None, "", []):
            _fill(fitted, path, template)
    for path in shape.single:
        values = read(fitted, path)
        if isinstance(values, list) and len(values) > 1:
            _write(fitted, path, [_preferred(values)])
    for path in shape.dropped:
        _drop(fitted, path)
    schemas = [one for one in fitted.get("schemas", []) if one in fitted or one in _cores(resource)]
    added = [key for key in fitted if key.startswith("urn:") and key not in schemas]
    return fitted | {"schemas": [*schemas, *added]}


def read(resource: Mapping[str, Any], path: str) -> Any:
    """The value at a path; of a multi-valued attribute its primary element is meant (`emails.value`). None without."""
    key, sub = _split(resource, path)
    value = resource.get(key)
    if not sub or value is None:
        return value
    if isinstance(value, list):
        value = _preferred(value) if value else None
    return read(value, sub) if isinstance(value, Mapping) else None


def _fill(resource: dict[str, Any], path: str, template: str) -> None:
    """Write what the first alternative says that has anything to refer to; nothing when none has."""
    for alternative in template.split("|"):
        found = [read(resource, reference) for reference in _REFERENCE.findall(alternative)]
        if not found or any(value not in (None, "") for value in found):
            text = _REFERENCE.sub(lambda match: str(read(resource, match[1]) or ""), alternative)
            _write(resource, path, " ".join(text.split()))
            return


def _write(resource: dict[str, Any], path: str, value: Any) -> None:
    key, sub = _split(resource, path)
    if not sub:
        resource[key] = value
        return
    inner = resource.get(key)
    if isinstance(inner, list):
        resource[key] = [{**one, sub: value} if one is _preferred(inner) else one for one in inner]
    elif inner is None or isinstance(inner, dict):
        nested = dict(inner or {})
        _write(nested, sub, value)
        resource[key] = nested


def _drop(resource: dict[str, Any], path: str) -> None:
    key, sub = _split(resource, path)
    value = resource.get(key)
    if not sub:
        resource.pop(key, None)
    elif isinstance(value, list):
        resource[key] = [{name: item for name, item in one.items() if name != sub} for one in value]
    elif isinstance(value, Mapping):
        left = dict(value)
        _drop(left, sub)
        if left:
            resource[key] = left
        else:
            resource.pop(key)


def _split(resource: Mapping[str, Any], path: str) -> tuple[str, str]:
    """The first step of a path and the rest. A URN ends at its last colon, unless the resource has it whole."""
    if not path.startswith("urn:"):
        key, _, rest = path.partition(".")
        return key, rest
    schema, _, attribute = path.rpartition(":")
    if path in resource or attribute[:1].isupper():
        return path, ""
    return schema, attribute


def _preferred(values: list[Any]) -> Any:
    return next((one for one in values if isinstance(one, Mapping) and one.get("primary") is True), values[0])


def _cores(resource: Mapping[str, Any]) -> list[str]:
    return [one for one in resource.get("schemas", []) if ":core:" in one]
