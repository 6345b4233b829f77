"""What attributes a user and a group can have (RFC 7643, sections 3.1, 4 and 8.7), as `scim2_models` defines them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, cast, get_args

from scim2_models import Attribute as Definition
from scim2_models import EnterpriseUser, Group, User
from scim2_models import Schema as SchemaDefinition

from connectors.connector import EntityType

AttributeType = Literal["string", "boolean", "reference", "binary", "complex", "any"]
"""RFC 7643, section 2.3. `any` is ours: an attribute of an extension that we do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute's definition. `subs` are the sub-attributes of a complex one by folded name."""

    name: str
    type: AttributeType = "string"
    multi_valued: bool = False
    read_only: bool = False
    case_exact: bool = False
    subs: Mapping[str, Attribute] = field(default_factory=dict)

    def sub(self, name: str) -> Attribute | None:
        """The sub-attribute of that name in any case; anything has any in an extension that we do not know."""
        return Attribute(name=name, type="any") if self.type == "any" else self.subs.get(name.casefold())


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema's attributes by folded name."""

    urn: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind of entity: its core schema, the extensions that we know by folded URN, and the attribute that names it."""

    core: Schema
    extensions: Mapping[str, Schema]
    naming: str

    def home_of(self, name: str) -> str | None:
        """The URN of the known extension that an attribute belongs to, if any has one of that name."""
        return next((schema.urn for schema in self.extensions.values() if name.casefold() in schema.attributes), None)


def _attribute(definition: Definition) -> Attribute:
    """Our form of a definition. An attribute type that we cannot check fails here, when the service starts."""
    kind = str(definition.type.value if definition.type else "string")
    if kind not in get_args(AttributeType):
        raise TypeError(f"attribute `{definition.name}` has the type `{kind}`, which cannot be checked")
    return Attribute(
        name=str(definition.name),
        type=cast("AttributeType", kind),
        multi_valued=bool(definition.multi_valued),
        read_only=definition.mutability is not None and definition.mutability.value == "readOnly",
        case_exact=bool(definition.case_exact),
        subs=_folded(map(_attribute, definition.sub_attributes or ())),
    )


def _folded(attributes: Iterable[Attribute]) -> Mapping[str, Attribute]:
    return MappingProxyType({attribute.name.casefold(): attribute for attribute in attributes})


def _schema(definition: SchemaDefinition, *more: Attribute) -> Schema:
    return Schema(str(definition.id), _folded([*more, *map(_attribute, definition.attributes or ())]))


# RFC 7643, section 3.1: common to all resources and listed in no schema. `schemas` is always told anew from what is
# there, so it is read-only to us.
_COMMON: Final = (
    Attribute(name="schemas", multi_valued=True, read_only=True, case_exact=True),
    Attribute(name="id", read_only=True, case_exact=True),
    Attribute(name="externalId", case_exact=True),
    Attribute(name="meta", type="complex", read_only=True),
)

_ENTERPRISE: Final = _schema(EnterpriseUser.to_schema())

RESOURCE_TYPES: Final[Mapping[EntityType, ResourceType]] = MappingProxyType(
    {
        "user": ResourceType(
            _schema(User.to_schema(), *_COMMON),
            MappingProxyType({_ENTERPRISE.urn.casefold(): _ENTERPRISE}),
            naming="userName",
        ),
        "group": ResourceType(_schema(Group.to_schema(), *_COMMON), MappingProxyType({}), naming="displayName"),
    }
)


_CLAIM: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\[\]]+", re.IGNORECASE)


def is_extension(name: str) -> bool:
    """Whether an attribute's name at the top of a resource is the URN of an extension (RFC 7643, section 3.3)."""
    return name.casefold().startswith("urn:")


def is_claim(name: str) -> bool:
    """Whether it is the URI of a claim of the organisation's own, which just-in-time logins bring."""
    return _CLAIM.fullmatch(name) is not None


def schemas_of(entity_type: EntityType, attributes: Mapping[str, object]) -> list[str]:
    """The `schemas` of a resource (RFC 7643, section 3): its core schema and the extensions that it has."""
    return [RESOURCE_TYPES[entity_type].core.urn, *filter(is_extension, attributes)]
