"""What a user or group should be at Google, made of the entity's attributes. Pure.

A mapped task names fields of the Directory API: `name.givenName`, `phones.work`, `organizations.title`, `orgUnitPath`,
`customSchemas.Staff.badge`; values that are lists of objects are taken as they are. Without a mapping the SCIM
attributes go where Google has a field for them.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.account_claims import claim, elements, is_active, text
from connectors.claims import ENTERPRISE_USER
from connectors.connector import Settings, Task
from connectors.errors import TargetRefused
from connectors.google_settings import Setup
from connectors.naming import provisioning_pattern
from connectors.passwords import refuse_mapped
from connectors.rest_calls import mappings

#: Marks an account as the one of an entity, among its external ids.
MARK = "sluice"
_FORBIDDEN = re.compile(r"[^a-z0-9_.'-]+")
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"})
_TEXTS = frozenset({"orgUnitPath", "recoveryEmail", "recoveryPhone"})
_SWITCHES = frozenset(
    {"suspended", "archived", "includeInGlobalAddressList", "changePasswordAtNextLogin", "ipWhitelisted"}
)
# Lists of objects: the part that holds a plain value, and the types that Google knows; any other is a custom one.
_LISTS: Mapping[str, tuple[str, frozenset[str]]] = {
    "emails": ("address", frozenset({"home", "other", "work"})),
    "phones": (
        "value",
        frozenset(
            {
                *("assistant", "callback", "car", "company_main", "grand_central", "home", "home_fax", "isdn", "main"),
                *("mobile", "other", "other_fax", "pager", "radio", "telex", "tty_tdd", "work", "work_fax"),
                *("work_mobile", "work_pager"),
            }
        ),
    ),
    "addresses": ("formatted", frozenset({"home", "other", "work"})),
    "externalIds": ("value", frozenset({"account", "customer", "login_id", "network", "organization"})),
    "relations": (
        "value",
        frozenset(
            {
                *("admin_assistant", "assistant", "brother", "child", "domestic_partner", "dotted_line_manager"),
                *("exec_assistant", "father", "friend", "manager", "mother", "parent", "partner", "referred_by"),
                *("relative", "sister", "spouse"),
            }
        ),
    ),
    "websites": (
        "value",
        frozenset(
            {
                *("app_install_page", "blog", "ftp", "home", "home_page", "other", "profile", "reservations"),
                *("resume", "work"),
            }
        ),
    ),
    "keywords": ("value", frozenset({"mission", "occupation", "outlook"})),
    "languages": ("languageCode", frozenset()),
    "locations": ("area", frozenset({"default", "desk"})),
    "ims": ("im", frozenset({"home", "other", "work"})),
}
_ORGANIZATION = frozenset({"costCenter", "department", "description", "domain", "location", "name", "symbol", "title"})
_NAMES = frozenset({"givenName", "familyName", "displayName"})
_PUNCTUATION = string.punctuation + string.whitespace
_LONGEST = 64  # RFC 5321 section 4.5.3.1.1
_GROUP = frozenset({"email", "name", "description"})
_PHONES = {"fax": "work_fax"}


def user(task: Task, settings: Settings, setup: Setup) -> tuple[dict[str, Any], list[str]]:
    """The state that a user should have, without a password; and what was left out, for people.

    Raises TargetRefused when there is nothing to make an address of, Misconfigured for a claim mapped to `password`.
    """
    refuse_mapped(task, "password")
    warnings: list[str] = []
    made = _mapped_user(task, setup, warnings) if task.mapped else _user(task.attributes)
    address = primary_email(task, settings, setup)
    made["primaryEmail"] = address
    made["emails"] = [one for one in made.get("emails", []) if str(one.get("address", "")).lower() != address]
    names = {"givenName": _given(task, setup), "familyName": _family(task, setup)}
    made["name"] = {key: value for key, value in {**made.get("name", {}), **names}.items() if value}
    made["externalIds"] = [*made.get("externalIds", []), mark(task.entity_id)]
    active = is_active(task)
    if active is not None:
        made.setdefault("suspended", not active)
    return {key: value for key, value in made.items() if value not in ("", [], {}, None)}, warnings


def group(task: Task, setup: Setup) -> tuple[dict[str, Any], list[str]]:
    """The state that a group should have, without members; and what was left out, for people."""
    named = task.attributes if task.mapped else {}
    made = {key: text(named[key]) for key in named if key in _GROUP and text(named[key])}
    made["name"] = made.get("name") or claim(task.attributes, "displayName") or task.name
    address = made.get("email") or _local_part(made["name"], blanks=_PUNCTUATION)
    made["email"] = _with_domain(address, setup)
    known = {*_GROUP, "displayName", "active", "externalId", "schemas"}
    return made, [_left_out(key, "group") for key in named if key not in known]


def mark(entity_id: str) -> dict[str, str]:
    """The external id that says whose account it is."""
    return {"type": "custom", "customType": MARK, "value": entity_id}


def marks(found: Mapping[str, Any], entity_id: str) -> bool:
    """Whether an account as read is marked as the entity's."""
    wanted = mark(entity_id)
    listed = mappings(found.get("externalIds"))
    return any({key: one.get(key) for key in wanted} == wanted for one in listed)


