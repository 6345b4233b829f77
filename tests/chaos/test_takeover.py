"""A process dies with lanes in its hands, and nothing else happens: another one must finish what it had begun."""

from __future__ import annotations

import os
from contextlib import closing

import pytest
from sqlalchemy import select

from service.store.database import Database
from service.store.models import LaneRow
from tests.chaos.cluster import cluster
from tests.support.flaky import flaky_target
from tests.support.scim_target import scim_target
from tests.support.service import Worker, row

pytestmark = pytest.mark.xdist_group("chaos")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with cluster("postgresql", tmp_path_factory.mktemp("takeover"), processes=3) as whole:
        yield whole


@pytest.fixture
def flaky():
    with scim_target() as scim, flaky_target(scim) as flaky:
        yield flaky


def holder(whole):
    """The process that has the only leased lane."""
    with closing(Database(whole.url)) as database, database.read() as tx:
        owner = tx.scalars(select(LaneRow.owner).where(LaneRow.owner.is_not(None))).one()
    group = os.getpgid(int(owner.rpartition(":")[2]))
    return next(service for service in whole.services if service.process.pid == group)


def test_the_lane_of_a_killed_process_is_finished_by_another_when_its_lease_has_run_out(whole, flaky):
    api = whole.first.api
    api.identity_provider("acme", "scim2", flaky.properties, delivery={"exchangeTimeout": 300})
    api.service_provider("hr-portal", row("acme", blocking=False, rules=True))
    flaky.next("apply-and-hold", method="POST")
    request = api.provision("hr-portal", "create", "orphan")
    assert flaky.waiting.acquire(timeout=30)
    killed = holder(whole)
    killed.kill9()
    # Whoever finishes it: one that answers is asked, and a worker does not.
    other = next(one for one in whole.services if one is not killed and not isinstance(one, Worker))
    settled = other.api.settled(request["id"], timeout=60)
    assert [one["state"] for one in settled["deliveries"]] == ["delivered"]
    assert flaky.methods("orphan").count("POST") == 1
