"""An OAuth 2.0 token endpoint of the tests: checks who asks as RFC 6749 and RFC 7523 say, signatures included."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from connectors.connector import Reply, Request
from tests.support.raw_server import http_answer


@dataclass
class TokenServer:
    """Knows one client: by secret, or by public key. Hands out `tokens` in order, the last one for ever."""

    client_id: str = "me"
    client_secret: str = "client-secret-äöü:%"
    public_key: Any = None
    tokens: list[str] = field(default_factory=lambda: ["token-one"])
    expires_in: object = 3600
    audience: str = "https://login.test/token"
    forms: list[dict[str, str]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method != "POST" or headers["content-type"] != "application/x-www-form-urlencoded":
            return _json(400, error="invalid_request")
        form = {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}
        self.forms.append(form)
        if form.get("grant_type") != "client_credentials":
            return _json(400, error="unsupported_grant_type")
        if not self._knows(headers.get("authorization", ""), form):
            return _json(401, error="invalid_client", error_description="who are you?")
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        return _json(200, **{key: value for key, value in body.items() if value is not None})

    def serve(self, connection: socket.socket, received: bytes) -> bool:
        """Answer over a socket, as the script of a `raw_server`."""
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(
            method=first.split(" ")[0], url=first.split(" ")[1], headers=headers, body=body, safe=True, purpose=""
        )
        reply = self.answer(request)
        connection.sendall(http_answer(reply.status, reply.body, "Content-Type: application/json"))
        return True

    def _knows(self, authorization: str, form: dict[str, str]) -> bool:
        if self.public_key is not None:
            return self._signed(form)
        if authorization.startswith("Basic "):
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (self.client_id, self.client_secret)
        return (form.get("client_id"), form.get("client_secret")) == (self.client_id, self.client_secret)

    def _signed(self, form: dict[str, str]) -> bool:
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            return False
        claims = verified(form["client_assertion"], self.public_key)
        if claims is None or claims["jti"] in [one["jti"] for one in self.claims]:
            return False
        self.claims.append(claims)
        fitting = claims["iss"] == claims["sub"] == self.client_id == form.get("client_id")
        return fitting and claims["aud"] == self.audience and claims["iat"] <= claims["exp"] <= claims["iat"] + 600


def verified(token: str, key: Any) -> dict[str, Any] | None:
    """The claims of a signed token (RFC 7515), None when the signature is not of this key."""
    head, body, signature = token.split(".")
    content, raw = f"{head}.{body}".encode(), _decoded(signature)
    algorithm = json.loads(_decoded(head))["alg"]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            assert algorithm == "RS256"
            key.verify(raw, content, padding.PKCS1v15(), hashes.SHA256())
        else:
            digest: Any = {"ES256": hashes.SHA256, "ES384": hashes.SHA384, "ES512": hashes.SHA512}[algorithm]
            half = len(raw) // 2
            pair = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
            key.verify(pair, content, ec.ECDSA(digest()))
    except InvalidSignature:
        return None
    claims: dict[str, Any] = json.loads(_decoded(body))
    return claims


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _json(status: int, **body: Any) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(body).encode())
