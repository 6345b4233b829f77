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
from typing import Any, Literal, get_args, get_origin, get_type_hints

Writing = Literal["put", "patch"]
Evidence = Literal["tried", "documentation"]


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
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """What every request to the target carries."""

    user_agent: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Whether the target's ServiceProviderConfig is read (`read`), where it is, and for how many hours it holds."""

    read: bool
    path: str
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the target takes; 0 where nothing is known. `body` is in bytes, the rest is for the pace of deliveries."""

    per_minute: int
    per_hour: int
    burst: int
    concurrency: int
    body: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """How existing resources are found: the attributes that can be searched, in the order of asking.

    `names` are the target's own names for attributes in filters. `supported` false: all resources are listed, `page` at
    a time and `most` at most, and compared here.
    """

    supported: bool
    users: tuple[str, ...]
    groups: tuple[str, ...]
    names: Mapping[str, str]
    page: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the target's resources may hold, by path (`name.givenName`, an extension's URN and a colon).

    `required` gives what stands in when an attribute is missing, as text with other paths in braces and alternatives
    behind a bar; `dropped` is never sent; of a `single` attribute with several values the primary one is sent, else the
    first.
    """

    required: Mapping[str, str]
    dropped: tuple[str, ...]
    single: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Users(Shape):
    """How users are written and taken away. `inactive_is_missing`: the target answers 404 for a deactivated one."""

    replace: Writing
    modify: Writing
    delete: Literal["delete", "deactivate", "nothing"]
    etags: bool
    inactive_is_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups(Shape):
    """How groups are written and taken away, where the target has any (`supported`)."""

    supported: bool
    replace: Writing
    modify: Writing
    delete: Literal["delete", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The form of a PATCH: the most operations and membership changes in one, and the target's dialect.

    `paths` false: values are objects without a path, only a removal has one. `capitals`: `Replace` for `replace`.
    `boolean_words`: `"True"` for true.
    """

    operations: int
    members: int
    paths: bool
    capitals: bool
    boolean_words: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """How members are changed and read.

    `add`: `list` (path and a list), `object` (path and an object with the list), `pathless` (an object alone).
    `remove`: `filter` (a path per member) or `list` (path and a list). `readable` false: a group is read without them.
    `display` and `type` are sub-attributes that are sent beside the value.
    """

    add: Literal["list", "object", "pathless"]
    remove: Literal["filter", "list"]
    readable: bool
    display: bool
    type: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One target's ways; the sections are those of the TOML file."""

    profile: Origin
    http: Http
    discovery: Discovery
    limits: Limits
    filter: Filter
    user: Users
    group: Groups
    patch: Patch
    members: Members


def parse_overrides(text: str) -> dict[str, Any]:
    """Single keys of a profile as an administrator writes them, in TOML. Raises BadProfile with line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProfile(f"the overrides are no TOML: {error}") from error


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
    sections = {section: dict(base.get(section, {})) for section in {**base, **over}}
    for section, values in over.items():
        if not isinstance(values, Mapping):
            raise BadProfile(f"`{section}` is no section of a profile: write its keys under [{section}]")
        sections[section] |= values
    return sections


def _profile(sections: Mapping[str, Mapping[str, Any]], where: str) -> Profile:
    kinds = get_type_hints(Profile)
    unknown = sorted(sections.keys() - kinds.keys())
    if unknown:
        raise BadProfile(f"{where}: unknown section `{unknown[0]}`: use one of {', '.join(kinds)}")
    parts = {name: _section(kind, sections.get(name, {}), f"{where}: {name}") for name, kind in kinds.items()}
    profile = Profile(**parts)
    for key in ("operations", "members"):
        if getattr(profile.patch, key) < 1:
            raise BadProfile(f"{where}: patch.{key}: must be 1 or more")
    return profile


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
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise BadProfile(f"{where}: `{value}` is none of {', '.join(get_args(hint))}")
    elif hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise BadProfile(f"{where}: `{value}` is no list of texts")
        return tuple(value)
    elif hint == Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise BadProfile(f"{where}: `{value}` is no table of texts")
        return MappingProxyType(dict(value))
    elif type(value) is not hint or (hint is int and value < 0):
        raise BadProfile(f"{where}: `{value}` is no {hint.__name__}")
    return value
