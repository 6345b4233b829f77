"""Roles: what a target calls them, and who may be provisioned there at all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service import claims
from service.providers import RoleMapping

INTERNAL = "internal/"
"""What WSO2 Identity Server puts before roles that belong to no user store; it names the same role."""


def mapped_roles(image: Mapping[str, Any], role_mappings: Sequence[RoleMapping]) -> tuple[str, ...]:
    """The values of `roles[].value`, each whole, under the names that the target knows; unmapped ones stay."""
    return _mapped((str(role) for role in claims.read(image, "roles")), role_mappings)


def mapped_groups(groups: Iterable[str], role_mappings: Sequence[RoleMapping]) -> tuple[str, ...]:
    """Names of local groups under the names that the target knows; unmapped ones stay."""
    return _mapped(groups, role_mappings)


def with_mapped_roles(image: Mapping[str, Any], role_mappings: Sequence[RoleMapping]) -> dict[str, Any]:
    """The image with its `roles[].value` mapped; what else a role carries stays beside it."""
    given = image.get("roles")
    if not given or not role_mappings:
        return dict(image)
    names = _names(role_mappings)
    roles = [{**role, "value": names.get(_key(role.get("value")), role.get("value"))} for role in given]
    return {**image, "roles": roles}


def passes_role_filter(image: Mapping[str, Any], groups: Iterable[str], outbound_roles: Sequence[str]) -> bool:
    """Whether a user has one of the outbound provisioning roles, as a role or as a local group; none lets all pass."""
    if not outbound_roles:
        return True
    held = {_key(role) for role in (*claims.read(image, "roles"), *groups)}
    return any(_key(role) in held for role in outbound_roles)


def _mapped(roles: Iterable[str], role_mappings: Sequence[RoleMapping]) -> tuple[str, ...]:
    names = _names(role_mappings)
    return tuple(dict.fromkeys(names.get(_key(role), role) for role in roles))


def _names(role_mappings: Sequence[RoleMapping]) -> dict[str, str]:
    return {_key(one.local): one.remote for one in role_mappings}


def _key(role: object) -> str:
    return str(role).strip().casefold().removeprefix(INTERNAL)
