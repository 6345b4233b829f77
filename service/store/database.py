"""Opens the database and hands out transactions.

SQLite (the default) runs in WAL mode with full synchronisation; its one writer at a time is a lock of ours, because
waiting in line is faster and fairer than SQLite's polling. Readers never wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

MIGRATIONS = Path(__file__).parent / "migrations"

Transaction = Session
"""What the functions of this room take: an open transaction."""

DEADLOCK = "40P01"


class Deadlock(Exception):
    """PostgreSQL ended this transaction, because two waited for each other; nothing of it was kept."""


Collision = (IntegrityError, Deadlock)
"""Two transactions wrote the same thing at once; the one that was ended may look again and will see the other's."""


class SchemaError(Exception):
    """The database's schema is not the one that this version works with; the message says what to do."""


class Database:
    """An engine and its transactions. Thread-safe."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: Engine = _sqlite_engine(url) if self.is_sqlite else create_engine(url, pool_pre_ping=True)
        self._writer = threading.Lock()
        self.memory: dict[str, Any] = {}
        """What this process keeps of the database; every transaction finds it in its `info`."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that may write: committed at the end, rolled back by an exception. Raises `Deadlock`."""
        with self._writer if self.is_sqlite else nullcontext():
            engine = self.engine.execution_options(sluice_immediate=True)
            with (
                _deadlocks(),
                self._session(engine) as session,
                session.begin(),
            ):
                yield session

    @contextmanager
    def rehearsal(self) -> Iterator[Transaction]:
        """A transaction that may write and is always rolled back: what would happen, without its happening."""
        with self._writer if self.is_sqlite else nullcontext():
            engine = self.engine.execution_options(sluice_immediate=True)
            with self._session(engine) as session:
                try:
                    yield session
                finally:
                    session.rollback()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view for reading; what is changed in it is not kept."""
        with self._session(self.engine) as session:
            try:
                yield session
            finally:
                session.rollback()

    def _session(self, engine: Engine) -> Session:
        return Session(engine, expire_on_commit=False, info={"memory": self.memory})

    def ping(self) -> None:
        """Raise whatever the driver raises when the database cannot be reached."""
        with self.read() as tx:
            tx.execute(text("SELECT 1"))

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to the newest revision, or up to another one.

        Raises `SchemaError`, and leaves it as it is, when a row would refer to one that is not there.
        """
        if revision == "head" and self._revision() == _newest():
            return
        with self.engine.connect() as connection, _tables_may_be_made_anew(connection), connection.begin():
            command.upgrade(_alembic(connection), revision)
            if self.is_sqlite and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                raise SchemaError(f"a row of `{lost[0]}` refers to one of `{lost[2]}` that is not there")

    def check_schema(self) -> None:
        """Raise `SchemaError` unless the schema is the newest revision."""
        newest, current = _newest(), self._revision()
        if current != newest:
            raise SchemaError(
                f"the database schema is at revision `{current}` and this version needs `{newest}`: "
                "run `sluice db upgrade`"
            )

    def _revision(self) -> str | None:
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _newest() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


@contextmanager
def _deadlocks() -> Iterator[None]:
    """Tell a deadlock from what else can go wrong with a database."""
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == DEADLOCK:
            raise Deadlock(str(error.orig)) from error
        raise


@contextmanager
def _tables_may_be_made_anew(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making another one: dropping the old one must not take along what refers to it.

    Within a transaction this setting would be ignored (https://www.sqlite.org/lang_altertable.html#otheralter).
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    def connected(connection: Any, _record: Any) -> None:
        # pysqlite opens transactions by itself, and too late to lock (SQLAlchemy documents it)
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 30000"):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("sluice_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine
