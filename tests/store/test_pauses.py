"""Time in which somebody kept a target from being used is not taken from the patience of what waits for it."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from service.providers import ConnectorConfiguration, IdentityProvider
from service.store import configuration, journal, pauses, retention
from service.store.models import DeliveryRow, PauseRow
from service.store.secrets import Vault
from tests.store.test_lanes import enqueue
from tests.support import postgresql
from tests.support.databases import migrated, sqlite_url

SEALS = configuration.Seals(Vault(os.urandom(32)), lambda _type: frozenset())
ACME = IdentityProvider(name="acme", connectors=(ConnectorConfiguration(type="scim2"),))
OFF = replace(ACME, connectors=(replace(ACME.connectors[0], enabled=False),))


def at(hour: float) -> datetime:
    return datetime(2026, 11, 3, tzinfo=UTC) + timedelta(hours=hour)


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
def tx(database):
    """A transaction with the identity provider `acme`, made at hour 0."""
    with database.transaction() as tx:
        configuration.create_identity_provider(tx, SEALS, ACME, at(0))
        yield tx


def paused(tx, since, now):
    """For how many hours the connector was paused."""
    connector = configuration.connector_id(tx, "acme", "scim2")
    return pauses.length_since(tx, connector, at(since), at(now)) / timedelta(hours=1)


def test_pauses_add_up_and_count_only_as_far_as_they_reach(tx):
    for began, ended in ((1, 3), (5, 8)):
        configuration.set_paused(tx, "acme", paused=True, now=at(began))
        configuration.set_paused(tx, "acme", paused=False, now=at(ended))
    assert [paused(tx, since, now) for since, now in ((0, 10), (2, 6), (3, 5), (8, 10), (6, 7))] == [5, 2, 0, 0, 1]


def test_a_pause_that_goes_on_counts_until_now(tx):
    configuration.set_paused(tx, "acme", paused=True, now=at(1))
    configuration.set_paused(tx, "acme", paused=True, now=at(2))
    assert (paused(tx, 0, 4), paused(tx, 3, 4)) == (3, 1)


@pytest.mark.parametrize("off", [replace(ACME, enabled=False), OFF], ids=["identity provider", "connector"])
def test_what_is_disabled_is_paused_and_two_reasons_count_once(tx, off):
    configuration.update_identity_provider(tx, SEALS, "acme", off, at(1))
    configuration.set_paused(tx, "acme", paused=True, now=at(2))
    configuration.update_identity_provider(tx, SEALS, "acme", ACME, at(3))
    assert paused(tx, 0, 4) == 3
    configuration.set_paused(tx, "acme", paused=False, now=at(5))
    assert paused(tx, 0, 9) == 4


def test_a_delivery_was_tried_since_its_first_attempt_and_the_pauses_since(tx):
    connector = configuration.connector_id(tx, "acme", "scim2")
    _, [id_] = enqueue(tx, connector=connector)
    delivery = tx.get_one(DeliveryRow, id_)
    delivery.created_at = at(0)
    configuration.set_paused(tx, "acme", paused=True, now=at(1))
    configuration.set_paused(tx, "acme", paused=False, now=at(3))
    assert journal.tried_since(tx, delivery, at(4)) == at(4)  # not tried at all
    journal.begin_attempt(tx, id_, 1, worker="w", gate="off", decision_id=None, effective_operation="create", now=at(4))
    assert journal.tried_since(tx, delivery, at(5)) == at(4)
    configuration.set_paused(tx, "acme", paused=True, now=at(6))
    configuration.set_paused(tx, "acme", paused=False, now=at(8))
    assert journal.tried_since(tx, delivery, at(9)) == at(6)


def test_pauses_are_forgotten_once_no_patience_reaches_back_to_them(tx):
    configuration.set_paused(tx, "acme", paused=True, now=at(1))
    configuration.set_paused(tx, "acme", paused=False, now=at(2))
    configuration.set_paused(tx, "acme", paused=True, now=at(3))
    assert retention.prune_expired(tx, at(2) + timedelta(days=366)) == 0
    assert retention.prune_expired(tx, at(3) + timedelta(days=401)) == 1
    assert tx.scalars(select(PauseRow.began_at)).all() == [at(3)]


def test_pauses_go_with_their_connector(tx):
    configuration.set_paused(tx, "acme", paused=True, now=at(1))
    configuration.delete_identity_provider(tx, "acme")
    assert tx.scalar(select(func.count()).select_from(PauseRow)) == 0
