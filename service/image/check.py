"""A whole resource as a caller sent it, made into an image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.connector import EntityType
from service.image.errors import Findings, below, fail, show, suggestion
from service.image.roster import member_ids
from service.image.schema import RESOURCE_TYPES, ResourceType, Schema, is_claim, is_extension
from service.image.values import any_value, attribute_value, kind, named, text_value

LARGEST: Final = 1_048_576
"""Bytes of one image as JSON."""


@dataclass(frozen=True, slots=True)
class Image:
    """A checked resource.

    `attributes` is canonical JSON without `id`, `meta`, `schemas`, `groups`, password and members. `password` is what
    was given, never blank. `members` are the ids in a group's `members[].value`, each once, and None when the caller
    did not mention members. `ignored` are the paths of read-only fields that were dropped (RFC 7644, section 3.3).
    """

    attributes: dict[str, Any]
    password: str | None = field(default=None, repr=False)
    members: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()


def naming_attribute(entity_type: EntityType) -> str:
    """What an entity is known by: `userName` of a user, `displayName` of a group."""
    return RESOURCE_TYPES[entity_type].naming


def check_image(
    entity_type: EntityType,
    attributes: Mapping[str, Any],
    *,
    name: str | None = None,
    rename: bool = False,
    at: str = "entity.attributes",
) -> Image:
    """The image that `attributes`, a SCIM 2.0 resource, describe.

    `name` is the entity's: it fills a missing `userName` or `displayName`, and must equal a given one without regard to
    case unless `rename`. `at` is where the resource stands in the caller's body, empty when it is the body. Attributes
    that are null, `[]` or `{}` are unassigned (RFC 7643, section 2.5). Raises `ImageErrors`.
    """
    kind_ = RESOURCE_TYPES[entity_type]
    if not isinstance(attributes, Mapping):
        raise fail(at, f"must be an object, not {kind(attributes)}")
    findings = Findings()
    given = {key.casefold(): (key, value) for key, value in named(attributes, at, findings)}
    members = password = None
    if entity_type == "group" and "members" in given:
        members = member_ids(given.pop("members")[1], below(at, "members"), findings)
    if entity_type == "user" and "password" in given:
        password = check_password(given.pop("password")[1], below(at, "password"), findings)
    found = _attributes(kind_, list(given.values()), at, findings)
    _check_name(kind_, found, at, findings, name, rename=rename)
    findings.raise_any()
    check_size(found, at)
    return Image(found, password, members, tuple(findings.ignored))


def _attributes(
    resource_type: ResourceType, given: list[tuple[str, Any]], at: str, findings: Findings
) -> dict[str, Any]:
    """All attributes that are assigned, extensions included."""
    found: dict[str, Any] = {}
    for key, value in given:
        name, one = _attribute(resource_type, key, value, at, findings)
        if one is not None and one not in ({}, []):
            found[name] = one
    return found


def _attribute(resource_type: ResourceType, key: str, value: Any, at: str, findings: Findings) -> tuple[str, Any]:
    """One attribute at the top of a resource: its canonical name and value."""
    attribute = resource_type.core.attributes.get(key.casefold())
    if attribute is not None and attribute.read_only:
        if attribute.name != "schemas":
            findings.ignored.append(below(at, attribute.name))
        return attribute.name, None
    if attribute is not None:
        return attribute.name, attribute_value(attribute, value, below(at, attribute.name), findings)
    if is_extension(key):
        return _extension(resource_type, key, value, below(at, key), findings)
    if is_claim(key):
        return key, any_value(value, below(at, key), findings)
    findings.error(below(at, key), unknown(resource_type, key))
    return key, None


def _extension(resource_type: ResourceType, urn: str, value: Any, at: str, findings: Findings) -> tuple[str, Any]:
    """An extension under its URN: checked when we know it, kept as it is when we do not."""
    known = resource_type.extensions.get(urn.casefold())
    if value is None:
        return urn, None
    if urn.casefold() == resource_type.core.urn.casefold():
        findings.error(at, "attributes of the core schema stand at the top of the resource")
        return urn, None
    if not isinstance(value, Mapping):
        findings.error(at, f"an extension must be an object, not {kind(value)}{_inside(resource_type, urn)}")
        return urn, None
    if known is None:
        return urn, any_value(value, at, findings)
    return known.urn, _known_extension(known, value, at, findings)


def _known_extension(schema: Schema, value: Mapping[str, Any], at: str, findings: Findings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in named(value, at, findings):
        attribute = schema.attributes.get(key.casefold())
        if attribute is None:
            known = [one.name for one in schema.attributes.values()]
            findings.error(below(at, key), f"unknown attribute `{show(key)}`{suggestion(key, known)}")
        elif (one := attribute_value(attribute, inner, below(at, attribute.name), findings)) is not None:
            found[attribute.name] = one
    return found


def _inside(resource_type: ResourceType, urn: str) -> str:
    """Help for who wrote the full name of an extension's attribute, which only a path can be."""
    schema = resource_type.extensions.get(urn.rpartition(":")[0].casefold())
    return f': write `{{"{schema.urn}": {{"{show(urn.rpartition(":")[2])}": …}}}}`' if schema else ""


def unknown(resource_type: ResourceType, name: str) -> str:
    """The message about an attribute that a resource cannot have."""
    home = resource_type.home_of(name)
    if home is not None:
        return f"unknown attribute `{show(name)}`: it belongs into the object `{home}`"
    writable = [one for one in resource_type.core.attributes.values() if not one.read_only]
    inside = [f"{one.name}.{sub.name}" for one in writable if not one.multi_valued for sub in one.subs.values()]
    return f"unknown attribute `{show(name)}`{suggestion(name, [*inside, *(one.name for one in writable)])}"


def check_password(value: Any, at: str, findings: Findings) -> str | None:
    """A password as it was given; None when it was null. It is never canonicalised."""
    password = text_value(value, at, findings) if value is not None else None
    if password is not None and not password.strip():
        findings.error(at, "must not be blank")
    return password


def _check_name(
    resource_type: ResourceType, found: dict[str, Any], at: str, findings: Findings, name: str | None, *, rename: bool
) -> None:
    """Fill in the attribute that names the entity, or compare it."""
    key = resource_type.naming
    if found.get(key) is None and name is not None:
        found[key] = text_value(name, below(at, key), findings)
    given = found.get(key)
    if given is None:
        if all(error.field != below(at, key) for error in findings.errors):
            findings.error(below(at, key), "is missing")
    elif not given.strip():
        findings.error(below(at, key), "must not be blank")
    elif name is not None and not rename and given.casefold() != name.casefold():
        findings.error(below(at, key), f"is not the entity's name, `{show(name)}`: rename an entity by its id")


def check_size(attributes: Mapping[str, Any], at: str) -> None:
    """Raises `ImageErrors` when an image would be larger than the limit."""
    size = len(json.dumps(attributes, ensure_ascii=False).encode())
    if size > LARGEST:
        raise fail(at, f"has {size} bytes: at most {LARGEST} are taken", "tooMany")
