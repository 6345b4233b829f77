"""Forgets what the retention setting no longer wants, in small batches, beside everything else that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from service.store import retention
from service.store.database import Database
from service.store.retention import Pruned

log = structlog.get_logger(__name__)

DAILY = timedelta(days=1)
Progress = Callable[[Pruned], None]


def prune(
    database: Database, *, older_than: timedelta, now: datetime, dry_run: bool = False, progress: Progress | None = None
) -> Pruned:
    """Remove the history that was final longer ago than that, and what has expired. Answers how much it was.

    `progress` is told the counts so far after each batch. A dry run removes nothing.
    """
    total, before = Pruned(), now - older_than
    unit = database.rehearsal if dry_run else database.transaction
    with unit() as tx:
        # First: keys that go with their requests are not counted, and a dry run's requests do not go.
        total.expired = retention.prune_expired(tx, now)
    place: str | None = ""
    while place is not None:
        with unit() as tx:
            counts, place = retention.prune_requests(tx, before, place)
        total.add(counts)
        if progress is not None and counts.requests:
            progress(total)
    with unit() as tx:
        total.snapshots = retention.prune_policies(tx, before)
    return total


class Housekeeping:
    """Prunes once a day, for as long as the service runs."""

    def __init__(self, database: Database, clock: Callable[[], datetime], older_than: timedelta) -> None:
        self._database, self._clock, self._older_than = database, clock, older_than
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a batch under way is finished first."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                removed = prune(self._database, older_than=self._older_than, now=self._clock())
                log.info("pruned", requests=removed.requests, snapshots=removed.snapshots, expired=removed.expired)
            except Exception:  # tomorrow is another day, and nothing depends on this one
                log.exception("could not prune")
            self._stopping.wait(DAILY.total_seconds())
