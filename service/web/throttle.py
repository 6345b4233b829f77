"""Slows down who guesses passwords: failures are counted per key in a sliding window, in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

MOST_KEYS = 10_000
"""Beyond this the longest untouched keys are forgotten, so that invented names cannot fill the memory."""


class Throttle:
    """At most `limit` failures of a key within `window`. Thread-safe."""

    def __init__(self, limit: int, window: timedelta, clock: Callable[[], datetime]) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str) -> timedelta | None:
        """How long the key must wait before it may try again; None: not at all."""
        with self._lock:
            failures = self._recent(key)
            if failures is None or len(failures) < self._limit:
                return None
            return failures[-self._limit] + self._window - self._clock()

    def failed(self, key: str) -> None:
        """Count a failure."""
        with self._lock:
            failures = self._recent(key)
            if failures is None:
                failures = self._failures[key] = deque(maxlen=self._limit)
            failures.append(self._clock())
            self._failures.move_to_end(key)
            while len(self._failures) > MOST_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the key's failures."""
        with self._lock:
            self._failures.pop(key, None)

    def _recent(self, key: str) -> deque[datetime] | None:
        failures = self._failures.get(key)
        if failures is None:
            return None
        oldest = self._clock() - self._window
        while failures and failures[0] <= oldest:
            failures.popleft()
        if not failures:
            del self._failures[key]
            return None
        return failures
