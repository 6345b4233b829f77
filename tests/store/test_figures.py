"""Figures of the overview: each delivery is counted once, in the hour in which it was accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store import figures
from service.store.figures import Hour
from service.store.ids import earliest_id, new_id
from service.store.models import DecisionRow, DeliveryRow, EntityRow, LaneRow, RequestRow
from service.web.console import charts
from tests.support.databases import migrated, sqlite_url
from tests.support.postgresql import server

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SNAPSHOT = "sha256:0"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory):
    if request.param == "sqlite":
        with migrated(sqlite_url(tmp_path_factory.mktemp("data"))) as database:
            yield database
    else:
        with server() as url, migrated(url) as database:
            yield database


def add(tx, at, state="delivered", target="acme", refused_by=None):
    """A delivery that was accepted then."""
    person, lane = new_id(), new_id()
    identifier = f"{earliest_id(at)}{new_id()[13:]}"
    name = {"domain": "PRIMARY", "domain_key": "primary", "name": person, "name_key": person, "last_name_key": person}
    tx.add(EntityRow(id=person, type="user", **name, lane_key=person, attributes={}, created_at=at, updated_at=at))
    tx.add(LaneRow(id=lane, lane_key=person, connector_id=new_id(), identity_provider_id=1))
    request = {"service_provider": "hr", "operation": "create", "channel": "api", "entity_id": person, "image": {}}
    request |= {"entity_name": person, "entity_type": "user", "state": state, "created_at": at, "created_by": "test"}
    tx.flush()
    tx.add(RequestRow(id=identifier, **request))
    tx.flush()
    delivery = {"position": 0, "lane_id": lane, "sequence": 1, "entity_id": person, "service_provider": "hr"}
    delivery |= {"identity_provider_id": 1, "identity_provider": target, "connector_id": new_id(), "state": state}
    delivery |= {"connector_type": "scim2", "operation": "create", "effective_operation": "create", "created_at": at}
    final = None if state in {"retrying", "held"} else at
    tx.add(
        DeliveryRow(id=identifier, request_id=identifier, blocking=False, enable_rules=True, final_at=final, **delivery)
    )
    tx.flush()
    if refused_by is not None:
        decision = {"stage": "acceptance", "attempt": 0, "gate": "refused", "decision": "Deny", "reason": "because"}
        decision |= {"policies": refused_by, "snapshot": SNAPSHOT, "request_xml": "", "decided_at": at}
        tx.add(DecisionRow(delivery_id=identifier, **decision))
    tx.flush()


def test_deliveries_are_counted_in_the_hour_in_which_they_were_accepted(database):
    with database.rehearsal() as tx:
        for minutes, state in [(0, "delivered"), (29, "delivered"), (31, "refused"), (24 * 60 + 31, "failed")]:
            add(tx, NOW - timedelta(minutes=minutes), state)
        hours = figures.by_hour(tx, NOW)
    assert len(hours) == figures.HOURS
    assert hours[-1] == Hour(NOW.replace(minute=0), {"delivered": 2})
    assert hours[-2].states == {"refused": 1}
    assert sum(hour.total for hour in hours) == 3


def test_the_oldest_open_delivery_is_found_in_whatever_state_it_waits(database):
    with database.rehearsal() as tx:
        assert figures.oldest_open(tx) is None
        add(tx, NOW - timedelta(hours=3), "delivered")
        add(tx, NOW - timedelta(hours=1), "retrying", "new")
        add(tx, NOW - timedelta(hours=2), "held", "old")
        assert figures.oldest_open(tx).identity_provider == "old"


def test_refusals_are_counted_by_the_policies_that_refused(database):
    with database.rehearsal() as tx:
        for policies in (["a"], ["a", "b"], []):
            add(tx, NOW - timedelta(hours=1), "refused", refused_by=policies)
        add(tx, NOW - timedelta(hours=25), "refused", refused_by=["long ago"])
        assert dict(figures.refusing_policies(tx, NOW)) == {"a": 2, "b": 1, "": 1}


def test_targets_fare_as_their_latest_deliveries_did(database):
    with database.rehearsal() as tx:
        add(tx, NOW, "delivered", "good")
        add(tx, NOW, "failed", "bad")
        add(tx, NOW, "retrying", "bad")
        fares = figures.of_targets(tx)
    assert fares["good"].last_delivered_at == NOW
    assert fares["bad"].latest == {"failed": 1, "retrying": 1}
    assert fares["bad"].open == {"retrying": 1}


@given(st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)), st.integers(1, 10**9))  # noqa: DTZ001 - hypothesis adds the zone
def test_ids_begin_with_their_time(moment, later):
    assert earliest_id(moment) < earliest_id(moment + timedelta(milliseconds=later))
    assert earliest_id(moment) <= f"{earliest_id(moment)}-7000"


@given(st.lists(st.dictionaries(st.sampled_from(["delivered", "refused", "failed", "held"]), st.integers(0, 10**6))))
def test_every_bar_stays_within_its_drawing(states):
    hours = [Hour(NOW + timedelta(hours=number), found) for number, found in enumerate(states)]
    chart = charts.hourly(hours)
    for piece in chart.pieces:
        assert piece.y >= charts.TOP - 0.1
        assert piece.y + piece.height <= charts.HEIGHT - charts.BOTTOM + 0.1
        assert piece.x >= charts.LEFT
        assert piece.x + piece.width <= charts.WIDTH


@given(st.integers(0, 10**12))
def test_the_top_of_a_scale_is_not_below_what_it_shows_and_not_far_above(number):
    assert number <= charts.round_up(number) <= max(2, 2.5 * number)
