"""Somebody who cannot leave things alone: takes waiting deliveries back, or tries them at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import requests

from tests.support.service import Api

TRANSIENT = frozenset({502, 503, 504})


class Administrator(threading.Thread):
    """Steers deliveries that wait for their next attempt. `cancelled` are those whose cancelling was asked for."""

    def __init__(self, address: Callable[[], str], seed: str, *, every: float) -> None:
        super().__init__(name="administrator", daemon=True)
        self.cancelled: set[str] = set()
        self.complaints: list[str] = []
        self.hastened = 0
        self._address = address
        self._every = every
        self._source = random.Random(f"{seed}:administrator")
        self._ending = threading.Event()

    def run(self) -> None:
        """Look, steer, rest."""
        while not self._ending.wait(self._source.uniform(0, 2 * self._every)):
            waiting = self._call("GET", "/deliveries?state=retrying&limit=50")
            if waiting and waiting["items"]:
                self._steer(self._source.choice(waiting["items"])["id"])

    def finish(self) -> None:
        """Leave things alone."""
        self._ending.set()
        self.join()

    def _steer(self, delivery: str) -> None:
        if self._source.random() < 0.5:
            self.cancelled.add(delivery)
            self._call("POST", f"/deliveries/{delivery}/cancel")
        else:
            self.hastened += 1
            self._call("POST", f"/deliveries/{delivery}/retry")

    def _call(self, method: str, path: str) -> Any:
        """The answer's JSON; None when the service is away, or the delivery waits no more (409)."""
        api = Api(self._address())
        try:
            reply = api.call(method, path, timeout=20)
        except requests.RequestException:
            return None
        finally:
            api.session.close()
        if reply.ok:
            return reply.json()
        if reply.status_code != 409 and reply.status_code not in TRANSIENT:
            self.complaints.append(f"{method} {path}: {reply.status_code} {reply.text[:200]}")
        return None