def primary_email(task: Task, settings: Settings, setup: Setup) -> str:
    """The account's address: by the pattern when there is one, else the claim's value. Raises TargetRefused."""
    if setup.pattern:
        name = provisioning_pattern(
            setup.pattern,
            setup.separator,
            domain=task.domain,
            name=task.name,
            tenant=settings.tenant,
            identity_provider=settings.identity_provider,
        )
        return _with_domain(_local_part(name, blanks="@ "), setup)
    value = claim(task.attributes, setup.email_claim)
    if not value and task.mapped:
        value = text(task.attributes.get("primaryEmail"))
    if not value:
        raise TargetRefused(f"the user has no value for the primary email claim `{setup.email_claim}`")
    return _with_domain(value, setup)


def _with_domain(address: str, setup: Setup) -> str:
    """Google compares and stores addresses in lower case."""
    return (address if "@" in address else f"{address}@{setup.domain}").lower()


def _local_part(name: str, *, blanks: str) -> str:
    """A name as Google takes it before the @: letters, digits, and - _ ' . inside; accents are dropped.

    `blanks` are the characters that may become a dash. A name that loses anything else gets a sign that is as stable as
    the name, so that two names never make one address.
    """
    plain = unaccented(name)
    lost = any(_FORBIDDEN.fullmatch(character) and character not in blanks for character in plain)
    made = re.sub(r"\.{2,}", ".", _FORBIDDEN.sub("-", plain)).strip("-.")
    if made and not lost and len(made) <= _LONGEST:
        return made
    return f"{made[: _LONGEST - 11].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:10]}".lstrip("-")


