"""Target profiles: what a SCIM target does differently, read from TOML files.

`profiles/generic.toml` says what every target is taken to do; another profile names only the keys in which it differs.
Each profile says where its facts come from, when that was checked, and whether they were tried or only documented.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, get_args, get_type_hints

Writing = Literal["put", "patch"]


class UnknownProfile(LookupError):
    """No profile has this name; the message lists those that exist."""


class BadProfile(ValueError):
    """A profile says something that is not understood; the message names file, section and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the facts come from. `evidence` is `tried` (against a real server) or `documentation`."""

    display_name: str
    source: str
    checked: str
    evidence: Literal["tried", "documentation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """What every request to the target carries."""

    user_agent: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """How users are written, and what takes a user away."""

    replace: Writing
    modify: Writing
    delete: Literal["delete", "deactivate", "nothing"]
    etags: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """How groups are written, and what takes a group away."""

    replace: Writing
    modify: Writing
    delete: Literal["delete", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The most that one PATCH may hold: operations, and membership changes among them."""

    operations: int
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One target's ways; the sections are those of the TOML file."""

    profile: Origin
    http: Http
    user: Users
    group: Groups
    patch: Patch


def load(name: str, overrides: Mapping[str, Mapping[str, Any]] = MappingProxyType({})) -> Profile:
    """The profile of this name, single keys overridden (`{section: {key: value}}`).

    Raises UnknownProfile, BadProfile.
    """
    profile = _built_in(name)
    if not overrides:
        return profile
    return _profile(_merged(_sections(name), overrides), f"overrides of profile `{name}`")


def names() -> list[str]:
    """The names of all profiles, sorted."""
    folder = files("connectors") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


@cache
def _built_in(name: str) -> Profile:
    return _profile(_sections(name), f"connectors/profiles/{name}.toml")


@cache
def _sections(name: str) -> Mapping[str, Mapping[str, Any]]:
    if name not in names():
        known = ", ".join(f"`{one}`" for one in names())
        raise UnknownProfile(f"unknown target profile `{name}`: use one of {known}")
    text = (files("connectors") / "profiles" / f"{name}.toml").read_text("utf-8")
    own: dict[str, Any] = tomllib.loads(text)
    return own if name == "generic" else _merged(_sections("generic"), own)


def _merged(base: Mapping[str, Mapping[str, Any]], over: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {section: {**base.get(section, {}), **over.get(section, {})} for section in {**base, **over}}


def _profile(sections: Mapping[str, Mapping[str, Any]], where: str) -> Profile:
    kinds = get_type_hints(Profile)
    unknown = sorted(sections.keys() - kinds.keys())
    if unknown:
        raise BadProfile(f"{where}: unknown section `{unknown[0]}`: use one of {', '.join(kinds)}")
    parts = {name: _section(kind, sections.get(name, {}), f"{where}: {name}") for name, kind in kinds.items()}
    return Profile(**parts)


def _section(kind: type, values: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        raise BadProfile(f"{where}: unknown key `{unknown[0]}`: use one of {', '.join(hints)}")
    missing = [field.name for field in fields(kind) if field.name not in values]
    if missing:
        raise BadProfile(f"{where}: `{missing[0]}` is missing")
    return kind(**{key: _value(value, hints[key], f"{where}.{key}") for key, value in values.items()})


def _value(value: Any, hint: Any, where: str) -> Any:
    choices = get_args(hint)
    if choices and value not in choices:
        raise BadProfile(f"{where}: `{value}` is none of {', '.join(map(str, choices))}")
    if not choices and type(value) is not hint:
        raise BadProfile(f"{where}: `{value}` is no {hint.__name__}")
    return value
