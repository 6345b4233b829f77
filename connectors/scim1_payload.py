"""What a SCIM 1.1 target should have, and how a change of it is written ("SCIM Core Schema 1.1", "SCIM Protocol 1.1").

The entity's image is a SCIM 2.0 resource; here it is translated. PATCH has no operations in 1.1: its body is a partial
resource that is merged in, `meta.attributes` names what is removed first, and `"operation": "delete"` marks a value of
a multi-valued attribute that is removed (protocol, section 3.3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from connectors.claims import CORE_1_1, CORE_GROUP, CORE_USER, ENTERPRISE_1_1, ENTERPRISE_USER
from connectors.connector import Member, Settings, Task
from connectors.scim_changes import changes
from connectors.scim_payload import naming_attribute
from connectors.scim_payload import wanted as wanted_in_scim2

CORE, ENTERPRISE = CORE_1_1, ENTERPRISE_1_1

# Names that a claim mapping may use for our attributes, and what they are in SCIM 2.0.
_IN_SCIM2 = ((f"{ENTERPRISE}:", f"{ENTERPRISE_USER}:"), (f"{CORE}:", ""), (f"{CORE_USER}:", ""), (f"{CORE_GROUP}:", ""))


def wanted(task: Task, settings: Settings) -> dict[str, Any]:
    """The full state that the target should have, in SCIM 1.1, without members and password."""
    if task.mapped:
        task = replace(task, attributes={_scim2_name(name): value for name, value in task.attributes.items()})
    domain = {"scim2-user-store-domain": settings.get("scim-user-store-domain")}
    image = wanted_in_scim2(task, replace(settings, properties=domain))
    resource = {_scim1_name(key): _translated(key, value) for key, value in image.items() if key != "schemas"}
    extensions = [key for key in resource if key.startswith("urn:")]
    return {"schemas": [CORE, *extensions], **resource}


def name_of(task: Task, resource: Mapping[str, Any]) -> str:
    """What the entity is called at the target."""
    return str(resource[naming_attribute(task)])


def _scim2_name(name: str) -> str:
    for ours, theirs in _IN_SCIM2:
        if name.lower().startswith(ours.lower()):
            return theirs + name[len(ours) :]
    return name


def _scim1_name(key: str) -> str:
    return ENTERPRISE if key == ENTERPRISE_USER else key


def _translated(key: str, value: Any) -> Any:
    value = _without_new(value)
    manager = value.get("manager") if key == ENTERPRISE_USER and isinstance(value, Mapping) else None
    if manager is None:
        return value
    parts = manager if isinstance(manager, Mapping) else {"value": manager}
    # Core schema, section 7: the manager's id has a name of its own.
    names = {"value": "managerId", "managerId": "managerId", "displayName": "displayName"}
    return {**value, "manager": {names[part]: one for part, one in parts.items() if part in names}}


def _without_new(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_new(item) for key, item in value.items() if key != "$ref"}
    if isinstance(value, (list, tuple)):
        return [_without_new(item) for item in value]
    return value


def members_value(members: Iterable[Member]) -> list[dict[str, str]]:
    """Members as core schema section 8 has them."""
    return [
        {"value": member.identifier, "display": member.name, "type": "User" if member.type == "user" else "Group"}
        for member in members
    ]


def removed_members(members: Iterable[Member]) -> list[dict[str, str]]:
    """Members in a PATCH that takes them out of the group."""
    return [{"value": member.identifier, "operation": "delete"} for member in members]


def partial(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The PATCH body that turns `before` into `after`, without `schemas`; empty when there is nothing to do.

    A multi-valued attribute is removed and given whole: a merge would keep the values that are gone.
    """
    body: dict[str, Any] = {}
    removed: list[str] = []
    for key in [*after, *(key for key in before if key not in after)]:
        if key in {"schemas", "id", "meta", "members", "password"} or _same(before.get(key), after.get(key)):
            continue
        _differ(body, removed, (key,), before.get(key), after.get(key))
    if removed:
        body["meta"] = {"attributes": removed}
    return body


def message(body: Mapping[str, Any]) -> dict[str, Any]:
    """The whole PATCH message of a partial body: with the schemas that it uses."""
    return {"schemas": [CORE, *(key for key in body if key.startswith("urn:"))], **body}


def _differ(body: dict[str, Any], removed: list[str], path: tuple[str, ...], before: Any, after: Any) -> None:
    if path[-1].startswith("urn:"):  # an extension goes attribute by attribute: its URN alone is no attribute
        before, after = before or {}, after or {}
    if isinstance(after, Mapping) and isinstance(before, Mapping):
        inner: dict[str, Any] = {}
        for key in [*after, *(key for key in before if key not in after)]:
            if not _same(before.get(key), after.get(key)):
                _differ(inner, removed, (*path, key), before.get(key), after.get(key))
        if inner:
            body[path[-1]] = inner
        return
    if before is not None and (after is None or isinstance(after, list)):
        removed.append(_notation(path))
    if after is not None:
        body[path[-1]] = after


def _same(one: Any, other: Any) -> bool:
    return not changes({"it": one}, {"it": other})


def _notation(path: tuple[str, ...]) -> str:
    """Protocol section 3.10: a colon after a schema's URN, a dot before a sub-attribute."""
    if not path[0].startswith("urn:") or len(path) == 1:
        return ".".join(path)
    return f"{path[0]}:{'.'.join(path[1:])}"
