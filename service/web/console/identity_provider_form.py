"""The form of an identity provider: read into the body of the HTTP contract, rows added and taken away."""

from __future__ import annotations

from typing import Any

from service.providers import SECRET_MASK
from service.web.console import forms
from service.web.console.forms import Form, Json

CLAIMS = "claimMappings"
ROLES = "roleMappings"
CONNECTORS = "connectors"
DELIVERY = (
    "firstRetry",
    "longestRetry",
    "giveUpAfter",
    "exchangeTimeout",
    "breakerThreshold",
    "firstProbe",
    "longestProbe",
    "burst",
    "deletionWindow",
)
LIMITS = ("rate", "concurrency", "deletionCount", "deletionShare")
"""Of the delivery, those that may be left empty: no limit."""


def sent(form: Form, stored: Json) -> Json:
    """The body that the form says, over what is stored of the parts that it does not show."""
    if "name" not in form:
        return stored
    return {
        **stored,
        "name": forms.text(form, "name"),
        "enabled": forms.ticked(form, "enabled"),
        "defaultConnector": forms.text(form, "defaultConnector") or None,
        CLAIMS: [_claim(form, f"{CLAIMS}[{place}]") for place in range(forms.rows(form, CLAIMS))],
        ROLES: [_mapping(form, f"{ROLES}[{place}]") for place in range(forms.rows(form, ROLES))],
        "outboundProvisioningRoles": _lines(form, "outboundProvisioningRoles"),
        CONNECTORS: [_connector(form, f"{CONNECTORS}[{place}]") for place in range(forms.rows(form, CONNECTORS))],
        "delivery": _delivery(form, stored.get("delivery", {})),
    }


def added(draft: Json, what: str, form: Form) -> Json:
    """The draft with one more row, or with the connector that was chosen."""
    if what == CONNECTORS:
        chosen = forms.text(form, "newConnector")
        row = {"type": chosen, "enabled": True, "profile": "generic", "onConflict": "link", "properties": {}}
        return {**draft, CONNECTORS: [*draft[CONNECTORS], row]} if chosen else draft
    if what in {CLAIMS, ROLES}:
        return {**draft, what: [*draft[what], {"local": "", "remote": ""}]}
    return draft


def removed(draft: Json, which: str) -> Json:
    """The draft without a row: `claimMappings.3`; a connector that is the default one is it no longer."""
    what, _, place = which.partition(".")
    if what not in {CLAIMS, ROLES, CONNECTORS}:
        return draft
    result = {**draft, what: forms.without(draft[what], place)}
    if result["defaultConnector"] not in {one["type"] for one in result[CONNECTORS]}:
        result["defaultConnector"] = None
    return result


def _connector(form: Form, field: str) -> Json:
    prefix = f"{field}.properties."
    names = [name.removeprefix(prefix) for name in form if name.startswith(prefix)]
    values = {name: forms.long_text(form, prefix + name).strip() for name in names}
    kept = {name for name in form.getlist(f"{field}.kept") if not values.get(name)}
    kept -= set(form.getlist(f"{field}.forget"))
    return {
        "type": form.get(f"{field}.type", ""),
        "enabled": forms.ticked(form, f"{field}.enabled"),
        "profile": forms.text(form, f"{field}.profile") or "generic",
        "onConflict": form.get(f"{field}.onConflict", "link"),
        "properties": {name: value for name, value in values.items() if value} | dict.fromkeys(kept, SECRET_MASK),
    }


def _mapping(form: Form, field: str) -> Json:
    return {"local": forms.text(form, f"{field}.local"), "remote": forms.text(form, f"{field}.remote")}


def _claim(form: Form, field: str) -> Json:
    return _mapping(form, field) | {"default": forms.text(form, f"{field}.default") or None}


def _delivery(form: Form, stored: Json) -> Json:
    """What the form shows of the delivery, over what is stored: a page without a field changes nothing of it."""
    shown = {name: forms.text(form, f"delivery.{name}") for name in (*DELIVERY, *LIMITS) if f"delivery.{name}" in form}
    numbers = {name: _number(text) if text or name not in LIMITS else None for name, text in shown.items()}
    # A box that is not ticked is not sent: it is on the page where the window is.
    boxes = {"deleteLinkedAccounts": forms.ticked(form, "delivery.deleteLinkedAccounts")}
    return {**stored, **numbers, **(boxes if "deletionWindow" in shown else {})}


def _lines(form: Form, name: str) -> list[str]:
    return [line.strip() for line in forms.long_text(form, name).split("\n") if line.strip()]


def _number(text: str) -> Any:
    """A number, or the text that is none: the check of the body says so beside the field."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text
