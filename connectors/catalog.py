"""Which connectors there are: the built-in ones, and plug-ins of the entry point group `sluice.connectors`.

A plug-in's entry point names a class or an instance that keeps the contract of `connectors.connector`. One that cannot
be loaded is listed with the reason and costs nothing else; none may take the type of a built-in connector.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from connectors.connector import Connector, Property
from connectors.google import Google
from connectors.salesforce import Salesforce
from connectors.scim1 import Scim1
from connectors.scim2 import Scim2
from connectors.spml import Spml

GROUP = "sluice.connectors"
BUILT_IN: tuple[Connector, ...] = (Scim2(), Scim1(), Spml(), Google(), Salesforce())

_TYPE = re.compile(r"[a-z][a-z0-9._-]*")
# Other spellings under which people know a type, next to any mixture of capitals.
_ALIASES = {
    "scim2.0": "scim2",
    "scim-2": "scim2",
    "scim20": "scim2",
    "scim1": "scim",
    "scim1.1": "scim",
    "scim-1": "scim",
    "scim11": "scim",
    "spml2": "spml",
    "spml2.0": "spml",
    "google": "googleapps",
    "googleworkspace": "googleapps",
}


class UnknownConnector(LookupError):
    """No connector has this type; the message suggests one."""


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plug-in that cannot be used, and why, for people."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All connectors by type, built-in ones first, and the plug-ins that cannot be used."""

    connectors: tuple[Connector, ...]
    broken: tuple[BrokenPlugin, ...] = ()

    def connector(self, type_: str) -> Connector:
        """The connector of a type, in any capitals (`SCIM2` is `scim2`). Raises UnknownConnector."""
        wanted = canonical(type_)
        known = {one.type: one for one in self.connectors}
        if wanted in known:
            return known[wanted]
        broken = next((one for one in self.broken if one.name == wanted), None)
        if broken is not None:
            raise UnknownConnector(f"connector `{type_}` cannot be used: {broken.message}")
        close = difflib.get_close_matches(wanted, known, n=1)
        help_ = f"did you mean `{close[0]}`?" if close else f"use one of {', '.join(f'`{one}`' for one in known)}"
        raise UnknownConnector(f"unknown connector `{type_}`: {help_}")


def canonical(type_: str) -> str:
    """The spelling under which a connector's type is stored: small letters, aliases resolved."""
    plain = type_.strip().lower()
    return _ALIASES.get(plain, plain)


def connector(type_: str) -> Connector:
    """The connector of a type. Raises UnknownConnector."""
    return catalog().connector(type_)


def connectors() -> list[Connector]:
    """All connectors that can be used, built-in ones first."""
    return list(catalog().connectors)


@cache
def catalog() -> Catalog:
    """The catalog of this process; plug-ins are looked for once."""
    return assemble(entry_points(group=GROUP))


def assemble(plugins: Iterable[EntryPoint]) -> Catalog:
    """The built-in connectors and these plug-ins."""
    found = {one.type: one for one in BUILT_IN}
    broken: list[BrokenPlugin] = []
    for entry in sorted(plugins, key=lambda one: (one.name, one.value)):
        try:
            plugin = _loaded(entry, found)
        except _NotUsable as error:
            broken.append(BrokenPlugin(canonical(entry.name), f"plug-in `{entry.value}`: {error}"))
        else:
            found[plugin.type] = plugin
    return Catalog(tuple(found.values()), tuple(broken))


class _NotUsable(Exception):
    """Why a plug-in cannot be used."""


def _loaded(entry: EntryPoint, taken: Container[str]) -> Connector:
    try:
        plugin = entry.load()
        plugin = plugin() if isinstance(plugin, type) else plugin
        problem = _problem(plugin)
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises, the service starts and says so
        raise _NotUsable(f"{type(error).__name__}: {error}") from error
    if problem:
        raise _NotUsable(problem)
    checked: Connector = plugin
    if checked.type in taken:
        raise _NotUsable(f"type `{checked.type}` is taken")
    return checked


def _problem(plugin: object) -> str | None:
    """How an object fails to keep the contract, None when it keeps it."""
    missing = [
        name
        for name in ("type", "display_name", "properties", "provision", "probe", "problems")
        if not hasattr(plugin, name)
    ]
    if missing:
        return f"it has no `{missing[0]}`"
    type_ = getattr(plugin, "type", None)
    if not isinstance(type_, str) or not _TYPE.fullmatch(type_):
        return f"its type `{type_}` is not of small letters, digits, dots and dashes"
    if canonical(type_) != type_:
        return f"its type `{type_}` is another name of `{canonical(type_)}`"
    if not isinstance(getattr(plugin, "display_name", None), str):
        return "its display name is no text"
    properties = getattr(plugin, "properties", ())
    if not isinstance(properties, (tuple, list)) or not all(isinstance(one, Property) for one in properties):
        return "its properties are no `Property` objects"
    keys = [one.key for one in properties]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        return f"it has the setting `{twice}` twice"
    uncallable = [name for name in ("provision", "probe", "problems") if not callable(getattr(plugin, name))]
    return f"its `{uncallable[0]}` cannot be called" if uncallable else None
