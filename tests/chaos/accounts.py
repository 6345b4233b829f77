"""What a target of the storm keeps: its accounts, and a journal of all that it received and did, in order."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors.connector import Reply, Request
from tests.support.simulated_target import SimulatedTarget

TOKEN = "token-of-the-simulation"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request as the target received it.

    `applied` is its place among all changes, None when it changed nothing; `identifier` is the resource's id. `status`
    is what the target itself made of it, whatever the caller was told; `fault` is what came between. Times are seconds
    of the machine's clock.
    """

    number: int
    method: str
    path: str
    query: str
    body: Any
    fault: str
    received_at: float
    applied: int | None = None
    status: int | None = None
    identifier: str | None = None


class Accounts(SimulatedTarget):
    """A SCIM target that remembers. A `lax` one lets two accounts have the same name, as some real ones do."""

    def __init__(self, *, lax: bool) -> None:
        super().__init__()
        self.lax = lax
        self.journal: list[Entry] = []
        self.guard = threading.Lock()
        self._changes = 0

    def receive(self, method: str, target: str, body: bytes, fault: str) -> Entry:
        """Note a request before anything comes of it."""
        parts = urlsplit(target)
        entry = Entry(
            number=0,
            method=method,
            path=parts.path,
            query=parts.query,
            body=json.loads(body) if body else None,
            fault=fault,
            received_at=time.time(),
        )
        with self.guard:
            entry.number = len(self.journal)
            self.journal.append(entry)
        return entry

    def apply(self, entry: Entry, request: Request) -> Reply:
        """Do what is asked; the caller holds `guard`, so that the journal's order is the order of the changes."""
        reply = self(request)
        self.requests.clear()
        entry.status = reply.status
        if entry.method in UNSAFE and reply.status < 300:
            self._changes += 1
            entry.applied = self._changes
            entry.identifier = _identifier(entry, reply)
            self._forget_members()
        return reply

    def _forget_members(self) -> None:
        """Who is gone is in no group, also when its group was told of it a moment ago."""
        for resource in self.stored.values():
            if resource.get("members"):
                resource["members"] = [one for one in resource["members"] if one["value"] in self.stored]

    def _unique(self, kind: str, resource: dict[str, Any], but: str | None) -> None:
        if not self.lax:
            super()._unique(kind, resource, but)

    def put_there(self, resource: dict[str, Any]) -> None:
        """An account that somebody else made before the storm."""
        kind, *_ = resource["schemas"]
        with self.guard:
            self.counter += 1
            self._store(kind, f"foreign-{self.counter}", {k: v for k, v in resource.items() if k != "schemas"})

    def as_json(self) -> dict[str, Any]:
        """Accounts and journal, for the checks."""
        with self.guard:
            return {"resources": list(self.stored.values()), "journal": [asdict(entry) for entry in self.journal]}


def _identifier(entry: Entry, reply: Reply) -> str:
    if entry.method == "POST":
        return str(json.loads(reply.body)["id"])
    return unquote(entry.path.rpartition("/")[2])
