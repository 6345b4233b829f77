"""Claim mappings: which attributes leave for a target, and under which names. Pure.

The precedence, written down here once, is mapping, then entity, then default:

1. the mapping: once an identity provider has claim mappings, they alone say which attributes leave and what they are
   called there; without any, the entity leaves as it is;
2. the entity: a mapped attribute has the values that the entity's image has for the local claim, each whole, or what a
   template (`service.provisioning.expressions`) makes of them;
3. the default: only when the entity has no value for it. Without a default the attribute does not leave.

When several mappings have the same remote name, the first with a value in the entity wins, else the first default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors import claims
from connectors.claims import PathError, Scalar
from connectors.errors import Misconfigured
from service.providers import ClaimMapping
from service.provisioning import expressions
from service.provisioning.expressions import ExpressionError, TooLarge


def map_attributes(image: Mapping[str, Any], mappings: Sequence[ClaimMapping]) -> dict[str, Any] | None:
    """The mapped attributes: remote name to a value, or to a list of several. None without claim mappings.

    Values are strings, booleans or numbers, as the image has them. `local` is a WSO2 claim URI, a SCIM 1.1 URI, a
    SCIM 2.0 path or a template. Raises `Misconfigured` when it is none of these, which `problems` tells beforehand,
    and when a template comes to more than a mapped attribute may hold.
    """
    if not mappings:
        return None
    mapped: dict[str, Any] = {}
    for one in mappings:
        values = _values(image, one)
        if values and one.remote not in mapped:
            mapped[one.remote] = values[0] if len(values) == 1 else list(values)
    for one in mappings:
        if one.default is not None:
            mapped.setdefault(one.remote, one.default)
    return mapped


def _values(image: Mapping[str, Any], mapping: ClaimMapping) -> tuple[Scalar, ...]:
    """What the entity has for the local claim; a claim may also be kept under its own URI."""
    try:
        if expressions.is_template(mapping.local):
            return expressions.parse(mapping.local).values(image)
        return claims.claim_values(image, mapping.local) or claims.read(image, mapping.local)
    except (PathError, ExpressionError, TooLarge) as error:
        raise Misconfigured(f"claim mapping to `{mapping.remote}`: {error}") from error


def problems(mappings: Sequence[ClaimMapping]) -> list[tuple[str, str]]:
    """What is wrong with claim mappings, as (field such as `claimMappings[0].local`, message)."""
    found: list[tuple[str, str]] = []
    for index, one in enumerate(mappings):
        try:
            _values({}, one)
        except Misconfigured as error:
            found.append((f"claimMappings[{index}].local", str(error.__cause__)))
    return found
