"""The schema as the migrations leave it, and what was stored before them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from service.providers import ConnectorConfiguration, IdentityProvider
from service.store import configuration
from service.store.base import Base
from service.store.database import Database, SchemaError
from service.store.models import ConnectorRow, DeliveryRow, LaneRow, TargetRow
from service.store.secrets import Vault
from tests.support import postgresql
from tests.support.databases import migrated, sqlite_url

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SEALS = configuration.Seals(Vault(bytes(32)), lambda _type: frozenset())


@pytest.fixture(scope="module")
def server():
    with postgresql.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("server")
    with migrated(url) as database:
        yield database


@pytest.fixture
def old(tmp_path):
    """An embedded database at the revision that is asked for, and a writer of rows into it."""
    made = []

    def at(revision):
        database = Database(sqlite_url(tmp_path))
        made.append(database)
        database.migrate(revision)
        return database

    yield at
    for one in made:
        one.close()


def insert(database, table, **values):
    """A row of a table as it is then; whatever must be given, and is not, gets a value of its type."""
    with closing(sqlite3.connect(database.url.database)) as connection, connection:
        for _, name, kind, required, default, _ in connection.execute(f"PRAGMA table_info({table})"):
            if required and default is None:
                values.setdefault(name, {"TEXT": "x", "JSON": "{}", "DATETIME": "2026-01-01 00:00:00"}.get(kind, 0))
        names, places = ", ".join(values), ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(values.values()))


def acme(name="acme"):
    return IdentityProvider(name=name, connectors=(ConnectorConfiguration(type="scim2"),))


def test_the_migrations_lead_to_the_tables_of_the_models(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []


def test_what_an_older_version_stored_is_there_after_all_migrations(old):
    database = old("0002")
    insert(database, "entities", id="e")
    insert(database, "provisioning_requests", id="r", entity_id="e")
    insert(database, "lanes", id="l")
    insert(database, "deliveries", id="d", request_id="r", lane_id="l", entity_id="e", identity_provider_id=7)
    insert(database, "identity_providers", id=3, name="acme", paused=1)
    insert(database, "connectors", id="c", identity_provider_id=3, type="scim2")
    database.migrate()
    with database.transaction() as tx:
        assert tx.get_one(DeliveryRow, "d").lane_id == tx.get_one(LaneRow, "l").id
        assert tx.get_one(ConnectorRow, "c").identity_provider.name == "acme"
        assert tx.execute(text("SELECT connector_id, ended_at FROM pauses")).all() == [("c", None)]
        assert tx.scalar(text("PRAGMA foreign_keys")) == 1
        created = configuration.create_identity_provider(tx, SEALS, acme("newcomer"), NOW)
        assert configuration.identity_provider_id(tx, created.name) == 8  # 7 has a delivery still


def test_a_migration_that_would_leave_a_row_without_what_it_refers_to_changes_nothing(old):
    database = old("0002")
    insert(database, "connectors", id="c", identity_provider_id=9, type="scim2")
    with pytest.raises(SchemaError, match="a row of `connectors` refers to one of `identity_providers`"):
        database.migrate()
    with pytest.raises(SchemaError, match="`0002`"):
        database.check_schema()


def test_an_identity_provider_never_gets_the_id_of_a_deleted_one(database):
    ids = []
    for _ in range(2):
        with database.transaction() as tx:
            configuration.create_identity_provider(tx, SEALS, acme(), NOW)
            ids.append(configuration.identity_provider_id(tx, "acme"))
            configuration.delete_identity_provider(tx, "acme")
    assert ids[0] < ids[1]
    with database.read() as tx:
        assert set(ids) <= set(tx.scalars(select(TargetRow.identity_provider_id)))
