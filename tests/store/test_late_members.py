"""A group that is stored as delivered while its member's account is: one of the two must see the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from service.store import entities, leases, links, transitions
from service.store.database import Database
from service.store.entities import MembershipChange
from service.store.models import DeliveryRow, LinkRow
from tests.store.test_lanes import enqueue
from tests.support.databases import migrated, sqlite_url
from tests.support.postgresql import server
from tests.support.service import eventually

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=15)
CONNECTOR = "c1"


@pytest.fixture(scope="module")
def url():
    with server() as url:
        yield url


@pytest.fixture
def postgresql(url):
    with migrated(url) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    if request.param == "postgresql":
        yield request.getfixturevalue("postgresql")
    else:
        with migrated(sqlite_url(tmp_path)) as database:
            yield database


class Work:
    """Somebody who is in a group and both under way to one target, each in its own lane, leased."""

    def __init__(self, database: Database) -> None:
        with database.transaction() as tx:
            self.member = entities.create(tx, type_="user", domain="PRIMARY", name="m", attributes={}, now=NOW).id
            group = entities.create(tx, type_="group", domain="PRIMARY", name="g", attributes={}, now=NOW)
            self.group = group.id
            entities.change_members(tx, group, MembershipChange(added=frozenset({self.member})))
            self.leases, self.deliveries = {}, {}
            for entity in (self.member, self.group):
                lane, [delivery] = enqueue(tx, entity=entity, connector=CONNECTOR)
                self.leases[entity] = leases.lease(tx, lane, "worker", NOW, UNTIL)
                self.deliveries[entity] = delivery

    def store_account(self, tx) -> None:
        """What whoever delivered the member writes: the fence first."""
        leases.renew(tx, self.leases[self.member], UNTIL)
        tx.add(link(self.member))
        self._delivered(tx, self.member)

    def store_group(self, tx) -> None:
        """What whoever delivered the group writes: it went without the member."""
        leases.renew(tx, self.leases[self.group], UNTIL)
        tx.add(link(self.group, omitted=[self.member]))
        self._delivered(tx, self.group)

    def _delivered(self, tx, entity) -> None:
        transitions.deliver(tx, tx.get_one(DeliveryRow, self.deliveries[entity]), outcome="created", now=NOW)

    def late(self, tx) -> list[str]:
        """Whom the group's side finds late."""
        return links.late(tx, [self.member], CONNECTOR)

    def without(self, tx) -> list[str]:
        """The groups that the member's side finds to be without the member."""
        return [group.id for group, _ in links.groups_without(tx, self.member, CONNECTOR)]


def link(entity: str, omitted=()) -> LinkRow:
    return LinkRow(
        entity_id=entity, connector_id=CONNECTOR, entity_type="user", identity_provider="acme", connector_type="scim2",
        identifier=entity, omitted=list(omitted), updated_at=NOW,
    )  # fmt: skip


def test_one_after_the_other_the_later_one_finds_the_earlier_one(database):
    work = Work(database)
    with database.transaction() as delivering:
        work.store_group(delivering)
        assert work.late(delivering) == []
    with database.transaction() as delivering:
        work.store_account(delivering)
        assert work.without(delivering) == [work.group]
    with database.read() as tx:
        assert work.late(tx) == [work.member]


def test_an_account_that_is_being_stored_when_its_group_is_counts_as_late(postgresql):
    work = Work(postgresql)
    with postgresql.transaction() as account:
        work.store_account(account)
        assert work.without(account) == []  # the group is not there yet
        with postgresql.transaction() as group:
            work.store_group(group)
            assert links.find(group, work.member, CONNECTOR) is None  # and neither is the account
            assert work.late(group) == [work.member]


def test_an_account_that_comes_while_its_group_is_being_stored_waits_and_finds_the_group(postgresql, url):
    work = Work(postgresql)

    def store_account() -> list[str]:
        with postgresql.transaction() as account:
            work.store_account(account)
            return work.without(account)

    with ThreadPoolExecutor(1) as pool:
        with postgresql.transaction() as group:
            work.store_group(group)
            assert work.late(group) == []
            found = pool.submit(store_account)
            with closing(Database(url)) as other:
                eventually(lambda: waits(other) or found.done(), "the account waits for the group, or does not")
        assert found.result(30) == [work.group]


def test_groups_that_are_stored_at_once_do_not_find_each_others_look_to_be_an_account(postgresql):
    work = Work(postgresql)
    with postgresql.transaction() as one, postgresql.transaction() as other:
        assert (work.late(one), work.late(other)) == ([], [])


def waits(database: Database) -> bool:
    with database.read() as tx:
        return bool(tx.connection().exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar())
