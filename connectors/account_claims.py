"""Reading an entity's attributes by the names that settings and mappings use: a claim's URI, or a SCIM 2.0 path.

For connectors whose targets speak no SCIM. A mapped task is flat: there a name is what the mapping calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.connector import Task

ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_LOCAL_CLAIMS = "http://wso2.org/claims/"
# The claims of WSO2 Identity Server whose names say less than a SCIM path does.
_PATHS = {
    "username": "userName",
    "emailaddress": "emails",
    "givenname": "name.givenName",
    "lastname": "name.familyName",
    "fullname": "name.formatted",
    "middleName": "name.middleName",
    "nickname": "nickName",
    "mobile": "phoneNumbers.mobile",
    "telephone": "phoneNumbers.work",
    "organization": f"{ENTERPRISE_USER}:organization",
    "department": f"{ENTERPRISE_USER}:department",
    "employeeNumber": f"{ENTERPRISE_USER}:employeeNumber",
    "costCenter": f"{ENTERPRISE_USER}:costCenter",
    "streetaddress": "addresses.streetAddress",
    "locality": "addresses.locality",
    "region": "addresses.region",
    "stateorprovince": "addresses.region",
    "postalcode": "addresses.postalCode",
    "country": "addresses.country",
    "local": "locale",
    "timeZone": "timezone",
    "url": "profileUrl",
}
_FALSE = frozenset({"false", "0", "no", "off"})


def claim(attributes: Mapping[str, Any], name: str) -> str:
    """The first value that the name has, as text; empty when it has none.

    Of a multi-valued attribute the primary element counts, else the first; `emails.work` is the one of that type.
    """
    if name in attributes:
        return text(attributes[name])
    path = name.removeprefix(_LOCAL_CLAIMS)
    return text(_at(attributes, _PATHS.get(path, path)))


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


def _at(attributes: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; a URN ends at its last colon."""
    if path.startswith("urn:"):
        schema, _, attribute = path.rpartition(":")
        inner = attributes.get(schema)
        return _at(inner, attribute) if isinstance(inner, Mapping) else None
    first, _, rest = path.partition(".")
    value = attributes.get(first)
    if not rest or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return _in_elements([one for one in value if isinstance(one, Mapping)], rest)
    return _at(value, rest) if isinstance(value, Mapping) else None


def _in_elements(values: list[Mapping[str, Any]], rest: str) -> Any:
    """`emails.work` names a type, `addresses.locality` a part."""
    of_type = [one for one in values if str(one.get("type", "")).lower() == rest.lower()]
    if of_type:
        return of_type[0]
    having = [one for one in values if one.get(rest) not in (None, "")]
    return primary(having)[rest] if having else None
