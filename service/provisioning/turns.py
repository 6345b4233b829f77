"""Whose turn it is in one worker: targets take turns, and none may hold up the others.

Pure memory, of this worker alone; what all workers must agree on is in `service.store.targets`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.store.targets import Turn

SLUGGISH = 2.0
"""Seconds without an answer after which a target may not take more than half of the threads."""


@dataclass(slots=True)
class _Flight:
    target: int
    since: float


class Turns:
    """Which target a free thread works for next. Thread-safe.

    A quarter of the threads is kept for targets that nothing is under way to, and a target that lately failed never
    takes the last one: a target that hangs or is dead slows nobody else.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._threads = threads
        self._reserve = max(1, threads // 4) if threads > 1 else 0
        self._clock = clock
        self._served: dict[int, int] = {}
        self._count = 0
        self._flights: dict[str, _Flight] = {}
        self._guard = threading.Lock()

    def in_order(self, found: Iterable[Turn]) -> list[Turn]:
        """Those that may be worked for now, the one that has waited longest for its turn first."""
        with self._guard:
            busy = Counter(flight.target for flight in self._flights.values())
            slow = self._sluggish()
            allowed = [turn for turn in found if turn.has_room and self._allows(turn, busy, slow)]
            return sorted(allowed, key=lambda turn: self._served.get(turn.target, 0))

    def _allows(self, turn: Turn, busy: Counter[int], slow: set[int]) -> bool:
        free = self._threads - len(self._flights)
        mine = busy[turn.target]
        if turn.ailing:
            return mine == 0 and free > self._reserve
        if mine == 0:
            return True
        most = self._threads // 2 if turn.target in slow else self._threads
        return mine < most and free > self._reserve

    def _sluggish(self) -> set[int]:
        long_ago = self._clock() - SLUGGISH
        return {flight.target for flight in self._flights.values() if flight.since < long_ago}

    def begin(self, lane_id: str, target: int) -> None:
        """A thread of the runner works on a lane of the target."""
        with self._guard:
            self._count += 1
            self._served[target] = self._count
            self._flights[lane_id] = _Flight(target, self._clock())

    def moved(self, lane_id: str) -> None:
        """The target answered, or something new is sent to it."""
        with self._guard:
            if lane_id in self._flights:
                self._flights[lane_id].since = self._clock()

    def end(self, lane_id: str) -> None:
        """The thread is free again."""
        with self._guard:
            self._flights.pop(lane_id, None)
