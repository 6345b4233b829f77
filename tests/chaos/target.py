"""A misbehaving SCIM target in a process of its own, so that it survives whoever is killed: `with target(...) as url`.

    python -m tests.chaos.target --seed SEED [--lax]

prints its port. A change is made only while its caller is still there: whatever a dead caller had sent would otherwise
overtake its successor inside the target, which no sender could help.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from connectors.connector import Reply, Request
from tests.chaos.accounts import TOKEN, Accounts, Entry
from tests.chaos.faults import WELL, Fault, fate

ROOT = Path(__file__).parents[2]
LONGEST_HANG = 60.0


class Server(ThreadingHTTPServer):
    """The accounts on a loopback port. `stormy` until it is told to be calm."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 200

    def __init__(self, accounts: Accounts, seed: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accounts = accounts
        self.seed = seed
        self.calm = threading.Event()
        self.calm.set()
        self._count = 0

    def fault(self, method: str) -> Fault:
        """What happens to the next request."""
        with self.accounts.guard:
            self._count += 1
            number = self._count
        return WELL if self.calm.is_set() else fate(self.seed, number, safe=method == "GET")

    def handle_error(self, *_args: Any) -> None:
        """A caller that was killed is part of the storm."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.path.startswith("/control/"):
            self._answer(200, {}, json.dumps(self._control(body)).encode())
            return
        fault = self.server.fault(self.command)
        entry = self.server.accounts.receive(self.command, self.path, body, fault.name)
        self._wait(fault.before)
        reply = self._apply(entry, body) if fault.applies else None
        self._wait(fault.after)
        self._tell(fault, reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names http.server calls

    def _control(self, body: bytes) -> Any:
        server = self.server
        match self.path.removeprefix("/control/"):
            case "storm":
                server.calm.clear()
            case "calm":
                server.calm.set()
            case "accounts":
                server.accounts.put_there(json.loads(body))
            case "everything":
                return server.accounts.as_json()
        return {}

    def _apply(self, entry: Entry, body: bytes) -> Reply | None:
        """Change the accounts, unless the caller has gone meanwhile."""
        request = Request(
            method=self.command,
            url=f"http://target{self.path}",
            headers=dict(self.headers),
            body=body or None,
            safe=False,
            purpose="as received",
        )
        with self.server.accounts.guard:
            if self._gone():
                entry.fault = f"{entry.fault}; the caller is gone"
                return None
            return self.server.accounts.apply(entry, request)

    def _tell(self, fault: Fault, reply: Reply | None) -> None:
        if fault.answer == "hang":
            self._wait(LONGEST_HANG, unless_calm=True)
        if fault.answer == "status":
            self._answer(fault.status, fault.headers(), b"")
        elif reply is not None and fault.answer == "own":
            self._answer(reply.status, reply.headers, reply.body)
        else:
            if reply is not None and fault.answer == "half":
                self.wfile.write(_answer(reply.status, reply.headers, reply.body or b"{ }")[:-2])
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _wait(self, seconds: float, *, unless_calm: bool = False) -> None:
        """Let time pass, until the caller has gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._gone() and not (unless_calm and self.server.calm.is_set()):
            time.sleep(min(0.05, max(0.0, end - time.monotonic())))

    def _gone(self) -> bool:
        """Whether the caller has closed the connection: it sends nothing before it has an answer."""
        try:
            readable = select.select([self.connection], [], [], 0)[0]
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.wfile.write(_answer(status, headers, body))

    def log_message(self, *_words: Any) -> None:
        pass


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """In one piece: a head that leaves alone waits for its acknowledgement."""
    lines = [f"HTTP/1.1 {status} As Drawn", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


@dataclass(frozen=True)
class Target:
    """A running target, for the storm's driver."""

    name: str
    base: str
    lax: bool

    @property
    def properties(self) -> dict[str, str]:
        """The settings of a `scim2` connector that points here."""
        return {
            "scim2-authentication-mode": "bearer",
            "scim2-access-token": TOKEN,
            "scim2-user-ep": f"{self.base}/scim/Users",
            "scim2-group-ep": f"{self.base}/scim/Groups",
        }

    def tell(self, what: str, body: Any = None) -> Any:
        """`storm`, `calm`, `accounts` (a resource that somebody else made), `everything`."""
        reply = requests.post(f"{self.base}/control/{what}", json=body, timeout=60)
        reply.raise_for_status()
        return reply.json()


@contextmanager
def target(name: str, seed: str, *, lax: bool = False) -> Iterator[Target]:
    """A target in a process of its own, calm at first; gone with the block."""
    command = [sys.executable, "-m", "tests.chaos.target", "--seed", seed, *(["--lax"] if lax else [])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield Target(name, f"http://127.0.0.1:{port}", lax)
        finally:
            process.terminate()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description="a misbehaving SCIM target")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--lax", action="store_true", help="two accounts may have the same name")
    options = parser.parse_args()
    server = Server(Accounts(lax=options.lax), options.seed)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
