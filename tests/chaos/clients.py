"""Clients of the service: each sends its operations in turn, and each again until it knows that it was taken."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.chaos.people import Household, Operation
from tests.support.service import ADMIN_TOKEN

PATIENCE = 180.0
"""Seconds for which a client tries again while the service is away."""

KEPT = 200


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """An operation that the service has taken. `order` is its place among all of its client."""

    operation: Operation
    request_id: str
    entity_id: str
    shared: bool
    order: int


@dataclass
class Ledger:
    """What all clients were told. Thread-safe as lists are."""

    accepted: list[Accepted] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    sent: int = 0
    sent_again: int = 0


class Client(threading.Thread):
    """Sends `count` operations of a household to whichever of the service's processes answers."""

    def __init__(
        self,
        household: Household,
        ledger: Ledger,
        count: int,
        *,
        seed: str,
        addresses: Callable[[], Iterable[str]],
        pace: float,
    ) -> None:
        super().__init__(name=f"client-{household.names}", daemon=True)
        self._household = household
        self._ledger = ledger
        self._count = count
        self._seed = seed
        self._addresses = addresses
        self._pace = pace
        self._source = random.Random(f"{seed}:{household.names}:client")
        self._session = requests.Session()
        self._session.trust_env = False

    def run(self) -> None:
        """Think, send, note; a complaint of the service ends nothing but that operation."""
        try:
            for order in range(self._count):
                self._one(self._household.think(), order)
                time.sleep(self._source.random() * self._pace)
        except Exception as error:  # noqa: BLE001 - a client that dies silently would prove less than it seems
            self._ledger.complaints.append(f"{self.name} ended: {error!r}")

    def _one(self, operation: Operation, order: int) -> None:
        taken = self._send(operation)
        if taken is None:
            return
        if self._source.random() < 0.05:
            again = self._send(operation)
            if again is not None and again["id"] != taken["id"]:
                self._ledger.complaints.append(f"operation {operation.number} was accepted twice")
        shared = operation.entity in self._household.shared
        entity_id = taken["entity"]["id"]
        if not shared:
            self._household.accepted(operation, entity_id)
        self._ledger.accepted.append(
            Accepted(operation=operation, request_id=taken["id"], entity_id=entity_id, shared=shared, order=order)
        )

    def _send(self, operation: Operation) -> dict[str, Any] | None:
        """The request as the service has taken it; None (and a complaint) when it was refused."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self._ledger.sent += 1
            reply = self._post(operation)
            if reply is not None and reply.status_code in {200, 202}:
                return reply.json()  # type: ignore[no-any-return]
            if reply is not None and not _may_succeed_later(reply):
                self._complain(operation, reply)
                return None
            if reply is not None and reply.status_code == 500:
                self._complain(operation, reply)
            self._ledger.sent_again += 1
            time.sleep(0.1 + self._source.random() * 0.2)
        self._ledger.complaints.append(f"operation {operation.number} was not accepted within {PATIENCE:.0f} s")
        return None

    def _post(self, operation: Operation) -> requests.Response | None:
        """One try; None when no answer came, or not a whole one."""
        base = self._source.choice(list(self._addresses()))
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Idempotency-Key": f"{self._seed}-{operation.number}"}
        url = f"{base}/api/v1/provisioning-requests"
        try:
            return self._session.post(url, json=operation.body, headers=headers, timeout=20)
        except requests.RequestException:
            return None

    def _complain(self, operation: Operation, reply: requests.Response) -> None:
        said = f"operation {operation.number} ({operation.what}): {reply.status_code} {reply.text[:KEPT]}"
        self._ledger.complaints.append(said)


def _may_succeed_later(reply: requests.Response) -> bool:
    """The service is not able now, or the first try of the same key is still being worked at."""
    in_progress = reply.status_code == 409 and "Idempotency-Key" in reply.text
    return reply.status_code >= 500 or in_progress
