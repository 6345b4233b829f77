"""A TCP server on loopback that answers each request as a test says, byte by byte if need be."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: Is handed the connection and the request's bytes, and answers; False closes the connection.
Script = Callable[[socket.socket, bytes], bool]


@dataclass
class RawServer:
    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    client_certificates: list[object] = field(default_factory=list)
    open_sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def header(self, name: str, index: int = -1) -> str | None:
        """A header of a request that arrived, None when it has none."""
        lines = self.requests[index].partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        found = [line.partition(":")[2].strip() for line in lines if line.lower().startswith(name.lower() + ":")]
        return found[0] if found else None


def answering(answer: bytes) -> Script:
    """A script that sends the same answer to each request and keeps the connection."""

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(answer)
        return True

    return script


def http_answer(status: int = 200, body: bytes = b"", *headers: str) -> bytes:
    """The bytes of an answer with its length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def raw_server(script: Script, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve on a free port of 127.0.0.1, with TLS when a context is given."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listener.getsockname()[1])
    threads: list[threading.Thread] = []
    if context is not None:
        context.sni_callback = lambda _socket, name, _context: server.server_names.append(name)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                server.connections += 1
                server.open_sockets.append(connection)
                thread = threading.Thread(target=_serve, args=(connection, script, server, context), daemon=True)
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in server.open_sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [accepting, *threads]:
            thread.join(5)


def _serve(connection: socket.socket, script: Script, server: RawServer, context: ssl.SSLContext | None) -> None:
    with connection, suppress(OSError):
        if context is None:
            _answer_all(connection, script, server)
            return
        with context.wrap_socket(connection, server_side=True) as encrypted:
            server.open_sockets.append(encrypted)
            server.client_certificates.append(encrypted.getpeercert())
            _answer_all(encrypted, script, server)


def _answer_all(connection: socket.socket, script: Script, server: RawServer) -> None:
    while request := _read_request(connection):
        server.requests.append(request)
        if not script(connection, request):
            return


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return b""
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
