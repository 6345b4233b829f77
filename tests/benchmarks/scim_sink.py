"""A SCIM target that costs next to nothing, in a process of its own: `with sink(delay) as url`.

It takes every create and answers 201 with a new id, after a delay in seconds. It keeps no state and checks nothing, so
that what is measured against it is the sender.
"""

import asyncio
import json
import multiprocessing
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Sink(asyncio.Protocol):
    """Answers one connection's requests in turn."""

    numbers = count(1)
    delay = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come whole."""
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self.read, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.read) < whole:
                return
            body, self.read = self.read[end + 4 : whole], self.read[whole:]
            asyncio.get_running_loop().call_later(self.delay, self.answer, body)

    def answer(self, body: bytes) -> None:
        """201 with the resource as it came, and an id."""
        kept = json.dumps(json.loads(body or b"{}") | {"id": f"account-{next(self.numbers)}"}).encode()
        head = f"HTTP/1.1 201 Created\r\nContent-Type: application/scim+json\r\nContent-Length: {len(kept)}\r\n\r\n"
        self.transport.write(head.encode() + kept)


@contextmanager
def sink(delay: float = 0.0) -> Iterator[str]:
    """The base URL of a running sink, which ends with the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, delay), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join(10)


def _serve(tell: Connection, delay: float) -> None:
    async def serve() -> None:
        Sink.delay = delay
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
