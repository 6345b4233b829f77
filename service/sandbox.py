"""The sandbox target: an independent SCIM 2.0 server (the `scim2-server` package) that notes what reaches it."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

MISSING = "the sandbox target needs the package `scim2-server`: install `sluice[quickstart]`"

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class SandboxError(Exception):
    """The sandbox target cannot be started."""


@dataclass(slots=True)
class Sandbox:
    """A running SCIM server on loopback. `arrived` are the requests it received: method, path, body."""

    token: str
    base: str = ""
    arrived: list[tuple[str, str, bytes]] = field(default_factory=list)
    _server: WSGIServer | None = None

    def start(self, port: int = 0) -> None:
        """Listen on a port of 127.0.0.1 (0: a free one). Raises `SandboxError`, `OSError`."""
        application = self._noting(_application(self.token))
        self._server = make_server("127.0.0.1", port, application, server_class=_Server, handler_class=_Quiet)
        self.base = f"http://127.0.0.1:{self._server.server_port}/v2"
        threading.Thread(target=self._server.serve_forever, name="sandbox", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def heard_of(self, name: str) -> bool:
        """Whether any request mentioned the name."""
        return any(name.encode() in body or name in path for _, path, body in self.arrived)

    def _noting(self, application: Wsgi) -> Wsgi:
        def noting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            path = f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
            self.arrived.append((environ["REQUEST_METHOD"], path, body))
            return application(environ, start_response)

        return noting


def new_sandbox() -> Sandbox:
    """A sandbox with a token of its own."""
    return Sandbox(token=secrets.token_urlsafe(24))


def _application(token: str) -> Wsgi:
    try:
        from scim2_models import ScimProvider
        from scim2_server.memory import InMemoryStorage
        from scim2_server.service import ScimService
        from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
        from scim2_server.utils import (
            load_default_resource_types,
            load_default_schemas,
            load_default_service_provider_config,
        )
    except ImportError as error:
        raise SandboxError(MISSING) from error
    config = load_default_service_provider_config()
    config.authentication_schemes = [*(config.authentication_schemes or []), BEARER_TOKEN_SCHEME]
    provider = ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config=config
    )
    service = ScimService(provider, secret=secrets.token_urlsafe(16))
    application: Wsgi = BearerTokenApplication(InMemoryStorage(), provider, service=service, bearer_tokens=[token])
    return application


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Keep the terminal for what the user asked for."""
