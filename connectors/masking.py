"""Takes secrets out of what is recorded of an exchange.

Two nets, since targets echo what they were sent: the values that the request names as its secrets are removed wherever
they occur and however they are encoded (JSON, XML and URL escapes, base64), and so are the values of headers and fields
whose names say that they are secret.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus
from xml.sax.saxutils import escape

MASK = "********"

#: What is kept of a body in a record, in characters.
RECORD_LIMIT = 32 * 1024

_SECRET_HEADERS = frozenset(
    {"authorization", "proxyauthorization", "cookie", "setcookie", "xapikey", "apikey", "xauthtoken", "xaccesstoken"}
)
_SECRET_FIELDS = frozenset(
    {
        *("password", "passwd", "currentpassword", "newpassword", "oldpassword", "credentials", "passphrase"),
        *("accesstoken", "refreshtoken", "idtoken", "bearertoken", "authtoken", "sessionid", "sessiontoken"),
        *("clientsecret", "clientassertion", "assertion", "apikey", "privatekey", "secret", "authorization"),
    }
)
_NAMES = "|".join(sorted("[-_.]?".join(name) for name in _SECRET_FIELDS))
_QUALIFIED = r"(?:[\w.:/-]*[:.])?"
_JSON_FIELD = re.compile(rf'("{_QUALIFIED}(?:{_NAMES})"\s*:\s*)"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.IGNORECASE)
_FORM_FIELD = re.compile(rf"((?:^|[&?;])(?:{_NAMES}|code)=)[^&#\s]*", re.IGNORECASE)
_ELEMENT = re.compile(rf"(<(?:[\w.-]+:)?(?:{_NAMES})(?:\s[^<>]*)?(?<!/)>)[^<]*", re.IGNORECASE)
_NAMED_VALUE = re.compile(
    rf"(<(?:[\w.-]+:)?(?:attr|modification|property|attribute)\s[^<>]*name\s*=\s*[\"']{_QUALIFIED}(?:{_NAMES})[\"'][^<>]*>)"
    r"(.*?)(?=</(?:[\w.-]+:)?(?:attr|modification|property|attribute)\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TEXT_OF_ELEMENT = re.compile(r">[^<]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")
_ESCAPED = re.compile(r"&(?:#\w+|\w+);|%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\/")
_SHORT = 4


def mask_headers(headers: Mapping[str, str], secrets: Iterable[str] = ()) -> dict[str, str]:
    """The headers as they may be recorded. An authorization keeps its scheme, a cookie nothing."""
    known = _usable(secrets)
    return {name: _mask_header(name, value, known) for name, value in headers.items()}


def mask_body(
    body: bytes | None, content_type: str | None, secrets: Iterable[str] = (), *, limit: int = RECORD_LIMIT
) -> str:
    """A body as it may be recorded: text without secrets, at most `limit` characters. What is no text is described."""
    if not body:
        return ""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in body or not _textual(content_type):
            return f"({len(body)} bytes, no text)"
        text = body.decode("latin-1")
    masked = mask_text(_mask_fields(text), secrets)
    if len(masked) <= limit:
        return masked
    return f"{masked[:limit]}… ({len(masked) - limit} more characters)"


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """The text without the values of secrets, in any of the encodings in which protocols carry them."""
    known = _usable(secrets)
    if not known:
        return text
    for form in sorted({form for secret in known for form in _forms(secret)}, key=len, reverse=True):
        text = _remove(text, form)
    text = _BASE64.sub(lambda match: _mask_base64(match[0], known), text)
    return _mask_escaped(text, known)


def _usable(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(secret for secret in secrets if secret.strip()))


def _mask_header(name: str, value: str, known: tuple[str, ...]) -> str:
    plain = _plain(name)
    if plain not in _SECRET_HEADERS and plain not in _SECRET_FIELDS:
        return mask_text(_FORM_FIELD.sub(rf"\g<1>{MASK}", value), known)
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASK}" if blank and plain.endswith("authorization") else MASK


def _textual(content_type: str | None) -> bool:
    kind = (content_type or "").lower()
    return kind.startswith("text/") or any(word in kind for word in ("json", "xml", "form-urlencoded"))


def _mask_fields(text: str) -> str:
    """Mask by name. JSON is read, so that a PATCH operation's value is found; what cannot be read is searched."""
    start = text.lstrip()[:1]
    if start in {"{", "["}:
        try:
            data = json.loads(text)
            masked = _mask_json(data)
        except (ValueError, RecursionError):
            return _JSON_FIELD.sub(rf'\g<1>"{MASK}"', text)
        return text if masked == data else json.dumps(masked, ensure_ascii=False)
    if start == "<":
        text = _NAMED_VALUE.sub(lambda match: match[1] + _TEXT_OF_ELEMENT.sub(f">{MASK}", match[2]), text)
        return _ELEMENT.sub(rf"\g<1>{MASK}", text)
    return _FORM_FIELD.sub(rf"\g<1>{MASK}", text)


def _mask_json(data: Any) -> Any:
    if isinstance(data, list):
        return [_mask_json(item) for item in data]
    if not isinstance(data, dict):
        return data
    masked = {key: MASK if _is_secret(key) and value else _mask_json(value) for key, value in data.items()}
    # RFC 7644 3.5.2: a PATCH operation names the attribute in `path` and carries the secret in `value`.
    if isinstance(data.get("path"), str) and "value" in data and _is_secret(data["path"]):
        masked["value"] = MASK
    return masked


def _is_secret(name: str) -> bool:
    return _plain(re.split(r"[:.]", name)[-1]) in _SECRET_FIELDS


def _plain(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()


def _forms(secret: str) -> set[str]:
    quoted = {'"': "&quot;", "'": "&apos;"}
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escape(secret),
        escape(secret, quoted),
        html.escape(secret),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }


def _remove(text: str, form: str) -> str:
    if len(form) >= _SHORT:
        return text.replace(form, MASK)
    # A secret of one to three characters occurs in ordinary words: only a value of its own is one.
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)


def _mask_base64(run: str, known: tuple[str, ...]) -> str:
    padded = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(padded + "=" * (-len(padded) % 4))
    except (binascii.Error, ValueError):
        return run
    return MASK if any(secret.encode() in decoded for secret in known if len(secret) >= _SHORT) else run


def _mask_escaped(text: str, known: tuple[str, ...]) -> str:
    """Catch unusual spellings, such as numeric entities: when reading them shows a secret, record what was read."""
    if not _ESCAPED.search(text):
        return text
    for read in (html.unescape, unquote_plus, _read_json_escapes):
        plain = read(text)
        if plain != text and any(secret in plain for secret in known if len(secret) >= _SHORT):
            for secret in known:
                plain = _remove(plain, secret)
            text = plain
    return text


def _read_json_escapes(text: str) -> str:
    # In one pass: a backslash that was written as an escape begins no other escape.
    units = re.sub(r"\\(?:u([0-9A-Fa-f]{4})|/)", lambda match: chr(int(match[1], 16)) if match[1] else "/", text)
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of units become one letter
