"""Runners: lease a lane, deliver its heads in order, release it only if nothing is due.

The embedded runner is a few threads in the service's process. `ring` wakes it; what is due later it finds by itself. A
heartbeat renews the leases of all lanes under way, so that a slow target does not cost the lane.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from service.provisioning.context import Context
from service.provisioning.courier import LEASE, Courier
from service.store import leases
from service.store.leases import Lease, LeaseLost

log = structlog.get_logger(__name__)

EMBEDDED = "embedded:"
LONGEST_NAP = timedelta(seconds=1)
HEARTBEAT = LEASE / 3


class Lanes:
    """Drains leased lanes. Thread-safe; the runner's threads and Blocking requests share one."""

    def __init__(self, context: Context, owner: str | None = None) -> None:
        self.owner = owner or f"{EMBEDDED}{socket.gethostname()}:{os.getpid()}"
        self._context = context
        self._courier = Courier(context, self.owner)
        self._held: dict[str, Lease] = {}
        self._guard = threading.Lock()

    def lease(self, lane_id: str) -> Lease | None:
        """Lease one lane; None while someone else drains it."""
        now = self._context.clock()
        with self._context.database.transaction() as tx:
            return self._hold(leases.lease(tx, lane_id, self.owner, now, now + LEASE))

    def lease_next(self) -> Lease | None:
        """Lease the lane that has been due for longest."""
        now = self._context.clock()
        with self._context.database.read() as tx:
            if not leases.any_to_lease(tx, now):
                return None
        with self._context.database.transaction() as tx:
            return self._hold(leases.lease_next(tx, self.owner, now, now + LEASE))

    def drain(self, lease: Lease, stop: Callable[[], bool]) -> None:
        """Deliver what is due in the lane, in order, until nothing is or `stop` says so; then give it back."""
        try:
            while not stop():
                if self._courier.deliver_head(lease):
                    continue
                if self._release(lease):
                    return
            with self._context.database.transaction() as tx:
                leases.hand_back(tx, lease)
        except LeaseLost:
            log.warning("lane was taken over", lane=lease.lane_id)
        finally:
            with self._guard:
                self._held.pop(lease.lane_id, None)

    def drain_beside(self, lane_id: str, stop: Callable[[], bool]) -> None:
        """Drain a lane at once, in a thread of its own: who waits for it can stop waiting before the target answers.

        Does nothing while someone else drains the lane.
        """
        lease = self.lease(lane_id)
        if lease is not None:
            threading.Thread(target=self.drain, args=(lease, stop), name=f"lane-{lane_id}", daemon=True).start()

    def await_all(self, timeout: timedelta) -> None:
        """Wait until no lane is drained here any more."""
        end = time.monotonic() + timeout.total_seconds()
        while self._held and time.monotonic() < end:
            time.sleep(0.02)

    def renew(self) -> None:
        """Move the end of every lease that is held here."""
        with self._guard:
            held = list(self._held.values())
        until = self._context.clock() + LEASE
        for lease in held:
            try:
                with self._context.database.transaction() as tx:
                    leases.renew(tx, lease, until)
            except LeaseLost:
                log.warning("lane was taken over", lane=lease.lane_id)

    def _release(self, lease: Lease) -> bool:
        with self._context.database.transaction() as tx:
            return leases.release(tx, lease, self._context.clock())

    def _hold(self, lease: Lease | None) -> Lease | None:
        if lease is not None:
            with self._guard:
                self._held[lease.lane_id] = lease
        return lease


class Runner:
    """The embedded runner's threads."""

    def __init__(self, context: Context, lanes: Lanes, count: int) -> None:
        self._context = context
        self._lanes = lanes
        self._bell = threading.Condition()
        self._rung = 0
        self._stopping = threading.Event()
        names = [f"runner-{n + 1}" for n in range(count)]
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for name in names]
        self._heart = threading.Thread(target=self._beat, name="lease-heartbeat", daemon=True)

    def start(self) -> None:
        """Take over what a predecessor in this place left, and begin."""
        if self._context.database.is_sqlite:
            # One process at a time has this database: whoever held a lease is gone. Elsewhere leases run out.
            with self._context.database.transaction() as tx:
                taken = leases.take_over(tx, EMBEDDED)
            log.info("began to deliver", taken_over=taken)
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
        try:
            lease = self._lanes.lease_next()
            if lease is None:
                return False
            self._lanes.drain(lease, self._stopping.is_set)
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
            due: datetime | None = leases.next_due(tx)
        wait = LONGEST_NAP if due is None else min(LONGEST_NAP, due - self._context.clock())
        return max(0.01, wait.total_seconds())

    def _beat(self) -> None:
        while not self._stopping.wait(HEARTBEAT.total_seconds()):
            try:
                self._lanes.renew()
            except Exception:  # the database may be back at the next beat; a lease that ran out is found by its fence
                log.exception("leases could not be renewed")
