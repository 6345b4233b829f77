"""How the SCIM 2.0 connector shows who it is: the authentication modes and the headers they give."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.connector import Settings
from connectors.errors import Misconfigured

MODES = ("basic", "bearer", "apiKey")

_NEEDED = {
    "basic": ("scim2-username", "scim2-password"),
    "bearer": ("scim2-access-token",),
    "apiKey": ("scim2-api-key-header", "scim2-api-key-value"),
}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Access:
    """What a request carries to be let in; `secrets` are the values that no record may show."""

    headers: Mapping[str, str]
    secrets: tuple[str, ...]


def mode(settings: Settings) -> str | None:
    """The authentication mode, None when the setting names none that exists.

    Without the setting, what is filled in decides: WSO2's early connector knew a user name and a password only.
    """
    wanted = re.sub(r"[^a-z0-9]", "", settings.get("scim2-authentication-mode").lower())
    if wanted:
        return next((known for known in MODES if known.lower() == wanted), None)
    return next((known for known in ("bearer", "apiKey") if settings.get(_NEEDED[known][-1])), "basic")


def access(settings: Settings) -> Access:
    """The headers of every request. Raises Misconfigured when a setting that the mode needs is missing."""
    for setting, message in access_problems(settings):
        raise Misconfigured(message, setting=setting)
    chosen = mode(settings)
    if chosen == "bearer":
        token = settings.get("scim2-access-token")
        return Access({"Authorization": f"Bearer {token}"}, (token,))
    if chosen == "apiKey":
        key = settings.get("scim2-api-key-value")
        return Access({settings.get("scim2-api-key-header"): key}, (key,))
    # RFC 7617 section 2.1: UTF-8 where the user name or password is not ASCII.
    password = settings.get("scim2-password")
    pair = base64.b64encode(f"{settings.get('scim2-username')}:{password}".encode()).decode()
    return Access({"Authorization": f"Basic {pair}"}, (password, pair))


def access_problems(settings: Settings) -> list[tuple[str, str]]:
    """What is wrong with the settings that the mode needs, as (property key, message)."""
    chosen = mode(settings)
    if chosen is None:
        wanted = settings.get("scim2-authentication-mode")
        return [("scim2-authentication-mode", f"`{wanted}` is no authentication mode: use one of {', '.join(MODES)}")]
    problems: list[tuple[str, str]] = []
    for key in _NEEDED[chosen]:
        value = settings.get(key)
        if not value:
            problems.append((key, f"is needed for authentication mode `{chosen}`"))
        elif any(ord(character) < 32 for character in value):
            problems.append((key, "holds a line break or control character"))
    if chosen == "basic" and ":" in settings.get("scim2-username"):
        problems.append(("scim2-username", "a user name with a colon cannot be sent with HTTP Basic"))
    header = settings.get("scim2-api-key-header")
    if chosen == "apiKey" and header and not _HEADER_NAME.fullmatch(header):
        problems.append(("scim2-api-key-header", f"`{header}` is no name of an HTTP header"))
    return problems
