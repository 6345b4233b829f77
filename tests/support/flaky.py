"""A proxy before a target that loses answers, keeps callers waiting, answers for it, or is not there at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.support.scim_target import ScimTarget

What = Literal["apply-and-drop", "apply-and-hold", "hold", "drop", "answer", "delay"]


@dataclass
class Fault:
    """What happens to one request.

    `apply-and-drop` and `apply-and-hold`: the target does it, the caller hears nothing, the connection is closed or
    stays open. `hold` and `drop`: the target hears nothing either. `answer`: `status` instead of the target's.
    `delay`: the target's own answer, `seconds` later. `method` None: whatever comes next; `lasting`: not only once.
    """

    what: What
    method: str | None = None
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    lasting: bool = False


@dataclass
class Asked:
    """A request as the proxy received it."""

    method: str
    path: str
    body: bytes


class FlakyTarget:
    """The proxy on a port of its own, before a SCIM target."""

    def __init__(self, target: ScimTarget) -> None:
        self.target = target
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.idle: set[socket.socket] = set()
        self.released = threading.Event()
        self.waiting = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def base(self) -> str:
        """The target's base address, through the proxy."""
        return f"http://127.0.0.1:{self.port}{urlsplit(self.target.base).path}"

    @property
    def properties(self) -> dict[str, str]:
        """The settings of a `scim2` connector that points here."""
        return self.target.properties | {
            "scim2-user-ep": f"{self.base}/Users",
            "scim2-group-ep": f"{self.base}/Groups",
        }

    def next(self, what: What, **how: Any) -> None:
        """Add a fault; the first one that fits a request is taken."""
        self.faults.append(Fault(what, **how))

    def methods(self, about: str | None = None) -> list[str]:
        """The methods of the requests so far, in order; those that mention a text in their path or body."""
        with self._lock:
            return [one.method for one in self.asked if about is None or about.encode() in one.path.encode() + one.body]

    def up(self) -> None:
        """Listen, again on the same port if it did before."""
        handler = type("Bound", (_Handler,), {"flaky": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def down(self) -> None:
        """Refuse connections, and close those that callers keep open between two requests."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            assert self._thread is not None
            self._thread.join()
        for connection in tuple(self.idle):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def take(self, asked: Asked) -> Fault | None:
        """Note a request and take the fault that is meant for it."""
        with self._lock:
            self.asked.append(asked)
            fault = next((one for one in self.faults if one.method in {None, asked.method}), None)
            if fault is not None and not fault.lasting:
                self.faults.remove(fault)
            return fault

    def let_go(self) -> None:
        """Close the connections that are held, and hold none any more."""
        self.faults.clear()
        self.released.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def handle_error(self, *_args: Any) -> None:
        """A caller that was killed is part of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment: two would wait for each other (Nagle and delayed ACK, 40 ms)
    flaky: FlakyTarget

    def handle_one_request(self) -> None:
        self.flaky.idle.add(self.connection)
        if self.flaky._server is None:
            self.close_connection = True
            return
        try:
            super().handle_one_request()
        finally:
            self.flaky.idle.discard(self.connection)

    def _serve(self) -> None:
        self.flaky.idle.discard(self.connection)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        fault = self.flaky.take(Asked(self.command, self.path, body))
        what = fault.what if fault is not None else None
        if fault is not None and what == "answer":
            self._answer(fault.status, fault.headers, b"")
            return
        answer = None if what in {"hold", "drop"} else self._forwarded(body)
        if what in {"hold", "apply-and-hold"}:
            self.flaky.waiting.release()
            self.flaky.released.wait(120)
        if what in {"hold", "drop", "apply-and-hold", "apply-and-drop"} or answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault is not None and what == "delay":
            self.flaky.released.wait(fault.seconds)
        self._answer(*answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names http.server calls

    def _forwarded(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        connection = HTTPConnection(urlsplit(self.flaky.target.base).netloc, timeout=30)
        try:
            kept = {k: v for k, v in self.headers.items() if k.lower() not in {"connection", "content-length"}}
            connection.request(self.command, self.path, body or None, kept)
            reply = connection.getresponse()
            dropped = {"connection", "content-length", "transfer-encoding", "date", "server"}
            headers = {k: v for k, v in reply.getheaders() if k.lower() not in dropped}
            return reply.status, headers, reply.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


@contextmanager
def flaky_target(target: ScimTarget) -> Iterator[FlakyTarget]:
    """The proxy before a running SCIM target, up."""
    flaky = FlakyTarget(target)
    flaky.up()
    try:
        yield flaky
    finally:
        flaky.let_go()
        flaky.down()
