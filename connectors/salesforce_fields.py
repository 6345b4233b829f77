"""Which fields a Salesforce organization's users have, as its describe call says: asked once a day, then remembered.

A field that does not exist would cost the whole user; a value that a picklist does not have too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.account_claims import text
from connectors.connector import Remember
from connectors.errors import Misconfigured
from connectors.rest_calls import Talk
from connectors.salesforce_calls import Organization, sobject

MEMORY = "salesforce-fields"
_AGE = timedelta(days=1)
_TRUE = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of users by name; none when the organization does not tell.

    Each is `[type, createable, updateable, picklist or None]`. `makes` says whether users can be made at all.
    """

    known: Mapping[str, list[Any]]
    makes: bool = True

    def writable(self, name: str, *, creating: bool) -> bool:
        """Whether it may be set now; taken for granted of what is not known."""
        found = self.known.get(name)
        return found is None or bool(found[1 if creating else 2])

    def offers(self, name: str, value: str) -> bool:
        """Whether a picklist has the value; what is no picklist takes any."""
        found = self.known.get(name)
        return found is None or not found[3] or value in found[3]

    def unknown(self, names: Iterable[str]) -> list[str]:
        """The names that no field has."""
        return [name for name in names if self.known and name not in self.known]

    def typed(self, name: str, value: Any) -> Any:
        """A mapped value as the field takes it; raises Misconfigured when it cannot be read as such."""
        if name not in self.known:
            return value if isinstance(value, bool) else text(value)
        kind = self.known[name][0]
        if kind == "multipicklist" and isinstance(value, (list, tuple)):
            return ";".join(map(text, value))
        plain = text(value)
        try:
            if kind == "boolean":
                return plain.lower() in _TRUE
            if kind in {"int", "double", "currency", "percent"} and plain:
                return int(plain) if kind == "int" else float(plain)
        except ValueError as error:
            raise Misconfigured(f"the field `{name}` takes numbers: `{plain[:40]}` is none") from error
        return plain


def fields(organization: Organization, remembered: Mapping[str, Any], names: Iterable[str]) -> Talk[Fields]:
    """The fields of users; asked anew when what is remembered has not all the names.

    Raises Misconfigured for a name that no field has.
    """
    wanted = list(names)
    found = _recalled(organization, remembered)
    if found is None or found.unknown(wanted):
        found = yield from described(organization)
    unknown = found.unknown(wanted)
    if unknown:
        close = difflib.get_close_matches(unknown[0], found.known, n=1)
        help_ = f": did you mean `{close[0]}`?" if close else ""
        raise Misconfigured(f"users of the organization have no field `{unknown[0]}`{help_}")
    return found


def _recalled(organization: Organization, remembered: Mapping[str, Any]) -> Fields | None:
    kept = remembered.get(MEMORY)
    if not isinstance(kept, Mapping) or kept.get("of") != _of(organization):
        return None
    return Fields(kept["fields"])


def described(organization: Organization) -> Talk[Fields]:
    """The fields of users, asked for now and remembered."""
    answer = yield from organization.get(sobject("User", "describe"), "read which fields users have")
    known = {
        str(one["name"]): [str(one.get("type")), one.get("createable"), one.get("updateable"), _picklist(one)]
        for one in (answer.listed("fields") if answer.good else ())
        if "name" in one
    }
    yield Remember(MEMORY, {"of": _of(organization), "fields": known}, _AGE)
    return Fields(known, makes=answer.resource.get("createable") is not False)


def _picklist(one: Mapping[str, Any]) -> list[str] | None:
    listed = one.get("picklistValues")
    if not isinstance(listed, list) or not listed:
        return None
    return [
        str(value.get("value")) for value in listed if isinstance(value, Mapping) and value.get("active") is not False
    ]


def _of(organization: Organization) -> str:
    return f"{organization.setup.domain} {organization.setup.version}"
