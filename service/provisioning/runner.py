"""Runners drain lanes, one in each of their threads, for as long as something is due.

`ring` wakes one, here or, over the database, in another process; what is due later it finds by itself. A heartbeat
renews the leases of all lanes under way, so that a slow target does not cost the lane, and frees those of the dead.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog

from service.provisioning.context import Context
from service.provisioning.courier import LEASE
from service.provisioning.lanes import EMBEDDED, Lanes
from service.store import leases, targets
from service.store.announcements import Listener
from service.store.database import Deadlock

log = structlog.get_logger(__name__)

LONGEST_NAP = timedelta(seconds=1)
ROOM_NAP = 0.1
"""Seconds between looks for room at a target."""
HEARTBEAT = LEASE / 3


class Runner:
    """Threads that drain lanes, in the service's process or in a worker's."""

    def __init__(self, context: Context, lanes: Lanes, count: int) -> None:
        self._context = context
        self._lanes = lanes
        self._bell = threading.Condition()
        self._rung = 0
        self._stopping = threading.Event()
        names = [f"runner-{n + 1}" for n in range(count)]
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for name in names]
        self._heart = threading.Thread(target=self._beat, name="lease-heartbeat", daemon=True)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Take over what a predecessor in this place left, and begin."""
        if self._context.database.is_sqlite:
            # One process at a time has this database: whoever held a lease is gone. Elsewhere leases run out.
            with self._context.database.transaction() as tx:
                taken = leases.take_over(tx, EMBEDDED)
            log.info("began to deliver", taken_over=taken)
        else:
            self._listener = Listener(self._context.database, self.ring)
            self._listener.start()
        for thread in (*self._threads, self._heart):
            thread.start()

    def ring(self, lane_id: str | None = None) -> None:  # noqa: ARG002 - the seam that a broker will need
        """Something is due: in that lane, or anywhere."""
        with self._bell:
            self._rung += 1
            self._bell.notify()

    def stop(self, timeout: timedelta = timedelta(seconds=30)) -> None:
        """Finish the attempts under way, hand the lanes back and end."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.stop()
        with self._bell:
            self._bell.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout.total_seconds())
        self._lanes.await_all(timeout)

    def _run(self) -> None:
        heard = -1
        while not self._stopping.is_set():
            with self._bell:
                ringing, heard = self._rung != heard, self._rung
            if not self._work() and not ringing:
                self._nap(heard)

    def _work(self) -> bool:
        """Drain one lane, if one is due. A fault here must not end the thread: the lane is tried again."""
        structlog.contextvars.clear_contextvars()
        try:
            departed = self._lanes.depart_next()
            if departed is None:
                return False
            self._lanes.drain(departed, self._stopping.is_set)
        except Deadlock:
            log.warning("collided with another worker: the lane is tried again")
        except Exception:  # whatever it is, the other lanes must go on being delivered
            log.exception("runner stumbled")
            self._stopping.wait(1)
        return True

    def _nap(self, heard: int) -> None:
        with self._bell:
            if self._rung == heard and not self._stopping.is_set():
                self._bell.wait(self._seconds_to_next())

    def _seconds_to_next(self) -> float:
        with self._context.database.read() as tx:
            due: datetime | None = targets.next_turn(tx)
        wait = LONGEST_NAP if due is None else min(LONGEST_NAP, due - self._context.clock())
        # What is due already waits for room at its target, which another worker may make.
        return wait.total_seconds() if wait > timedelta(0) else ROOM_NAP

    def _beat(self) -> None:
        while not self._stopping.wait(HEARTBEAT.total_seconds()):
            try:
                self._lanes.renew()
                self._lanes.end_expired()
            except Exception:  # the database may be back at the next beat; a lease that ran out is found by its fence
                log.exception("leases could not be renewed")