def unaccented(name: str) -> str:
    """The name in small letters without accents, as far as Unicode takes letters apart."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS)).casefold()
    return "".join(character for character in plain if not unicodedata.combining(character))


def _given(task: Task, setup: Setup) -> str:
    own = text(task.attributes.get("name.givenName")) if task.mapped else ""
    return claim(task.attributes, setup.given_claim) or own or setup.given_default


def _family(task: Task, setup: Setup) -> str:
    own = text(task.attributes.get("name.familyName")) if task.mapped else ""
    return claim(task.attributes, setup.family_claim) or own or setup.family_default


# --- without a mapping ------------------------------------------------------------------------------------------------


def _user(attributes: Mapping[str, Any]) -> dict[str, Any]:
    enterprise = attributes.get(ENTERPRISE_USER)
    enterprise = enterprise if isinstance(enterprise, Mapping) else {}
    number = text(enterprise.get("employeeNumber"))
    language, profile = text(attributes.get("preferredLanguage")), text(attributes.get("profileUrl"))
    manager = text(enterprise.get("manager"))
    return {
        "name": {"displayName": text(attributes.get("displayName"))},
        "emails": list(_listed(attributes, "emails", "emails")),
        "phones": list(_listed(attributes, "phoneNumbers", "phones")),
        "addresses": list(_addresses(attributes)),
        "organizations": _organizations(attributes, enterprise),
        "externalIds": [{"type": "organization", "value": number}] if number else [],
        # Google knows a manager by address; an identifier means nothing to it.
        "relations": [{"type": "manager", "value": manager}] if "@" in manager else [],
        "languages": [{"languageCode": language, "preference": "preferred"}] if language else [],
        "websites": [{"type": "profile", "value": profile}] if profile else [],
    }


def _listed(attributes: Mapping[str, Any], name: str, field: str) -> Iterator[dict[str, Any]]:
    for one in elements(attributes, name):
        value = text(one)
        if value:
            kind = text(one.get("type")) or "work"
            yield {_LISTS[field][0]: value, **_typed(field, _PHONES.get(kind, kind)), **_primary(one, field)}


def _addresses(attributes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in elements(attributes, "addresses"):
        parts = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
        found = {part: text(one.get(part)) for part in parts if text(one.get(part))}
        if found:
            yield {**found, **_typed("addresses", text(one.get("type")) or "work"), **_primary(one, "addresses")}


def _organizations(attributes: Mapping[str, Any], enterprise: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = {
        "title": text(attributes.get("title")),
        "department": text(enterprise.get("department")),
        "costCenter": text(enterprise.get("costCenter")),
        "name": text(enterprise.get("organization")),
        "description": text(attributes.get("userType")),  # the admin console calls it the type of employee
    }
    found = {key: value for key, value in found.items() if value}
    return [{**found, "type": "work", "primary": True}] if found else []


def _typed(field: str, kind: str) -> dict[str, str]:
    known = _LISTS[field][1]
    lower = kind.lower()
    return {"type": lower} if lower in known else {"type": "custom", "customType": kind}


def _primary(one: Mapping[str, Any], field: str) -> dict[str, bool]:
    """A secondary address is never the primary one: that is `primaryEmail`."""
    return {"primary": True} if one.get("primary") is True and field != "emails" else {}


# --- by a mapping -----------------------------------------------------------------------------------------------------


def _mapped_user(task: Task, setup: Setup, warnings: list[str]) -> dict[str, Any]:
    claims = {setup.email_claim, setup.given_claim, setup.family_claim}
    made: dict[str, Any] = {}
    for key, value in task.attributes.items():
        if not _put(made, key, value) and key not in claims and key.lower() not in {"active", "username"}:
            warnings.append(_left_out(key, "user"))
    return made


def _put(made: dict[str, Any], key: str, value: Any) -> bool:
    """Put a mapped value where Google has it; whether it has a place."""
    field, _, rest = key.partition(".")
    if key in _TEXTS:
        made[key] = text(value)
    elif key in _SWITCHES:
        made[key] = text(value).lower() in {"true", "1", "yes", "on"}
    elif field == "name" and rest in _NAMES:
        made.setdefault("name", {})[rest] = text(value)
    elif field in _LISTS:
        made.setdefault(field, []).extend(_elements(field, rest, value))
    elif field == "organizations" and rest in _ORGANIZATION:
        made.setdefault(field, [{"type": "work", "primary": True}])[0][rest] = text(value)
    elif field == "customSchemas" and rest.count(".") == 1:
        schema, _, name = rest.partition(".")
        made.setdefault(field, {}).setdefault(schema, {})[name] = value
    else:
        return key == "primaryEmail"
    return True


def _elements(field: str, kind: str, value: Any) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, Mapping):
            yield dict(one)
        elif text(one):
            typed = {} if field == "languages" else _typed(field, kind or "work")
            yield {_LISTS[field][0]: text(one), **typed}


def _left_out(key: str, kind: str) -> str:
    return f"`{key}` is no field of a {kind} at Google, and was left out"
