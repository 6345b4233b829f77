"""One conversation with a JSON API: builds the requests, reads the answers, renews a rejected token.

Each call is a generator that yields the request and returns the `Answer`. What an API says of its failures is read by
the subclass that speaks it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from connectors.connector import Reply, Request, Step
from connectors.errors import ConnectorError, TargetRefused
from connectors.masking import mask_text
from connectors.scim_access import Access, Admission
from connectors.statuses import described

T = TypeVar("T")
Talk = Generator[Step, "Reply | None", T]


class Vanished(Exception):
    """The account or group that was to be changed is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, read: `data` is its JSON, None when there is none. `request` is what it answers."""

    request: Request
    reply: Reply
    data: Any

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.reply.status

    @property
    def good(self) -> bool:
        """Whether the target did as asked."""
        return 200 <= self.status < 300

    @property
    def resource(self) -> Mapping[str, Any]:
        """The JSON object in the answer; empty when it holds none."""
        return self.data if isinstance(self.data, Mapping) else {}

    def listed(self, name: str) -> list[Mapping[str, Any]]:
        """The objects in a list of the answer."""
        return mappings(self.resource.get(name))

    def masked(self, said: str) -> str | None:
        """What the target said, as it may be recorded: one line, no secret; None when it said nothing."""
        return mask_text(" ".join(said.split()), self.request.secrets)[:500] or None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestCalls(ABC):
    """The requests of one task. `admission` lets them in, `now` is the clock that Retry-After is read against."""

    admission: Admission
    now: datetime

    @abstractmethod
    def base(self) -> str:
        """The URL that paths are appended to; asked after admission, since a token may come with it."""

    @abstractmethod
    def judge(self, answer: Answer) -> None:
        """Raise what is the same whatever was asked: rejected credentials, throttling, an unavailable target."""

    @abstractmethod
    def error(self, answer: Answer) -> ConnectorError:
        """The error for an answer that is no success."""

    def agent(self) -> str:
        """Who asks, as the target's logs show it."""
        return "Sluice"

    def get(self, path: str, purpose: str) -> Talk[Answer]:
        """Read; safe to repeat."""
        return self.call("GET", path, purpose)

    def call(
        self, method: str, path: str, purpose: str, body: Mapping[str, Any] | None = None, secrets: tuple[str, ...] = ()
    ) -> Talk[Answer]:
        """Make a request; `secrets` are the ones in its body. Raises ConnectorError as `judge` says."""
        access = yield from self.admission.admit()
        request = Request(
            method=method,
            url=self.base() + path,
            headers=self._headers(access, has_body=body is not None),
            body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
            safe=method == "GET",
            purpose=purpose,
            secrets=(*access.secrets, *secrets),
            tls=access.tls,
        )
        reply = yield request
        assert reply is not None, "a request is answered with a reply"
        if reply.status == 401 and self.admission.renew():
            # A 401 was not acted upon: with another token the same request may be sent again.
            return (yield from self.call(method, path, purpose, body, secrets))
        answer = Answer(request, reply, _json(reply))
        self.judge(answer)
        if answer.good and _is_web_page(reply):
            # A sign-in page or a portal in between: nothing was confirmed.
            raise TargetRefused(
                f"{purpose}: the target answered {described(answer.status)} with a web page: is the URL right?",
                status=answer.status,
            )
        return answer

    def _headers(self, access: Access, *, has_body: bool) -> dict[str, str]:
        kind = {"Content-Type": "application/json; charset=utf-8"} if has_body else {}
        return {"Accept": "application/json", "User-Agent": self.agent(), **access.headers, **kind}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects in what should be a list of them."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.body) if reply.body and not reply.truncated else None
    except (ValueError, RecursionError):
        return None


def _is_web_page(reply: Reply) -> bool:
    return bool(reply.body) and reply.headers.get("content-type", "").lower().startswith("text/html")
