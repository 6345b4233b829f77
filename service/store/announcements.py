"""Tells other processes what is due: PostgreSQL's LISTEN and NOTIFY. Whoever misses it finds it by polling."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.store.database import Database, Transaction

log = structlog.get_logger(__name__)

CHANNEL = "sluice_due"
LOOK = 0.5
"""Seconds between looks whether to stop."""

RECONNECT = 2.0
"""Seconds before a lost connection is made again."""


def announce(tx: Transaction) -> None:
    """Tell every process, once this transaction is committed, that something is due. Nothing to do on SQLite."""
    if tx.get_bind().dialect.name == "postgresql":
        tx.execute(text(f"NOTIFY {CHANNEL}"))


class Listener:
    """A connection of its own that hears announcements, and is made again when it is lost."""

    def __init__(self, database: Database, heard: Callable[[], None]) -> None:
        self._database = database
        self._heard = heard
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announcements", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10 * LOOK)

    def _run(self) -> None:
        import psycopg  # noqa: PLC0415 - only where PostgreSQL is used

        while not self._stopping.is_set():
            try:
                self._listen()
            except (SQLAlchemyError, psycopg.Error) as error:
                log.warning("does not hear of what is due, and polls instead", error=str(error))
                self._stopping.wait(RECONNECT)

    def _listen(self) -> None:
        pooled = self._database.engine.raw_connection()
        driver: Any = pooled.driver_connection
        pooled.detach()
        with closing(pooled):
            driver.rollback()
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            self._heard()  # what was announced while nobody listened
            while not self._stopping.is_set():
                for _ in driver.notifies(timeout=LOOK, stop_after=1):
                    self._heard()
