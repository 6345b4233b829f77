"""What a user should be at Salesforce, made of the entity's attributes. Pure.

A mapped task names fields of the sObject User, custom ones included. Without a mapping the SCIM attributes go where
Salesforce has a field for them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from connectors.account_claims import claim, elements, is_active, primary, text
from connectors.claims import ENTERPRISE_USER
from connectors.connector import Settings, Task
from connectors.errors import TargetRefused
from connectors.naming import provisioning_pattern
from connectors.salesforce_settings import Setup

# sObject User, with the longest that a field takes.
USERNAME_LENGTH = 80
_ALIAS_LENGTH = 8
_GROUP_NAME_LENGTH = 40
_DEVELOPER_NAME_LENGTH = 80
_USER_ID = re.compile(r"005[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?")
_TEXTS = {
    "FirstName": "name.givenName",
    "LastName": "name.familyName",
    "MiddleName": "name.middleName",
    "Suffix": "name.honorificSuffix",
    "Email": "emails",
    "Title": "title",
    "EmployeeNumber": f"{ENTERPRISE_USER}:employeeNumber",
    "Department": f"{ENTERPRISE_USER}:department",
    "Division": f"{ENTERPRISE_USER}:division",
    "CompanyName": f"{ENTERPRISE_USER}:organization",
    "Phone": "phoneNumbers.work",
    "MobilePhone": "phoneNumbers.mobile",
    "Fax": "phoneNumbers.fax",
}
_ADDRESS = {
    "Street": "streetAddress",
    "City": "locality",
    "State": "region",
    "PostalCode": "postalCode",
    "Country": "country",
}
#: Fields that not every organization has: left out where describe does not name them.
OPTIONAL = frozenset({"MiddleName", "Suffix"})
#: What an entity may say in another spelling than the picklist's: then the default counts.
CHOSEN = ("TimeZoneSidKey", "LocaleSidKey", "LanguageLocaleKey")


def user(task: Task, settings: Settings, setup: Setup) -> dict[str, Any]:
    """The state that a user should have, in Salesforce's fields; mapped values are not typed yet.

    Raises TargetRefused when there is nothing to make a user name of.
    """
    made = _mapped(task) if task.mapped else _unmapped(task)
    made["Username"] = username(task, settings, setup)
    if not made.get("Email") and not task.mapped and "@" in made["Username"]:
        made["Email"] = made["Username"]
    if setup.mark_field:
        made.setdefault(setup.mark_field, task.entity_id)
    active = is_active(task)
    if active is not None:
        made.setdefault("IsActive", active)
    return {key: value for key, value in made.items() if value not in ("", None, [])}


def for_new(made: Mapping[str, Any], task: Task, setup: Setup) -> dict[str, Any]:
    """The fields that Salesforce demands of a new user, filled where the entity has none."""
    name = claim(task.attributes, "displayName") or task.name
    demanded = {"LastName": name, "Alias": alias(text(task.attributes.get("nickName")) or task.name), **setup.defaults}
    return {**demanded, **made}


def username(task: Task, settings: Settings, setup: Setup) -> str:
    """The user name: by the pattern when there is one, else the entity's. Raises TargetRefused.

    Salesforce takes only names in the form of an address, and no other organization may have the same.
    """
    own = text(task.attributes.get("Username")) if task.mapped else ""
    name = own or claim(task.attributes, "userName") or task.name
    if setup.pattern:
        name = provisioning_pattern(
            setup.pattern,
            setup.separator,
            domain=task.domain,
            name=task.name,
            tenant=settings.tenant,
            identity_provider=settings.identity_provider,
        )
    if "@" not in name and not setup.name_domain:
        raise TargetRefused(
            f"`{name}` is no user name for Salesforce, which wants an address: set `sf-prov-domainName`"
        )
    return name if "@" in name else f"{name}@{setup.name_domain}"


def retired_name(name: str, identifier: str) -> str:
    """The user name of an account that was taken away: free for another, and the same each time."""
    front = f"retired.{identifier.lower()}."
    local, at, domain = name.removeprefix(front).rpartition("@")
    room = USERNAME_LENGTH - len(front) - len(at) - len(domain)
    return f"{front}{local[: max(room, 1)]}{at}{domain}"


def alias(name: str) -> str:
    """A short name, which Salesforce demands; it need not be unique."""
    return re.sub(r"[^\w]", "", name)[:_ALIAS_LENGTH] or "user"


def group_name(task: Task) -> str:
    """What a group is called."""
    return claim(task.attributes, "Name") or claim(task.attributes, "displayName") or task.name


def public_group(task: Task) -> dict[str, Any]:
    """The state that a public group should have, without members."""
    name = group_name(task)
    own = claim(task.attributes, "DeveloperName") if task.mapped else ""
    return {"Name": name[:_GROUP_NAME_LENGTH], "DeveloperName": own or developer_name(name)}


def developer_name(name: str) -> str:
    """The name by which Salesforce tells groups apart: letters, digits, single underscores, a letter first.

    A name that loses more than blanks gets a sign that is as stable as the name, so that two never make one.
    """
    made = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    made = made if made[:1].isalpha() else f"g_{made}".rstrip("_")
    if made == name.replace(" ", "_") and len(made) <= _DEVELOPER_NAME_LENGTH:
        return made
    return f"{made[: _DEVELOPER_NAME_LENGTH - 11].rstrip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def _mapped(task: Task) -> dict[str, Any]:
    elsewhere = {"active", "userName", "displayName", "externalId", "nickName", "schemas"}
    return {key: value for key, value in task.attributes.items() if key not in elsewhere}


def _unmapped(task: Task) -> dict[str, Any]:
    attributes = task.attributes
    made: dict[str, Any] = {field: claim(attributes, path) for field, path in _TEXTS.items()}
    address = list(elements(attributes, "addresses"))
    if address:
        chosen = primary(address)
        made |= {field: text(chosen.get(part)) for field, part in _ADDRESS.items()}
    # A locale is en_GB here and en-GB in SCIM (RFC 7643 section 4.1.1).
    made["LocaleSidKey"] = text(attributes.get("locale")).replace("-", "_")
    made["LanguageLocaleKey"] = text(attributes.get("preferredLanguage")).replace("-", "_")
    made["TimeZoneSidKey"] = text(attributes.get("timezone"))
    manager = claim(attributes, f"{ENTERPRISE_USER}:manager")
    made["ManagerId"] = manager if _USER_ID.fullmatch(manager) else ""
    return made
