"""One conversation with a SCIM target: builds the requests, reads the answers, says what a status means.

Each method is a generator that yields the request and returns the `Answer`. What is the same everywhere raises here:
rejected credentials, throttling, an unavailable target, a redirect. What a 4xx means is for the caller to say.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from connectors.connector import Reply, Request, Step
from connectors.errors import ConnectorError, TargetConflict, TargetRefused
from connectors.masking import mask_text
from connectors.profile import Profile
from connectors.scim_access import Access, Admission
from connectors.statuses import AGAIN, described, status_error

T = TypeVar("T")
Talk = Generator[Step, "Reply | None", T]


class Vanished(Exception):
    """The resource that was to be changed is not there (any more)."""


class Unsupported(Exception):
    """The target does not know the method; there may be another way."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, read: `data` is its JSON object, empty when there is none. `request` is what it answers."""

    request: Request
    reply: Reply
    data: Mapping[str, Any]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.reply.status

    @property
    def good(self) -> bool:
        """Whether the target did as asked."""
        return 200 <= self.status < 300

    @property
    def missing(self) -> bool:
        """Whether the resource is not there (any more)."""
        return self.status in {404, 410}

    @property
    def taken(self) -> bool:
        """Whether something that must be unique exists already (RFC 7644 section 3.12; some say it with a 400)."""
        return self.status == 409 or (self.status == 400 and self.scim_type == "uniqueness")

    @property
    def unsupported(self) -> bool:
        """Whether the target does not know the method."""
        return self.status in {405, 501}

    @property
    def scim_type(self) -> str:
        """The detail keyword of a SCIM error."""
        return str(self.data.get("scimType") or "")

    @property
    def etag(self) -> str | None:
        """The resource's version: the ETag header, else `meta.version` (RFC 7644 section 3.14)."""
        meta = self.data.get("meta")
        version = meta.get("version") if isinstance(meta, Mapping) else None
        return self.reply.headers.get("etag") or (version if isinstance(version, str) and version else None)

    @property
    def identifier(self) -> str | None:
        """The id of the resource in the answer: in the body, else the end of the Location."""
        found = self.data.get("id")
        if isinstance(found, (str, int)) and not isinstance(found, bool) and _usable(str(found)):
            return str(found)
        return _identifier_in(self.reply.headers.get("location", ""), self.request.url)

    def detail(self) -> str | None:
        """What the target said about a failure: a SCIM error's detail, else the start of whatever text came."""
        said = self.data.get("detail")
        if not said and isinstance(self.data.get("Errors"), list):  # SCIM 1.1, and servers that mix the two
            said = "; ".join(str(one.get("description", "")) for one in self.data["Errors"] if isinstance(one, Mapping))
        if not said and not self.scim_type and "html" not in self.reply.headers.get("content-type", ""):
            said = self.reply.body[:500].decode("utf-8", "replace")
        text = " ".join(str(said or "").split())
        if self.scim_type and self.scim_type.lower() not in text.lower():
            text = f"{text} ({self.scim_type})" if text else self.scim_type
        return mask_text(text, self.request.secrets)[:500] or None

    def expect(self) -> Answer:
        """The answer when it is good. Raises Vanished, Unsupported, or what `error` says."""
        if self.missing:
            raise Vanished
        if self.unsupported:
            raise Unsupported(self)
        if not self.good:
            raise self.error()
        return self

    def error(self) -> ConnectorError:
        """The refusal that a 4xx is."""
        detail = self.detail()
        message = f"{self.request.purpose}: the target answered {described(self.status)}"
        kind = TargetConflict if self.taken else TargetRefused
        return kind(f"{message}: {detail}" if detail else message, status=self.status, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The requests of one task. `access` lets them in, `now` is the clock that Retry-After is read against."""

    access: Admission
    profile: Profile
    now: datetime

    def get(self, url: str, purpose: str) -> Talk[Answer]:
        """Read; safe to repeat."""
        return self._call("GET", url, purpose, safe=True)

    def post(self, url: str, resource: Mapping[str, Any], purpose: str, secrets: tuple[str, ...] = ()) -> Talk[Answer]:
        """Create."""
        return self._call("POST", url, purpose, body=resource, secrets=secrets)

    def put(
        self,
        url: str,
        resource: Mapping[str, Any],
        purpose: str,
        *,
        secrets: tuple[str, ...] = (),
    ) -> Talk[Answer]:
        """Replace."""
        return self._call("PUT", url, purpose, body=resource, secrets=secrets)

    def patch(
        self,
        url: str,
        message: Mapping[str, Any],
        purpose: str,
        *,
        secrets: tuple[str, ...] = (),
        etag: str | None = None,
    ) -> Talk[Answer]:
        """Change, only if the version still is `etag` when one is given."""
        return self._call("PATCH", url, purpose, body=message, secrets=secrets, etag=etag)

    def delete(self, url: str, purpose: str) -> Talk[Answer]:
        """Delete."""
        return self._call("DELETE", url, purpose)

    def _call(
        self,
        method: str,
        url: str,
        purpose: str,
        *,
        safe: bool = False,
        body: Mapping[str, Any] | None = None,
        secrets: tuple[str, ...] = (),
        etag: str | None = None,
    ) -> Talk[Answer]:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        self._check_size(content, purpose)
        access = yield from self.access.admit()
        request = Request(
            method=method,
            url=url,
            headers=self._headers(access, etag, has_body=body is not None),
            body=content,
            safe=safe,
            purpose=purpose,
            secrets=(*access.secrets, *secrets),
            tls=access.tls,
        )
        reply = yield request
        assert reply is not None, "a request is answered with a reply"
        if reply.status == 401 and self.access.renew():
            # A 401 was not acted upon: with another token the same request may be sent again.
            again = self._call(method, url, purpose, safe=safe, body=body, secrets=secrets, etag=etag)
            return (yield from again)
        answer = Answer(request, reply, _json_object(reply))
        self._raise_for_all(answer)
        return answer

    def _check_size(self, content: bytes | None, purpose: str) -> None:
        most = self.profile.limits.body
        if content is not None and 0 < most < len(content):
            raise TargetRefused(f"{purpose}: {len(content)} bytes are more than the target takes ({most})")

    def _headers(self, access: Access, etag: str | None, *, has_body: bool) -> dict[str, str]:
        kind = self.profile.http.media_type
        headers = {
            "Accept": ", ".join(dict.fromkeys((kind, "application/scim+json", "application/json"))),
            "User-Agent": self.profile.http.user_agent,
            **access.headers,
        }
        if has_body:
            headers["Content-Type"] = kind
        if etag:
            headers["If-Match"] = etag
        return headers

    def _raise_for_all(self, answer: Answer) -> None:
        status = answer.status
        again = status in {401, 429} or status in AGAIN or (status >= 500 and status != 501)
        if again or 300 <= status < 400:
            raise status_error(answer.reply, now=self.now, doing=answer.request.purpose, detail=answer.detail())
        if answer.good and _is_web_page(answer.reply):
            # A sign-in page or a portal in between: nothing was confirmed.
            raise TargetRefused(
                f"{answer.request.purpose}: the target answered {described(status)} with a web page: is the URL right?",
                status=status,
            )


def _json_object(reply: Reply) -> Mapping[str, Any]:
    try:
        data = json.loads(reply.body) if reply.body and not reply.truncated else None
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _is_web_page(reply: Reply) -> bool:
    return bool(reply.body) and reply.headers.get("content-type", "").lower().startswith("text/html")


def _usable(identifier: str) -> bool:
    """An identifier becomes a path segment; one of dots would climb out of the endpoint."""
    return identifier.strip() not in {"", ".", ".."}


def _identifier_in(location: str, endpoint: str) -> str | None:
    """The last segment of a Location below the endpoint; some servers send the endpoint itself."""
    if not location:
        return None
    collection = urlsplit(endpoint).path.rstrip("/")
    front, _, last = urlsplit(urljoin(endpoint, location)).path.rstrip("/").rpartition("/")
    if front.rpartition("/")[2] != collection.rpartition("/")[2]:
        return None
    identifier = unquote(last)
    return identifier if _usable(identifier) else None
