"""Access tokens from an authorization server (RFC 6749): asked for when needed, remembered until they expire.

Generators like connectors: the token request is an exchange like any other. It is safe: asking twice changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

from connectors.connector import Remember, Reply, Request, Step, Tls
from connectors.errors import ConnectorError, CredentialsRejected, Misconfigured, TargetRefused
from connectors.jwt import load_key, signed
from connectors.masking import mask_text
from connectors.statuses import status_error

#: How a client shows who it is: RFC 6749 section 2.3.1 (Basic or in the body), RFC 7523 section 2.2 (a signed token),
#: RFC 8705 section 2 (the TLS certificate, then only the client's id is sent), RFC 7523 section 2.1 (a signed token is
#: the grant itself, given for a subject).
ClientAuthentication = Literal["basic", "body", "private-key", "none", "jwt-bearer"]

MEMORY = "oauth-token"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_UNSTATED_LIFE = timedelta(minutes=5)
_LONGEST_LIFE = timedelta(days=1)
_ASSERTION_LIFE = timedelta(minutes=5)
_GRANT_LIFE = timedelta(minutes=3)  # Salesforce takes none that lives longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client of an authorization server and how it asks for tokens.

    `secret` is the client secret or, for `private-key` and `jwt-bearer`, the PEM of the key. `parameters` are further
    ones of the token request, such as `scope`, `audience` or `resource`; `grant_type` among them replaces
    `client_credentials`, and `confidential` are the values among them that no record may show. `audience` is that of a
    signed token, when it is not the endpoint; `subject` is whom a `jwt-bearer` grant is for, when it is not the client,
    and `claims` are further ones of it. `memory` is the key that the token is remembered by: a connector with several
    kinds of tokens has several.
    """

    endpoint: str
    id: str
    secret: str = ""
    authentication: ClientAuthentication = "basic"
    key_id: str = ""
    audience: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    confidential: tuple[str, ...] = ()
    subject: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    memory: str = MEMORY

    @property
    def fingerprint(self) -> str:
        """Changes with every setting, so that a token of earlier settings is not used."""
        parts = [self.endpoint, self.id, self.secret, self.authentication, self.key_id, self.audience, self.subject]
        parts += [json.dumps(sorted(some.items())) for some in (self.parameters, self.claims)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `fresh` when it was asked for just now."""

    value: str
    fresh: bool
    extra: Mapping[str, Any] = field(default_factory=dict)


def remembered_token(client: Client, remembered: Mapping[str, Any]) -> Token | None:
    """The token that an earlier task left, when it is of these settings."""
    kept = remembered.get(client.memory)
    if not isinstance(kept, Mapping) or kept.get("client") != client.fingerprint:
        return None
    return Token(str(kept["token"]), fresh=False, extra=kept.get("extra") or {})


def new_token(
    client: Client, now: datetime, nonce: str, tls: Tls | None = None
) -> Generator[Step, Reply | None, Token]:
    """Ask for a token and remember it. `nonce` makes a signed request unique.

    Raises CredentialsRejected when the server does not know the client, Misconfigured when it refuses the rest.
    """
    request = _request(client, now, nonce, tls)
    reply = yield request
    assert reply is not None, "a request is answered with a reply"
    data = _json_object(reply)
    if reply.status != 200 or not isinstance(data.get("access_token"), str):
        raise _refusal(request, reply, data, now)
    token = Token(data["access_token"], fresh=True, extra=_extra(data))
    kept = {"client": client.fingerprint, "token": token.value, "extra": dict(token.extra)}
    yield Remember(client.memory, kept, _life(data))
    return token


def _request(client: Client, now: datetime, nonce: str, tls: Tls | None) -> Request:
    form = {"grant_type": "client_credentials", **client.parameters}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secrets = [client.secret, *client.confidential]
    if client.authentication == "basic":
        # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        secrets.append(headers["Authorization"].removeprefix("Basic "))
    elif client.authentication == "jwt-bearer":
        form |= {"grant_type": _JWT_GRANT, "assertion": _assertion(client, now, nonce, _GRANT_LIFE)}
        secrets.append(form["assertion"])
    else:
        form["client_id"] = client.id
    if client.authentication == "body":
        form["client_secret"] = client.secret
    if client.authentication == "private-key":
        form |= {
            "client_assertion_type": _ASSERTION,
            "client_assertion": _assertion(client, now, nonce, _ASSERTION_LIFE),
        }
        secrets.append(form["client_assertion"])
    return Request(
        method="POST",
        url=client.endpoint,
        headers=headers,
        body=urlencode(form).encode(),
        safe=True,
        purpose="ask for an access token",
        secrets=tuple(secret for secret in secrets if secret),
        tls=tls,
    )


def _assertion(client: Client, now: datetime, nonce: str, life: timedelta) -> str:
    """RFC 7523 section 3: who asks, whom, until when, and once."""
    issued = int(now.timestamp())
    claims = {
        "iss": client.id,
        "sub": client.subject or client.id,
        "aud": client.audience or client.endpoint,
        "jti": nonce,
        "iat": issued,
        "exp": issued + int(life.total_seconds()),
        **client.claims,
    }
    return signed(claims, load_key(client.secret), client.key_id)


def _refusal(request: Request, reply: Reply, data: Mapping[str, Any], now: datetime) -> ConnectorError:
    """RFC 6749 section 5.2: `invalid_client` is about the credentials whatever the status, the rest about settings."""
    said = [str(data[key]) for key in ("error", "error_description") if isinstance(data.get(key), str)]
    detail = mask_text(": ".join(said), request.secrets)[:500] or None
    message = "the authorization server gave no access token" + (f": {detail}" if detail else "")
    code = str(data.get("error"))
    if code in {"invalid_client", "unauthorized_client", "invalid_grant"} or reply.status in {401, 403}:
        return CredentialsRejected(message, status=reply.status, detail=detail)
    if code in {"invalid_scope", "invalid_target", "unsupported_grant_type", "invalid_request"}:
        return Misconfigured(message)
    if reply.status == 200:
        return TargetRefused(f"{message}: its answer holds none", status=200)
    return status_error(reply, now=now, doing=request.purpose, detail=detail)


def _life(data: Mapping[str, Any]) -> timedelta:
    """How long to use a token: less than it lives, so that it does not expire on the way."""
    try:
        seconds = float(data["expires_in"])
    except (KeyError, TypeError, ValueError):
        return _UNSTATED_LIFE
    life = timedelta(seconds=min(max(seconds, 0.0), _LONGEST_LIFE.total_seconds()))
    return max(life - max(life / 10, timedelta(seconds=30)), timedelta(seconds=1))


def _extra(data: Mapping[str, Any]) -> dict[str, Any]:
    """What some servers say beside the token, such as the address of the service it is for."""
    return {key: value for key, value in data.items() if key in {"instance_url", "token_type", "scope"}}


def _json_object(reply: Reply) -> Mapping[str, Any]:
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
