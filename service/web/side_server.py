"""Serves a small WSGI application from a process whose work is another: a thread for each connection, one call each."""

from __future__ import annotations

import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

import structlog

log = structlog.get_logger(__name__)

Address = tuple[str, int]
"""Host and port."""

PATIENCE = 10.0
"""Seconds in which a caller has to say what it wants."""


class AddressTaken(Exception):
    """Nothing can be served at the address; the message says which, and why."""


class SideServer:
    """An application at an address, from `start` to `stop`."""

    def __init__(self, application: WSGIApplication, address: Address) -> None:
        """Raises `AddressTaken`."""
        try:
            self._server = _server(address)
        except OSError as error:
            raise AddressTaken(f"cannot listen at {address[0]}:{address[1]}: {error.strerror or error}") from error
        self._server.set_app(application)
        self._thread = threading.Thread(target=self._server.serve_forever, name="side-server", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End; calls that are being answered are given up."""
        self._server.shutdown()
        self._server.server_close()


def _server(address: Address) -> _Server:
    family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
    return type("_Server", (_Server,), {"address_family": family})(address, _Handler)  # type: ignore[no-any-return]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's form
        """A caller that went away, or said nothing, is no concern of ours; anything else is."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a call could not be answered", client=str(client_address), exc_info=error)


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's form
        """Who is asked every few seconds does not write it down."""
