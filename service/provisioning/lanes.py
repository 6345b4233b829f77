"""Lanes: lease one, deliver its heads in order, release it only if nothing is due."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from service.provisioning.context import Context
from service.provisioning.courier import LEASE, Courier, Flight, Grounded
from service.provisioning.turns import Turns
from service.store import leases, targets
from service.store.database import Transaction
from service.store.leases import Lease, LeaseLost

log = structlog.get_logger(__name__)

EMBEDDED = "embedded:"


@dataclass(frozen=True, slots=True)
class Departed:
    """A lane that was leased, and what its head came to in the same transaction."""

    lease: Lease
    leaving: Flight | Grounded


class Lanes:
    """Drains leased lanes. Thread-safe; the runner's threads and Blocking requests share one."""

    def __init__(self, context: Context, threads: int, owner: str | None = None) -> None:
        self.owner = owner or f"{EMBEDDED}{socket.gethostname()}:{os.getpid()}"
        self._context = context
        self._turns = Turns(threads)
        self._courier = Courier(context, self.owner, self._turns.moved)
        self._held: dict[str, Lease] = {}
        self._watched: dict[str, list[threading.Event]] = {}
        self._guard = threading.Lock()

    def depart_next(self) -> Departed | None:
        """Lease the lane that has been due for longest, of the target whose turn it is, and begin with its head."""
        now = self._context.clock()
        for turn in self._turns.in_order(self._find_turns(now)):
            departed = self._courier.ask_anew(partial(self._depart, turn, now))
            if departed is not None:
                self._turns.begin(departed.lease.lane_id, turn.target)
                return departed
        return None

    def _depart(self, turn: targets.Turn, now: datetime) -> Departed | None:
        """The lease and the first intent are one commit."""
        with self._context.database.transaction() as tx:
            lease = self._take(tx, turn, now)
            if lease is None:
                return None
            departed = Departed(lease, self._courier.depart(tx, lease, now))
        return self._hold(departed)

    def _depart_with(self, lane_id: str) -> Departed | None:
        """The same with one lane; None while someone else drains it, or while its target may not be sent to."""
        now = self._context.clock()
        with self._context.database.transaction() as tx:
            # The lane first, then its target: as whoever delivers locks them.
            turn = targets.turn_of(tx, lane_id, now) if leases.lock_free(tx, lane_id, now) else None
            lease = None if turn is None else self._take(tx, turn, now, lane_id)
            if lease is None:
                return None
            departed = Departed(lease, self._courier.depart(tx, lease, now))
        return self._hold(departed)

    def _find_turns(self, now: datetime) -> list[targets.Turn]:
        with self._context.database.read() as tx:
            found = targets.turns(tx, now)
            if found or not leases.expired(tx, now):
                return found
        self.end_expired()
        with self._context.database.read() as tx:
            return targets.turns(tx, now)

    def _take(self, tx: Transaction, turn: targets.Turn, now: datetime, lane_id: str | None = None) -> Lease | None:
        if not targets.take(tx, turn):
            return None
        probe = targets.take_probe(tx, turn.target, now) if turn.quarantined else None
        if turn.quarantined and probe is None:
            return None
        until = now + LEASE
        if lane_id is None:
            lease = leases.lease_next(tx, turn.target, self.owner, now, until)
        else:
            lease = leases.lease(tx, lane_id, self.owner, now, until)
        if lease is None and probe is not None:
            targets.give_up_probe(tx, turn.target, probe, now)
        return lease if lease is None else replace(lease, probe=probe)

    def drain(self, departed: Departed, stop: Callable[[], bool]) -> None:
        """Deliver what is due in the lane, in order, until nothing is or `stop` says so; then give it back."""
        lease, returned = departed.lease, False
        structlog.contextvars.bind_contextvars(lane=lease.lane_id)
        try:
            head = self._courier.deliver_head(lease, departed.leaving)
            while head == "worked" and not stop():
                structlog.contextvars.unbind_contextvars("request", "delivery")
                head = self._courier.deliver_head(lease)
            returned = head == "released"
        except LeaseLost:
            log.warning("lane was taken over", lane=lease.lane_id)
            returned = True
        finally:
            self._let_go(lease, returned=returned)

    def _let_go(self, lease: Lease, *, returned: bool) -> None:
        """Whatever happened, the lane is free again: another worker need not wait for the lease to run out."""
        with self._guard:
            self._held.pop(lease.lane_id, None)
            watching = self._watched.pop(lease.lane_id, ())
        self._turns.end(lease.lane_id)
        for event in watching:
            event.set()
        if returned and lease.probe is None:
            return
        now = self._context.clock()
        with self._context.database.transaction() as tx:
            if not returned:
                leases.hand_back(tx, lease)
            if lease.probe is not None:
                targets.give_up_probe(tx, lease.target, lease.probe, now)

    def drain_beside(self, lane_id: str, stop: Callable[[], bool]) -> None:
        """Drain a lane at once, in a thread of its own: who waits for it can stop waiting before the target answers.

        Does nothing while someone else drains the lane.
        """
        departed = self._courier.ask_anew(partial(self._depart_with, lane_id))
        structlog.contextvars.unbind_contextvars("delivery")  # this thread goes on with the whole request
        if departed is not None:
            threading.Thread(target=self.drain, args=(departed, stop), name=f"lane-{lane_id}", daemon=True).start()

    def watch(self, lane_ids: Iterable[str], event: threading.Event) -> None:
        """Set the event when one of the lanes, of those that are drained here now, is let go."""
        with self._guard:
            for lane_id in lane_ids:
                watching = self._watched.setdefault(lane_id, []) if lane_id in self._held else []
                if event not in watching:
                    watching.append(event)

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
                # Given back since this beat began, or taken over; whoever drains it finds out by its fence.
                log.debug("lease is not held any more", lane=lease.lane_id)

    def end_expired(self) -> None:
        """Free the lanes of workers that died."""
        with self._context.database.transaction() as tx:
            ended = leases.expire(tx, self._context.clock())
        if ended:
            log.warning("leases had run out: their workers died", lanes=ended)

    def _hold(self, departed: Departed) -> Departed:
        with self._guard:
            self._held[departed.lease.lane_id] = departed.lease
        return departed
