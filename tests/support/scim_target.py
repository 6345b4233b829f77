"""A real SCIM 2.0 server (the independent scim2-server package) on a loopback port, with what arrived recorded."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

TOKEN = "a-bearer-token-of-the-test-target"


@dataclass(frozen=True)
class Arrived:
    """One request as the server received it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScimTarget:
    """The running server. `arrived` are all requests so far; `answer_with` makes it misbehave."""

    base: str
    storage: InMemoryStorage
    arrived: list[Arrived] = field(default_factory=list)
    #: Statuses to answer the next requests with, instead of serving them.
    answer_with: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    token: str = TOKEN
    #: Further settings of the connector.
    more: dict[str, str] = field(default_factory=dict)

    @property
    def users_url(self) -> str:
        return f"{self.base}/Users"

    @property
    def groups_url(self) -> str:
        return f"{self.base}/Groups"

    @property
    def properties(self) -> dict[str, str]:
        """The settings of a `scim2` connector that points here."""
        return {
            "scim2-authentication-mode": "bearer",
            "scim2-access-token": self.token,
            "scim2-user-ep": self.users_url,
            "scim2-group-ep": self.groups_url,
            **self.more,
        }

    @property
    def calls(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.arrived]

    def resources(self, kind: str) -> list[dict[str, Any]]:
        """What the server holds now, `User` or `Group`, read from its storage."""
        dumped = [one.model_dump() for one in self.storage.resources]
        return [one for one in dumped if (one.get("meta") or {}).get("resourceType") == kind]

    @property
    def users(self) -> list[dict[str, Any]]:
        return self.resources("User")

    @property
    def groups(self) -> list[dict[str, Any]]:
        return self.resources("Group")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def scim_target() -> Iterator[ScimTarget]:
    """Start the server on a free port of 127.0.0.1, stop it at the end."""
    config = load_default_service_provider_config()
    config.authentication_schemes = [*(config.authentication_schemes or []), BEARER_TOKEN_SCHEME]
    provider = ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config=config
    )
    storage = InMemoryStorage()
    application = BearerTokenApplication(
        storage, provider, service=ScimService(provider, secret="cursors of the test target"), bearer_tokens=[TOKEN]
    )
    target = ScimTarget("", storage)
    with make_server(
        "127.0.0.1", 0, _recording(application, target), server_class=_Server, handler_class=_Quiet
    ) as server:
        target.base = f"http://127.0.0.1:{server.server_port}/v2"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield target
        finally:
            server.shutdown()
            thread.join()


def _recording(application: Any, target: ScimTarget) -> Any:
    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        query = environ.get("QUERY_STRING", "")
        target.arrived.append(Arrived(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, headers, body))
        if target.answer_with:
            status, extra = target.answer_with.pop(0)
            start_response(f"{status} Set By The Test", list(extra.items()))
            return [b""]
        served: Iterable[bytes] = application(environ, start_response)
        return served

    return wrapped
