"""What the service would keep of an exchange, and whether a secret is in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from connectors.connector import Reply, Request
from connectors.masking import mask_body, mask_headers, mask_text


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange as it is recorded: everything as text."""

    purpose: str
    text: str


def recorded(request: Request, reply: Reply | None) -> Recorded:
    """The record of an exchange, as the service writes it; `reply` is None when no answer came."""
    parts = [
        request.method,
        mask_text(request.url, request.secrets),
        json.dumps(mask_headers(request.headers, request.secrets), ensure_ascii=False),
        mask_body(request.body, _content_type(request), request.secrets),
    ]
    if reply is not None:
        parts += [
            json.dumps(mask_headers(reply.headers, request.secrets), ensure_ascii=False),
            mask_body(reply.body, reply.headers.get("content-type"), request.secrets),
        ]
    return Recorded(request.purpose, "\n".join(parts))


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that can be read in a text, in one of the spellings in which protocols carry them."""
    return [secret for secret in secrets if any(spelling in text for spelling in _spellings(secret))]


def _spellings(secret: str) -> set[str]:
    plain = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], escape(secret)}
    try:
        octets = secret.encode()
    except UnicodeEncodeError:  # half of a character, which no protocol carries
        return plain
    return {
        *plain,
        quote(octets, safe=""),
        quote_plus(octets),
        base64.b64encode(octets).decode().rstrip("="),
    }


def _content_type(request: Request) -> str | None:
    return next((value for name, value in request.headers.items() if name.lower() == "content-type"), None)
