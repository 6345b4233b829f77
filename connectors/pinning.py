"""Connections that obey a guard: one deadline for everything, and only to addresses that were judged.

A name is resolved once and the connection goes to the very address that was judged, so a second answer of the name
server cannot lead elsewhere. The name stays in the URL: the Host header, the server name of TLS and the certificate's
host check are those of the name.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connectors.addresses import Network, refusal


class NoReply(Exception):
    """There is no answer to a request; the message says why, for people.

    `sent` is True when some of the request may have reached the target: then nobody knows whether it took effect.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.message = message
        self.sent = sent


class AddressRefused(NoReply):
    """The URL or the address behind it is not one that may be reached; nothing was sent, and nothing ever will be."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class Guard:
    """What the connections of one session obey during one call. Used by one thread at a time."""

    def __init__(self, allow: tuple[Network, ...]) -> None:
        self.allow = allow
        self.seconds = 0.0
        self.deadline = 0.0
        self.sent = False

    def begin(self, seconds: float) -> None:
        """Start a call that must be over, answer read, in so many seconds."""
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.sent = False

    def remaining(self) -> float:
        """Seconds left of the call. Raises TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no time left of {self.seconds:g} s")
        return left


class _TimedSocket:
    """A connected socket whose every wait ends at the guard's deadline, however slowly the peer drips."""

    def __init__(self, sock: socket.socket, guard: Guard) -> None:
        self._sock = sock
        self._guard = guard

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        self._guard.sent = True
        while view:
            self._sock.settimeout(self._guard.remaining())
            view = view[self._sock.send(view) :]

    def makefile(self, mode: str = "rb", *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        assert mode == "rb", "http.client reads bytes"
        return io.BufferedReader(_TimedReader(self._sock, self._guard))

    def settimeout(self, _value: float | None) -> None:
        """The deadline rules; urllib3 would set a time per wait."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, guard: Guard) -> None:
        self._raw = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._guard = guard

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._guard.remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PlainConnection(HTTPConnection):
    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return reach(self.host, self.port, self._guard)

    def connect(self) -> None:
        super().connect()
        self.sock = _TimedSocket(self.sock, self._guard)


class _TlsConnection(HTTPSConnection):
    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return reach(self.host, self.port, self._guard)

    def connect(self) -> None:
        super().connect()
        self.sock = _TimedSocket(self.sock, self._guard)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn_kw["guard"] = guard


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn_kw["guard"] = guard

    def _validate_conn(self, conn: Any) -> None:
        """Connect before the request is sent, without a warning: whoever switched verification off knows."""
        if conn.is_closed:
            conn.connect()


class GuardedAdapter(HTTPAdapter):
    """Gives `requests` connections that obey `guard`, with one TLS context for all of them."""

    def __init__(self, guard: Guard, context: ssl.SSLContext) -> None:
        self.guard = guard
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools whose connections know the guard."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_PlainPool, guard=self.guard),
            "https": partial(_TlsPool, guard=self.guard),
        }

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """The context made once replaces what requests would load anew for every connection."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Verification is the context's."""


def reach(host: str, port: int, guard: Guard) -> socket.socket:
    """A TCP connection to the first address of `host` that may be reached and answers.

    Raises AddressRefused when no address may be reached, NoReply (not sent) when none answers before the deadline.
    """
    addresses = _permitted(host, port, guard)
    problem: OSError | None = None
    for index, (family, address) in enumerate(addresses):
        try:
            return _connect(family, address, guard.remaining() / (len(addresses) - index))
        except OSError as error:
            problem = error
    where = f"`{host}` port {port}"
    if isinstance(problem, TimeoutError):
        raise NoReply(f"no connection to {where} within {guard.seconds:g} s", sent=False) from problem
    if isinstance(problem, ConnectionRefusedError):
        raise NoReply(f"connection refused by {where}", sent=False) from problem
    reason = problem.strerror if problem is not None else None
    raise NoReply(f"no connection to {where}: {(reason or str(problem)).lower()}", sent=False) from problem


def _connect(family: int, address: tuple[Any, ...], seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(seconds)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _permitted(host: str, port: int, guard: Guard) -> list[tuple[int, tuple[Any, ...]]]:
    """The addresses of a host that may be reached, as (family, socket address), in the resolver's order."""
    permitted, refused = [], []
    for family, address in _resolve(host.strip("[]"), port, guard):
        reason = refusal(address[0], guard.allow)
        if reason is None:
            permitted.append((family, address))
        else:
            refused.append(f"address {address[0]} is {reason}")
    if not permitted:
        raise AddressRefused(f"`{host}` may not be reached: {'; '.join(sorted(set(refused)))}")
    return permitted


def _resolve(host: str, port: int, guard: Guard) -> list[tuple[int, tuple[Any, ...]]]:
    """Resolve in a thread of its own: the system's resolver knows no deadline."""
    answer: dict[str, Any] = {}

    def ask() -> None:
        try:
            answer["found"] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that IDNA cannot encode
            answer["error"] = error

    thread = threading.Thread(target=ask, name="sluice-resolve", daemon=True)
    thread.start()
    thread.join(guard.remaining())
    if thread.is_alive():
        raise NoReply(f"name `{host}` was not resolved within {guard.seconds:g} s", sent=False)
    if "error" in answer:
        raise NoReply(f"name `{host}` was not found", sent=False) from answer["error"]
    return [(family, address) for family, _, _, _, address in answer["found"]]


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names in lower case, as a `Reply` has them."""
    return {name.lower(): value for name, value in headers.items()}
