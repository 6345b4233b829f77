"""What is forgotten after a while, and what never is; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from service.housekeeping import prune
from service.store import idempotency, journal, leases, publications, transitions
from service.store.database import Database
from service.store.models import (
    AttemptRow,
    DecisionRow,
    DeliveryRow,
    EntityRow,
    ExchangeRow,
    IdempotencyRow,
    PolicySourceRow,
    PublicationRow,
    RequestRow,
    SnapshotRow,
)
from service.store.publications import Source
from tests.support import postgresql
from tests.support.databases import migrated, sqlite_url

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=100)
MONTH = timedelta(days=30)
HISTORY = (RequestRow, DeliveryRow, DecisionRow, AttemptRow, ExchangeRow)


@pytest.fixture(scope="module")
def server():
    with postgresql.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("server")
    with migrated(url) as database:
        yield database


def count(database: Database, *tables) -> list[int]:
    with database.read() as tx:
        return [tx.scalar(select(func.count()).select_from(table)) for table in tables]


def sent(database, name, *, at, status=200, end="delivered", snapshot=None):
    """A request about a user, sent once and ended so; with `end` None it is still under way. Answers its id."""
    with database.transaction() as tx:
        if tx.get(EntityRow, name) is None:
            tx.add(
                EntityRow(
                    id=name, type="user", domain="PRIMARY", domain_key="primary", name=name, name_key=name,
                    last_name_key=name, lane_key=name, attributes={}, created_at=at, updated_at=at,
                )
            )  # fmt: skip
            tx.flush()
        lane = leases.lane_for(tx, name, "c1", 1)
        request = RequestRow(
            service_provider="hr", operation="create", channel="api", entity_id=name, entity_name=name,
            entity_type="user", image={}, state="pending", created_at=at, created_by="me",
        )  # fmt: skip
        tx.add(request)
        tx.flush()
        delivery = DeliveryRow(
            request_id=request.id, position=0, lane_id=lane.id, sequence=leases.next_sequence(tx, lane), entity_id=name,
            service_provider="hr", identity_provider_id=1, identity_provider="acme", connector_id="c1",
            connector_type="scim2", operation="create", effective_operation="create", blocking=False,
            enable_rules=True, state="pending", due_at=at, created_at=at,
        )  # fmt: skip
        tx.add(delivery)
        tx.flush()
        decision = DecisionRow(
            delivery_id=delivery.id, stage="attempt", attempt=1, gate="open", decision="Permit", reason="",
            snapshot=snapshot, request_xml="<Request/>", decided_at=at,
        )  # fmt: skip
        tx.add(decision)
        tx.flush()
        number = transitions.start(tx, delivery, effective_operation="create", now=at)
        attempt = journal.begin_attempt(
            tx, delivery.id, number, worker="w", gate="open", decision_id=decision.id, effective_operation="create",
            now=at,
        )  # fmt: skip
        intent = journal.Intent(purpose="create", method="POST", url="https://t/", safe=False, headers={}, body="{}")
        exchange = 1
        journal.write_intent(tx, attempt.id, exchange, intent, at)
        if status is not None:
            journal.write_reply(tx, attempt.id, exchange, status=status, headers={}, body="{}", now=at)
        if end == "delivered":
            transitions.deliver(tx, delivery, outcome="created", now=at)
        elif end == "failed":
            transitions.fail(tx, delivery, reason="given up", now=at)
        return request.id


def test_what_is_final_for_longer_than_the_retention_goes_with_all_that_belongs_to_it(database):
    sent(database, "old", at=LONG_AGO)
    young = sent(database, "young", at=NOW - timedelta(days=1))
    would = prune(database, older_than=MONTH, now=NOW, dry_run=True)
    assert count(database, *HISTORY) == [2] * 5
    removed = prune(database, older_than=MONTH, now=NOW)
    assert removed == would
    assert (removed.requests, removed.deliveries, removed.decisions, removed.attempts, removed.exchanges) == (1,) * 5
    with database.read() as tx:
        assert list(tx.scalars(select(RequestRow.id))) == [young]
        assert set(tx.scalars(select(EntityRow.id))) == {"old", "young"}
    assert count(database, *HISTORY) == [1] * 5


def test_what_is_not_final_is_never_forgotten_however_old(database):
    sent(database, "under-way", at=LONG_AGO, end=None)
    assert prune(database, older_than=timedelta(days=1), now=NOW).requests == 0
    assert count(database, *HISTORY) == [1] * 5


def test_an_exchange_in_doubt_is_kept_until_a_later_delivery_has_settled_it(database):
    sent(database, "doubtful", at=LONG_AGO, status=None, end="failed")
    assert prune(database, older_than=MONTH, now=NOW).requests == 0
    sent(database, "doubtful", at=LONG_AGO + timedelta(days=1))
    assert prune(database, older_than=MONTH, now=NOW).requests == 2


def test_more_than_one_batch_goes_in_several_transactions_and_tells_its_progress(database, monkeypatch):
    monkeypatch.setattr("service.store.retention.BATCH", 2)
    for n in range(5):
        sent(database, f"one-of-{n}", at=LONG_AGO)
    told = []
    removed = prune(database, older_than=MONTH, now=NOW, progress=lambda so_far: told.append(so_far.requests))
    assert (removed.requests, told) == (5, [2, 4, 5])


def test_a_dry_run_counts_keys_as_they_go_on_their_own_or_with_their_request(database):
    old, young = sent(database, "old", at=LONG_AGO), sent(database, "young", at=NOW - timedelta(days=2))
    with database.transaction() as tx:
        for request_id, at in ((old, LONG_AGO), (young, NOW - timedelta(days=2))):
            key = idempotency.Key("me", request_id)
            idempotency.keep(tx, key, body_hash="", request_id=request_id, now=at)
    would = prune(database, older_than=MONTH, now=NOW, dry_run=True)
    assert prune(database, older_than=MONTH, now=NOW) == would
    assert count(database, IdempotencyRow) == [0]


def test_policies_stay_while_a_decision_refers_to_them_or_they_are_in_force(database):
    def publish(name, at):
        files = [Source(f"{name}.xml", "root", name.encode())]
        with database.transaction() as tx:
            publications.publish(tx, f"sha256:{name}", "deny-overrides", files, now=at, by="me")

    for day, name in enumerate(("forgotten", "referred", "in-force")):
        publish(name, LONG_AGO + timedelta(days=day))
    sent(database, "judged", at=NOW, snapshot="sha256:referred")
    sent(database, "judged-long-ago", at=LONG_AGO, snapshot="sha256:forgotten")
    would = prune(database, older_than=MONTH, now=NOW, dry_run=True)
    removed = prune(database, older_than=MONTH, now=NOW)
    assert (removed.snapshots, would) == (1, removed)
    with database.read() as tx:
        assert set(tx.scalars(select(SnapshotRow.hash))) == {"sha256:referred", "sha256:in-force"}
        assert set(tx.scalars(select(PublicationRow.snapshot_hash))) == {"sha256:referred", "sha256:in-force"}
        assert set(tx.scalars(select(PolicySourceRow.content))) == {b"referred", b"in-force"}
