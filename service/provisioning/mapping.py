"""Claim mappings: which attributes leave for a target, and under which names. Pure.

With claim mappings only mapped attributes leave. The precedence of a mapped attribute's value, written down here once:

1. the mapping's local claim, read from the entity's image;
2. the mapping's default, when the entity has no value for it;
3. nothing: the attribute does not leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service import claims
from service.providers import ClaimMapping


def map_attributes(image: Mapping[str, Any], mappings: Sequence[ClaimMapping]) -> dict[str, Any] | None:
    """The mapped attributes: remote name to a value, or to a list of several. None without claim mappings.

    `local` is a WSO2 claim URI, a SCIM 1.1 URI or a SCIM 2.0 path.
    """
    if not mappings:
        return None
    mapped: dict[str, Any] = {}
    for one in mappings:
        values = claims.claim_values(image, one.local) or claims.read(image, one.local)
        if values:
            mapped[one.remote] = values[0] if len(values) == 1 else list(values)
        elif one.default is not None:
            mapped[one.remote] = one.default
    return mapped
