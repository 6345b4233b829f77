"""The resource that a SCIM 2.0 target should have: the entity's image, made fit to be sent (RFC 7643).

Pure functions of task and settings. A mapped task is a flat object of SCIM paths and values; here it becomes nested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.claims import CORE_GROUP, CORE_USER
from connectors.connector import Member, Settings, Task
from connectors.passwords import refuse_mapped
from connectors.profile import Members

# RFC 7643 sections 3.1 and 4: the target's own, or not part of the image (the password goes apart, members as changes).
_NEVER_SENT = frozenset({"id", "meta", "schemas", "groups", "password", "members"})
_MULTI_VALUED = frozenset(
    {
        *("emails", "phoneNumbers", "ims", "photos", "addresses"),
        *("entitlements", "roles", "x509Certificates"),
    }
)
_BOOLEANS = frozenset({"active", "primary"})
_ELEMENT = re.compile(r'(?P<attribute>\w+)\[\s*type\s+eq\s+"(?P<type>[^"]*)"\s*\](?:\.(?P<sub>\w+))?', re.IGNORECASE)


def core_schema(task: Task) -> str:
    """The URN of the task's kind of resource."""
    return CORE_USER if task.entity_type == "user" else CORE_GROUP


def naming_attribute(task: Task) -> str:
    """What an entity is known by at a target: `userName` or `displayName`."""
    return "userName" if task.entity_type == "user" else "displayName"


def wanted(task: Task, settings: Settings) -> dict[str, Any]:
    """The full state that the target should have, without `id`, `meta`, members and password.

    `externalId` is our entity id unless a mapping fills it; `schemas` lists the core schema and the extensions present.
    Raises Misconfigured when a claim is mapped to `password`.
    """
    refuse_mapped(task, "password")
    attributes = nested(task) if task.mapped else task.attributes
    # A claim that is kept under its own URI is no SCIM attribute: a mapping may send it, under a name of the target's.
    sent = {key: value for key, value in attributes.items() if key.lower() not in _NEVER_SENT and "://" not in key}
    resource = _without_empty(sent)
    name = naming_attribute(task)
    resource[name] = stored_name(task, settings, str(resource.get(name) or task.name))
    if not (task.mapped and resource.get("externalId")):
        resource["externalId"] = task.entity_id
    extensions = [key for key in resource if key.startswith("urn:")]
    return {"schemas": [core_schema(task), *extensions], **resource}


def stored_name(task: Task, settings: Settings, name: str) -> str:
    """The name at the target: with the target's user store domain in front when one is set, as `DOMAIN/name`.

    WSO2's primary user store has no prefix. A local domain in front is replaced, a target's own is not doubled.
    """
    domain = settings.get("scim2-user-store-domain").strip()
    if not domain:
        return name
    front, slash, rest = name.partition("/")
    if slash and front.upper() in {domain.upper(), task.domain.upper()}:
        name = rest
    return name if domain.upper() == "PRIMARY" else f"{domain}/{name}"


def member_values(members: Iterable[Member], ways: Members) -> list[dict[str, str]]:
    """Members as RFC 7643 section 4.2 has them, with the sub-attributes that the target takes."""
    return [_member_value(member, ways) for member in members]


def _member_value(member: Member, ways: Members) -> dict[str, str]:
    value = {"value": member.identifier}
    if ways.type:
        value["type"] = "User" if member.type == "user" else "Group"
    if ways.display:
        value["display"] = member.name
    return value


def nested(task: Task) -> dict[str, Any]:
    """The resource that a flat object of paths describes.

    Understood: `userName`, `name.givenName`, `emails` (a value, values, or objects), `emails.work` and
    `emails[type eq "work"].value` (one element by type), and each behind its schema's URN and a colon.
    """
    resource: dict[str, Any] = {}
    for path, value in task.attributes.items():
        if value is None:
            continue
        container, attribute = _container(resource, path, value, core_schema(task))
        if attribute is None:
            container.update(value)
        else:
            _put(container, attribute, value)
    return resource


def _container(resource: dict[str, Any], path: str, value: Any, core: str) -> tuple[dict[str, Any], str | None]:
    """The object that a path leads into and the rest of the path; None when the value is a whole extension."""
    if not path.lower().startswith("urn:"):
        return resource, path
    if path.lower().startswith(core.lower() + ":"):
        return resource, path[len(core) + 1 :]
    schema, _, attribute = path.rpartition(":")
    # Attribute names begin with a small letter by convention, the last part of a schema's URN with a capital one.
    if isinstance(value, Mapping) and attribute[:1].isupper():
        return resource.setdefault(path, {}), None
    return resource.setdefault(schema, {}), attribute


def _put(container: dict[str, Any], attribute: str, value: Any) -> None:
    element = _ELEMENT.fullmatch(attribute)
    if element is not None:
        _put_element(container, element["attribute"], element["type"], element["sub"] or "value", value)
        return
    first, dot, rest = attribute.partition(".")
    if dot and first in _MULTI_VALUED:
        _put_element(container, first, rest, "value", value)
    elif dot:
        inner = container.setdefault(first, {})
        if isinstance(inner, dict):
            _put(inner, rest, value)
    else:
        container[first] = _typed(first, value)


def _put_element(container: dict[str, Any], attribute: str, kind: str, sub: str, value: Any) -> None:
    """One element per type, which is what a flat path can name; several values become several elements."""
    elements = container.setdefault(attribute, [])
    for index, single in enumerate(value if isinstance(value, list) else [value]):
        of_kind = [one for one in elements if one.get("type") == kind]
        if index < len(of_kind):
            of_kind[index][sub] = single
        else:
            elements.append({sub: single, "type": kind})


def _typed(attribute: str, value: Any) -> Any:
    if attribute in _BOOLEANS and isinstance(value, str):
        return value.strip().lower() in {"true", "1", "yes", "on"}
    if attribute in _MULTI_VALUED:
        values = value if isinstance(value, list) else [value]
        return [item if isinstance(item, Mapping) else {"value": item} for item in values]
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    return value


def _without_empty(value: Any) -> Any:
    """RFC 7643 section 2.5: null and an empty list say "unassigned", as absence does, and all targets read absence."""
    if isinstance(value, Mapping):
        inner = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None and item not in ([], {})}
    if isinstance(value, (list, tuple)):
        return [item for item in map(_without_empty, value) if item is not None and item != {}]
    return value
