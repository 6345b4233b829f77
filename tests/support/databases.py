"""The same test on an SQLite file and on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.store.base import Base
from service.store.database import Database


@contextmanager
def migrated(url: str) -> Iterator[Database]:
    """A database with the newest schema, and empty at the end."""
    database = Database(url)
    database.migrate()
    try:
        yield database
    finally:
        if not database.is_sqlite:
            tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
            with database.engine.begin() as connection:
                connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        database.close()


def sqlite_url(folder: Path) -> str:
    """A database file in a folder."""
    return f"sqlite:///{folder / 'sluice.db'}"
