"""Checks of settings that follow from their metadata alone, the same for every connector."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from connectors.connector import Property, Settings

SWITCH_WORDS = frozenset({"true", "false", "1", "0", "on", "off", "yes", "no"})


def metadata_problems(properties: Iterable[Property], settings: Settings) -> list[tuple[str, str]]:
    """What contradicts the metadata, as (property key, message): missing, no URL, no option, no boolean."""
    problems = []
    for known in properties:
        value = settings.get(known.key)
        if not value.strip():
            if known.required:
                problems.append((known.key, f"{known.display_name} is required"))
            continue
        problem = _value_problem(known, value)
        if problem:
            problems.append((known.key, problem))
    return problems


def _value_problem(known: Property, value: str) -> str | None:
    if known.type == "url":
        return url_problem(value)
    if known.type == "option" and value not in known.options:
        return f"`{value}` is none of {', '.join(f'`{option}`' for option in known.options)}"
    if known.type == "boolean" and value.strip().lower() not in SWITCH_WORDS:
        return f"`{value}` is neither `true` nor `false`"
    return None


def url_problem(value: str) -> str | None:
    """Why `value` cannot be requested, None when it can. Credentials in a URL would end up in every record."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        return f"`{value}` is no http or https URL"
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong into the URL: use the settings for them"
    if any(character.isspace() or ord(character) < 32 for character in value):
        return f"`{value}` contains white space"
    return None
