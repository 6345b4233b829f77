"""Roles: what a target calls them, and who may be provisioned there at all. Pure.

A role's name is `roles[].value`, whole: `Doe, Jane` is one role. Names compare without regard to case and to WSO2's
prefix `Internal/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from connectors import claims
from service.providers import RoleMapping

INTERNAL: Final = "internal/"
"""What WSO2 Identity Server puts before roles that belong to no user store; it names the same role."""


def mapped_roles(image: Mapping[str, Any], role_mappings: Sequence[RoleMapping]) -> tuple[str, ...]:
    """The names of the entity's roles as the target knows them, each once; unmapped ones stay."""
    return _mapped(_roles(image), role_mappings)


def mapped_groups(groups: Iterable[str], role_mappings: Sequence[RoleMapping]) -> tuple[str, ...]:
    """Names of local groups as the target knows them, each once; unmapped ones stay."""
    return _mapped(groups, role_mappings)


def with_mapped_roles(image: Mapping[str, Any], role_mappings: Sequence[RoleMapping]) -> dict[str, Any]:
    """The image with its `roles[].value` mapped; what else a role carries stays beside it, equal ones become one."""
    names = _names(role_mappings)
    roles: list[Any] = []
    for role in image.get("roles") or ():
        one = {**role, "value": names.get(_key(role["value"]), role["value"])} if role.get("value") else role
        if one not in roles:
            roles.append(one)
    return {**image, "roles": roles} if roles else dict(image)


def passes_role_filter(image: Mapping[str, Any], groups: Iterable[str], outbound_roles: Sequence[str]) -> bool:
    """Whether a user has one of the outbound provisioning roles, as a role or as the name of a local group.

    Without such roles everybody passes. The filter is about users: a group is never asked.
    """
    held = {_key(role) for role in (*_roles(image), *groups)}
    return not outbound_roles or any(_key(role) in held for role in outbound_roles)


def _roles(image: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(role) for role in claims.read(image, "roles.value"))


def _mapped(roles: Iterable[str], role_mappings: Sequence[RoleMapping]) -> tuple[str, ...]:
    names = _names(role_mappings)
    return tuple(dict.fromkeys(names.get(_key(role), role) for role in roles))


def _names(role_mappings: Sequence[RoleMapping]) -> dict[str, str]:
    return {_key(one.local): one.remote for one in role_mappings}


def _key(role: str) -> str:
    return role.strip().casefold().removeprefix(INTERNAL)
