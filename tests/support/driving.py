"""Drives a connector's generator without a network: feeds replies, keeps what it yields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.connector import Exchanges, Probe, Progress, Remember, Reply, Request


@dataclass
class Driven:
    """What a generator yielded and returned."""

    requests: list[Request] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    remembered: list[Remember] = field(default_factory=list)
    result: Any = None

    def body(self, index: int) -> Any:
        """The JSON body of a request."""
        return json.loads(self.requests[index].body or b"null")

    @property
    def calls(self) -> list[str]:
        """Method and URL of every request."""
        return [f"{request.method} {request.url}" for request in self.requests]


def run(
    exchanges: Exchanges | Probe,
    answer: Callable[[Request], Reply] | Iterable[Reply],
    driven: Driven | None = None,
) -> Driven:
    """Run a generator to its end; `answer` is called per request, or holds the replies in order.

    A `driven` that is handed in is filled as it goes, for a generator that is expected to raise.
    """
    driven = driven or Driven()
    reply_to = answer if callable(answer) else _in_order(answer)
    sent: Reply | None = None
    try:
        while True:
            step = exchanges.send(sent)
            sent = None
            if isinstance(step, Request):
                driven.requests.append(step)
                sent = reply_to(step)
            elif isinstance(step, Progress):
                driven.progress.append(step)
            else:
                driven.remembered.append(step)
    except StopIteration as stop:
        driven.result = stop.value
    return driven


def drive(exchanges: Exchanges | Probe, replies: Iterable[Reply]) -> tuple[list[Request], Any]:
    """The requests that a generator makes when it is given these replies, and what it returns."""
    driven = run(exchanges, replies)
    return driven.requests, driven.result


def reply(status: int, body: Any = None, /, **headers: str) -> Reply:
    """A reply with a JSON body (bytes and text are taken as they are); `content_type="…"` sets a header."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    if body is None:
        return Reply(status, named, b"")
    if isinstance(body, Mapping | list):
        named.setdefault("content-type", "application/scim+json")
        return Reply(status, named, json.dumps(body).encode())
    return Reply(status, named, body.encode() if isinstance(body, str) else body)


def listed(*resources: Mapping[str, Any]) -> Reply:
    """A SCIM list response."""
    schema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
    return reply(200, {"schemas": [schema], "totalResults": len(resources), "Resources": list(resources)})


def scim_error(status: int, detail: str = "", scim_type: str = "") -> Reply:
    """A SCIM error message."""
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": detail}
    return reply(status, body | ({"scimType": scim_type} if scim_type else {}))


def _in_order(replies: Iterable[Reply]) -> Callable[[Request], Reply]:
    pending = iter(replies)

    def next_reply(request: Request) -> Reply:
        try:
            return next(pending)
        except StopIteration:
            raise AssertionError(f"no reply is left for {request.method} {request.url}") from None

    return next_reply
