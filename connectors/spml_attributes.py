"""From a SCIM resource, or mapped claims, to DSML attributes, and the difference between two states of them.

A state is a plain object `{attribute name: [value, …]}`: it is JSON and kept as the link's delivered state.

Without claim mappings these leave, under the names of RFC 4519, RFC 2798 (inetOrgPerson) where they have one:

| DSML | SCIM |
|---|---|
| accountId | userName |
| cn, givenName, sn | name.formatted, name.givenName, name.familyName |
| displayName, title, preferredLanguage | the same |
| employeeType, labeledURI | userType, profileUrl |
| mail | emails, the primary one first |
| telephoneNumber | phoneNumbers of type work, other or none |
| mobile, homePhone, facsimileTelephoneNumber, pager | phoneNumbers of type mobile, home, fax, pager |
| postalAddress, street, l, st, postalCode, c | the primary or first of addresses, postalAddress being formatted |
| employeeNumber, department, division, costCenter, manager | the same, of the enterprise extension |
| o | organization of the enterprise extension |
| what `spml-group-name-attribute` names | a group's displayName |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.claims import ENTERPRISE_USER
from connectors.errors import TargetRefused

Values = dict[str, list[str]]

# XML 1.0 section 2.2: what no escape can bring into a document.
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# DSMLv2.xsd, AttributeDescriptionValue.
DSML_NAME = re.compile(r"(([0-2](\.[0-9]+)+)|([a-zA-Z][a-zA-Z0-9-]*))(;[a-zA-Z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Row:
    """A DSML attribute and where its values are in a SCIM user; `types` choose among typed values."""

    remote: str
    path: tuple[str, ...]
    types: tuple[str, ...] = ()


USER_ROWS = (
    Row("cn", ("name", "formatted")),
    Row("givenName", ("name", "givenName")),
    Row("sn", ("name", "familyName")),
    Row("displayName", ("displayName",)),
    Row("title", ("title",)),
    Row("preferredLanguage", ("preferredLanguage",)),
    Row("employeeType", ("userType",)),
    Row("labeledURI", ("profileUrl",)),
    Row("mail", ("emails",)),
    Row("telephoneNumber", ("phoneNumbers",), ("work", "other", "")),
    Row("mobile", ("phoneNumbers",), ("mobile",)),
    Row("homePhone", ("phoneNumbers",), ("home",)),
    Row("facsimileTelephoneNumber", ("phoneNumbers",), ("fax",)),
    Row("pager", ("phoneNumbers",), ("pager",)),
    Row("postalAddress", ("addresses", "formatted")),
    Row("street", ("addresses", "streetAddress")),
    Row("l", ("addresses", "locality")),
    Row("st", ("addresses", "region")),
    Row("postalCode", ("addresses", "postalCode")),
    Row("c", ("addresses", "country")),
    Row("employeeNumber", (ENTERPRISE_USER, "employeeNumber")),
    Row("department", (ENTERPRISE_USER, "department")),
    Row("o", (ENTERPRISE_USER, "organization")),
    Row("division", (ENTERPRISE_USER, "division")),
    Row("costCenter", (ENTERPRISE_USER, "costCenter")),
    Row("manager", (ENTERPRISE_USER, "manager")),
)


def flattened(resource: Mapping[str, Any]) -> Values:
    """The attributes of a SCIM 2.0 user under the names of the table above, those without a value left out."""
    return without_empty({row.remote: _read(resource, row) for row in USER_ROWS})


def mapped(attributes: Mapping[str, Any]) -> Values:
    """The values of claims that a mapping has named, those without a value left out."""
    return without_empty({name: texts(value, name) for name, value in attributes.items()})


def without_empty(values: Mapping[str, list[str]]) -> Values:
    """Only what has a value: DSML, as LDAP, knows no attribute without one (RFC 4512 section 2.5)."""
    return {name: texts_ for name, texts_ in values.items() if texts_}


def texts(value: Any, name: str) -> list[str]:
    """The DSML values of a JSON value: the primary one first, each once, none for null and for the empty string.

    Raises `TargetRefused` for a complex value that has no `value` to stand for it, and for what XML cannot carry.
    """
    if value is None or value == "":
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, Mapping):
        if lookup(value, "value") is None:
            raise TargetRefused(f"attribute `{name}`: a complex value is no DSML value: map one of its sub-attributes")
        return texts(lookup(value, "value"), name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(dict.fromkeys(text for item in primary_first(value) for text in texts(item, name)))
    return [legal(str(value), f"attribute `{name}`")]


def legal(text: str, where: str) -> str:
    """`text` unchanged; raises `TargetRefused` when it has a character that XML cannot carry."""
    bad = ILLEGAL.search(text)
    if bad:
        raise TargetRefused(
            f"{where}: character U+{ord(bad.group()):04X} at position {bad.start() + 1} cannot be sent in XML"
        )
    return text


def lookup(resource: Mapping[str, Any], name: str) -> Any:
    """An attribute of a SCIM object, whose names compare without case (RFC 7643 section 2.1)."""
    if name in resource:
        return resource[name]
    wanted = name.casefold()
    return next((value for key, value in resource.items() if key.casefold() == wanted), None)


def primary_first(values: Iterable[Any]) -> list[Any]:
    """The values of a multi-valued attribute with the primary one in front, else in their order."""
    return sorted(values, key=lambda value: not (isinstance(value, Mapping) and lookup(value, "primary") is True))


def _read(resource: Mapping[str, Any], row: Row) -> list[str]:
    value: Any = resource
    for step in row.path:
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = next(iter(primary_first(value)), None)
        value = lookup(value, step) if isinstance(value, Mapping) else None
    if row.types and isinstance(value, Sequence) and not isinstance(value, str):
        value = [item for item in value if _type_of(item) in row.types]
    return texts(value, row.remote)


def _type_of(item: Any) -> str:
    kind = lookup(item, "type") if isinstance(item, Mapping) else None
    return kind.casefold() if isinstance(kind, str) else ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What turns one state into another: attributes to replace with their new values, and names to delete."""

    replace: Values
    delete: tuple[str, ...]


def difference(now: Mapping[str, Sequence[str]] | None, wanted: Values) -> Difference:
    """From the state `now` (None: not known, everything is replaced) to `wanted`.

    Neither the order of values nor another spelling of a name is a change: DSML names compare without case.
    """
    if now is None:
        return Difference(dict(wanted), ())
    before = {name.casefold(): values for name, values in now.items()}
    ours = {name.casefold() for name in wanted}
    changed = {
        name: values for name, values in wanted.items() if sorted(before.get(name.casefold(), ())) != sorted(values)
    }
    return Difference(changed, tuple(name for name in now if name.casefold() not in ours and now[name]))


def observed(attributes: Mapping[str, Sequence[str]], names: Iterable[str]) -> Values:
    """Of what a target showed only the attributes `names`, under our spelling: DSML names compare without case."""
    ours = {name.casefold(): name for name in names}
    return {ours[name.casefold()]: list(values) for name, values in attributes.items() if name.casefold() in ours}


def odd_names(names: Iterable[str]) -> list[str]:
    """Names that DSMLv2's schema does not allow; servers take them, so they are worth a warning only."""
    return [name for name in names if not DSML_NAME.fullmatch(name)]
