"""Who waits for whom on PostgreSQL: whoever accepts and whoever delivers must not wait for each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from service.providers import ConnectorConfiguration, IdentityProvider
from service.store import configuration, entities, journal, leases, ledger, transitions
from service.store.configuration import Seals
from service.store.database import Collision, Database, Deadlock, Transaction
from service.store.models import DeliveryRow, LinkRow
from service.store.secrets import Vault
from tests.store.test_lanes import enqueue
from tests.support.databases import migrated
from tests.support.postgresql import server
from tests.support.service import eventually

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def database():
    with server() as url, migrated(url) as database:
        yield database


def entity(database: Database, name: str) -> str:
    with database.transaction() as tx:
        return entities.create(tx, type_="user", domain="PRIMARY", name=name, attributes={}, now=NOW).id


def link(entity_id: str) -> LinkRow:
    return LinkRow(
        entity_id=entity_id,
        connector_id="connector",
        entity_type="user",
        identity_provider="acme",
        connector_type="scim2",
        identifier=entity_id,
        omitted=[],
        updated_at=NOW,
    )


def test_two_workers_that_learn_the_same_of_a_target_do_not_collide(database):
    vault, later = Vault(b"k" * 32), NOW + timedelta(hours=1)
    connector = connector_of(database)

    def remember(tx: Transaction, value: str) -> None:
        journal.remember(tx, vault, connector, key="discovery", value=value, expires_at=later)

    def second() -> None:
        with database.transaction() as tx:
            remember(tx, "second")

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as tx:
            remember(tx, "first")
            waiting = pool.submit(second)
            eventually(lambda: waits_for_a_lock(database) or waiting.done(), "the second one has to wait")
        waiting.result(timeout=10)
    with database.read() as tx:
        assert journal.remembered(tx, vault, connector, NOW) == {"discovery": "second"}


def connector_of(database: Database) -> str:
    target = IdentityProvider(name="learned", connectors=(ConnectorConfiguration(type="scim2", properties={}),))
    with database.transaction() as tx:
        configuration.create_identity_provider(tx, Seals(Vault(b"k" * 32), lambda _: frozenset()), target, NOW)
        return configuration.connector_id(tx, "learned", "scim2")


def waits_for_a_lock(database: Database) -> bool:
    with database.read() as tx:
        return bool(tx.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")))


@pytest.mark.parametrize("find", ["by name", "by id"])
def test_a_link_is_stored_while_the_next_operation_on_its_entity_is_accepted(database, find):
    name = f"linked {find}"
    known = entity(database, name)
    with database.transaction() as accepting:
        if find == "by id":
            entities.by_id(accepting, known)
        else:
            entities.find(accepting, "user", "PRIMARY", name)
        with database.transaction() as delivering:
            delivering.execute(text("SET LOCAL lock_timeout = '5s'"))
            delivering.add(link(known))


def test_two_operations_on_one_entity_are_accepted_one_after_the_other(database):
    known = entity(database, "contended")
    with database.transaction() as first:
        entities.by_id(first, known)
        with pytest.raises(Exception, match="lock timeout"), database.transaction() as second:  # noqa: PT012
            second.execute(text("SET LOCAL lock_timeout = '50ms'"))
            entities.by_id(second, known)


def test_whoever_steers_a_delivery_waits_for_whoever_delivers_it(database):
    with database.transaction() as tx:
        lane, [delivery] = enqueue(tx, entity="steered")
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as delivering:
            leases.lease(delivering, lane, "worker", NOW, NOW + timedelta(seconds=15))
            steered = pool.submit(cancelled, database, delivery)
            wait_for_someone_waiting(database)
            sent = delivering.get_one(DeliveryRow, delivery)
            transitions.start(delivering, sent, effective_operation="create", now=NOW)
            transitions.fail(delivering, sent, reason="the target said no", now=NOW)
        assert steered.result(30) == "failed"


def cancelled(database: Database, delivery: str) -> str:
    """The state of a delivery that somebody tried to cancel."""
    with database.transaction() as tx:
        found = ledger.find_delivery(tx, delivery)
        assert found is not None
        if found.state in transitions.WAITING:
            transitions.cancel(tx, found, reason="taken back", now=NOW)
        return found.state


def wait_for_someone_waiting(database: Database) -> None:
    def waiting() -> bool:
        with database.read() as tx:
            return bool(tx.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    eventually(waiting, "somebody waits for a lock")


def test_a_deadlock_is_a_collision_and_whoever_was_ended_may_look_again(database):
    one, other = entity(database, "one"), entity(database, "other")
    both = threading.Barrier(2, timeout=30)

    def lock(first: str, second: str) -> str:
        try:
            with database.transaction() as tx:
                entities.by_id(tx, first)
                both.wait()
                entities.by_id(tx, second)
        except Deadlock:
            return "ended"
        return "went through"

    with ThreadPoolExecutor(2) as pool:
        ways = [pool.submit(lock, one, other), pool.submit(lock, other, one)]
    assert sorted(way.result() for way in ways) == ["ended", "went through"]
    assert Deadlock in Collision
