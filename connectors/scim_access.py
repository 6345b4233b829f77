"""How the SCIM 2.0 connector shows who it is: the authentication modes, their settings, and the headers they give."""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from connectors.connector import Reply, Settings, Step, Tls
from connectors.errors import Misconfigured
from connectors.jwt import BadKey, load_key
from connectors.metadata import url_problem
from connectors.oauth import Client, ClientAuthentication, Token, new_token, remembered_token
from connectors.tls import problem as tls_problem

MODES = ("basic", "bearer", "apiKey", "clientCredentials", "privateKeyJwt", "mutualTls")

_NEEDED = {
    "basic": ("scim2-username", "scim2-password"),
    "bearer": ("scim2-access-token",),
    "apiKey": ("scim2-api-key-header", "scim2-api-key-value"),
    "clientCredentials": ("scim2-token-endpoint", "scim2-client-id", "scim2-client-secret"),
    "privateKeyJwt": ("scim2-token-endpoint", "scim2-client-id", "scim2-private-key"),
    "mutualTls": ("scim2-client-certificate",),
}
_SPELLINGS = {"oauth2": "clientCredentials", "oauth": "clientCredentials", "mtls": "mutualTls", "jwt": "privateKeyJwt"}
_MULTI_LINE = frozenset({"scim2-private-key", "scim2-client-certificate", "scim2-ca-certificate"})
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Access:
    """What a request carries to be let in; `secrets` are the values that no record may show."""

    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    tls: Tls | None = None

    def admit(self) -> Generator[Step, Reply | None, Access]:
        """Itself: nothing has to be asked for."""
        yield from ()
        return self

    def renew(self) -> bool:
        """Never: the same credentials would be rejected again."""
        return False


class Admission(Protocol):
    """Gives the access of each request of a task; may first ask an authorization server."""

    def admit(self) -> Generator[Step, Reply | None, Access]:
        """What the next request carries."""
        ...

    def renew(self) -> bool:
        """After a 401: whether another access can be had, so that the request is worth a second try."""
        ...


@dataclass(slots=True)
class TokenAdmission:
    """Access by a token of an authorization server: a remembered one, else a new one. Of one task."""

    client: Client
    remembered: Mapping[str, Any]
    now: datetime
    nonce: str
    tls: Tls | None = None
    token: Token | None = field(default=None, init=False)
    asked: bool = field(default=False, init=False)

    def admit(self) -> Generator[Step, Reply | None, Access]:
        """The headers with the token, which is asked for when there is none."""
        if self.token is None and not self.asked:
            self.token = remembered_token(self.client, self.remembered)
        if self.token is None:
            self.asked = True
            self.token = yield from new_token(self.client, self.now, self.nonce, self.tls)
        secrets = tuple(one for one in (self.token.value, self.client.secret) if one)
        return Access({"Authorization": f"Bearer {self.token.value}"}, secrets, self.tls)

    def renew(self) -> bool:
        """Once, and only when the rejected token was a remembered one: a new one would be rejected again."""
        if self.token is None or self.token.fresh:
            return False
        self.token, self.asked = None, True
        return True


def mode(settings: Settings) -> str | None:
    """The authentication mode, None when the setting names none that exists.

    Without the setting, what is filled in decides: WSO2's early connector knew a user name and a password only.
    """
    wanted = re.sub(r"[^a-z0-9]", "", settings.get("scim2-authentication-mode").lower())
    if wanted:
        return _SPELLINGS.get(wanted) or next((known for known in MODES if known.lower() == wanted), None)
    return next((known for known in MODES[1:] if settings.get(_NEEDED[known][-1])), "basic")


def admission(settings: Settings, remembered: Mapping[str, Any], now: datetime, nonce: str) -> Admission:
    """How the requests of a task are let in. Raises Misconfigured when a setting that the mode needs is missing."""
    for setting, message in access_problems(settings):
        raise Misconfigured(message, setting=setting)
    chosen = mode(settings)
    if chosen in {"clientCredentials", "privateKeyJwt"}:
        return TokenAdmission(_client(settings), remembered, now, nonce, _tls(settings))
    return _static(settings)


def _static(settings: Settings) -> Access:
    chosen, tls = mode(settings), _tls(settings)
    if chosen == "mutualTls":
        return Access({}, (), tls)
    if chosen == "bearer":
        token = settings.get("scim2-access-token")
        return Access({"Authorization": f"Bearer {token}"}, (token,), tls)
    if chosen == "apiKey":
        key = settings.get("scim2-api-key-value")
        return Access({settings.get("scim2-api-key-header"): key}, (key,), tls)
    # RFC 7617 section 2.1: UTF-8 where the user name or password is not ASCII.
    password = settings.get("scim2-password")
    pair = base64.b64encode(f"{settings.get('scim2-username')}:{password}".encode()).decode()
    return Access({"Authorization": f"Basic {pair}"}, (password, pair), tls)


def _tls(settings: Settings) -> Tls | None:
    tls = Tls(authorities=settings.get("scim2-ca-certificate"), certificate=settings.get("scim2-client-certificate"))
    return tls if tls.authorities.strip() or tls.certificate.strip() else None


def _client(settings: Settings) -> Client:
    by_key = mode(settings) == "privateKeyJwt"
    in_body = settings.get("scim2-client-authentication").lower() == "body"
    how: ClientAuthentication = "private-key" if by_key else "body" if in_body else "basic"
    parameters = {"scope": settings.get("scim2-scope"), "audience": settings.get("scim2-token-audience")}
    return Client(
        endpoint=settings.get("scim2-token-endpoint"),
        id=settings.get("scim2-client-id"),
        secret=settings.get("scim2-private-key" if by_key else "scim2-client-secret"),
        authentication=how,
        key_id=settings.get("scim2-key-id"),
        parameters={name: value for name, value in parameters.items() if value},
    )


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
        elif key not in _MULTI_LINE and any(ord(character) < 32 for character in value):
            problems.append((key, "holds a line break or control character"))
    return problems or _closer_problems(chosen, settings)


def _closer_problems(chosen: str, settings: Settings) -> list[tuple[str, str]]:
    """What only a look into the values shows."""
    header, endpoint = settings.get("scim2-api-key-header"), settings.get("scim2-token-endpoint")
    if chosen == "basic" and ":" in settings.get("scim2-username"):
        return [("scim2-username", "a user name with a colon cannot be sent with HTTP Basic")]
    if chosen == "apiKey" and not _HEADER_NAME.fullmatch(header):
        return [("scim2-api-key-header", f"`{header}` is no name of an HTTP header")]
    if chosen in {"clientCredentials", "privateKeyJwt"} and (wrong := url_problem(endpoint)):
        return [("scim2-token-endpoint", wrong)]
    if chosen == "privateKeyJwt" and (wrong := _key_problem(settings.get("scim2-private-key"))):
        return [("scim2-private-key", wrong)]
    if (tls := _tls(settings)) is not None and (wrong := tls_problem(tls)):
        return [("scim2-client-certificate" if tls.certificate else "scim2-ca-certificate", wrong)]
    return []


def _key_problem(pem: str) -> str | None:
    try:
        load_key(pem)
    except BadKey as error:
        return str(error)
    return None
