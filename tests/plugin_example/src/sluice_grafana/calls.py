"""The requests that Grafana is sent, and what its answers mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from connectors.connector import Reply, Request, Settings, Step
from connectors.errors import ConnectorError, TargetRefused
from connectors.statuses import status_error

T = TypeVar("T")
Talk = Generator[Step, "Reply | None", T]


@dataclass(frozen=True, slots=True)
class Calls:
    """One task's conversation; `now` is what a Retry-After date is read against."""

    settings: Settings
    now: datetime

    def call(
        self,
        method: str,
        path: str,
        purpose: str,
        body: Mapping[str, Any] | None = None,
        *,
        password: str | None = None,
    ) -> Talk[Reply]:
        """Send one request; `password` is the one in its body."""
        secret = self.settings.get("grafana-password")
        pair = f"{self.settings.get('grafana-username')}:{secret}".encode()
        credentials = base64.b64encode(pair).decode()
        reply = yield Request(
            method=method,
            url=self.settings.get("grafana-url").rstrip("/") + path,
            headers={
                "Authorization": f"Basic {credentials}",
                "Accept": "application/json",
                **({"Content-Type": "application/json"} if body is not None else {}),
            },
            body=None if body is None else json.dumps(body).encode(),
            safe=method == "GET",
            purpose=purpose,
            secrets=(secret, credentials, *((password,) if password else ())),
        )
        assert reply is not None, "a request is answered with a reply"
        return reply

    def must(
        self,
        method: str,
        path: str,
        purpose: str,
        body: Mapping[str, Any] | None = None,
        *,
        password: str | None = None,
    ) -> Talk[Any]:
        """Send one request that has to succeed; answers its JSON. Raises ConnectorError."""
        reply = yield from self.call(method, path, purpose, body, password=password)
        return self.good(reply, purpose)

    def find(self, method: str, path: str, purpose: str) -> Talk[Any]:
        """Read or delete what may be gone: answers its JSON, None for a 404. Raises ConnectorError."""
        reply = yield from self.call(method, path, purpose)
        return None if reply.status == 404 else self.good(reply, purpose)

    def good(self, reply: Reply, purpose: str) -> Any:
        """The JSON of a success. Raises ConnectorError for any other answer."""
        if not 200 <= reply.status < 300:
            raise self.error(reply, purpose)
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError) as error:  # the latter for what is nested too deeply
            raise TargetRefused(f"{purpose}: the answer is no JSON: is the URL right?", status=reply.status) from error

    def error(self, reply: Reply, purpose: str) -> ConnectorError:
        """What an answer that is no success means."""
        return status_error(reply, now=self.now, doing=purpose)


def identifier_in(answer: Any, key: str, purpose: str) -> str:
    """The number in an answer, as text. Raises TargetRefused when there is none: then nothing was confirmed."""
    found = answer.get(key) if isinstance(answer, Mapping) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise TargetRefused(f"{purpose}: the answer holds no `{key}`: is the URL right?")
    return str(found)
