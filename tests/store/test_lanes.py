"""Leases, fences and the state changes of deliveries, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from service.store import leases, targets, transitions
from service.store.database import Database
from service.store.leases import LeaseLost
from service.store.models import DeliveryRow, EntityRow, RequestRow
from service.store.transitions import WrongState

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=15)


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'sluice.db'}")
    opened.migrate()
    yield opened
    opened.close()


def enqueue(tx, *, entity="e1", connector="c1", password=None, count=1):
    """`count` deliveries in one lane, each of a request of its own."""
    if tx.get(EntityRow, entity) is None:
        tx.add(
            EntityRow(
                id=entity, type="user", domain="PRIMARY", domain_key="primary", name=entity, name_key=entity,
                last_name_key=entity, lane_key=entity, attributes={}, created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
    lane = leases.lane_for(tx, entity, connector, 1)
    made = []
    for _ in range(count):
        request = RequestRow(
            service_provider="hr", operation="create", channel="api", entity_id=entity, entity_name=entity,
            entity_type="user", image={}, sealed_password=password, state="pending", created_at=NOW, created_by="me",
        )  # fmt: skip
        tx.add(request)
        tx.flush()
        delivery = DeliveryRow(
            request_id=request.id, position=0, lane_id=lane.id, sequence=leases.next_sequence(tx, lane),
            entity_id=entity, service_provider="hr",
            identity_provider_id=1, identity_provider="acme", connector_id=connector,
            connector_type="scim2", operation="create", effective_operation="create", blocking=False,
            enable_rules=False, state="pending", due_at=NOW, created_at=NOW,
        )  # fmt: skip
        tx.add(delivery)
        tx.flush()
        made.append(delivery.id)
    leases.reschedule(tx, lane.id)
    return lane.id, made


def test_two_workers_never_have_the_same_lane(database):
    with database.transaction() as tx:
        enqueue(tx)
        assert leases.lease_next(tx, 1, "one", NOW, UNTIL) is not None
        assert leases.lease_next(tx, 1, "two", NOW, UNTIL) is None


def test_a_worker_that_comes_back_late_cannot_write(database):
    with database.transaction() as tx:
        enqueue(tx)
        late = leases.lease_next(tx, 1, "one", NOW, UNTIL)
    with database.transaction() as tx:
        leases.expire(tx, UNTIL + timedelta(seconds=1))
        successor = leases.lease_next(tx, 1, "two", UNTIL + timedelta(seconds=1), UNTIL + timedelta(seconds=16))
    assert successor.fence > late.fence
    with pytest.raises(LeaseLost), database.transaction() as tx:
        leases.renew(tx, late, UNTIL + timedelta(minutes=1))


def test_the_lane_of_a_worker_that_died_is_found_also_when_nothing_else_is_due(database):
    with database.transaction() as tx:
        enqueue(tx)
        lost = leases.lease_next(tx, 1, "one", NOW, UNTIL)
        assert not leases.expired(tx, NOW)
        assert leases.expired(tx, UNTIL + timedelta(seconds=1))
        assert leases.expire(tx, UNTIL + timedelta(seconds=1)) == 1
        assert leases.lease_next(tx, 1, "two", UNTIL + timedelta(seconds=1), UNTIL + timedelta(seconds=16)) is not None
    with pytest.raises(LeaseLost), database.transaction() as tx:
        leases.renew(tx, lost, UNTIL + timedelta(minutes=1))


def test_a_lane_with_something_due_is_not_released(database):
    with database.transaction() as tx:
        _, ids = enqueue(tx, count=2)
        lease = leases.lease_next(tx, 1, "one", NOW, UNTIL)
        transitions.start(tx, tx.get_one(DeliveryRow, ids[0]), effective_operation="create", now=NOW)
        transitions.deliver(tx, tx.get_one(DeliveryRow, ids[0]), outcome="created", now=NOW)
        assert not leases.release(tx, lease, NOW)
        transitions.deliver(tx, tx.get_one(DeliveryRow, ids[1]), outcome="updated", now=NOW)
        assert leases.release(tx, lease, NOW)


def test_a_failed_head_lets_the_next_go(database):
    with database.transaction() as tx:
        lane, ids = enqueue(tx, count=2)
        transitions.fail(tx, tx.get_one(DeliveryRow, ids[0]), reason="the target said no", now=NOW)
        assert leases.head(tx, lane).id == ids[1]


def test_a_head_that_waits_holds_its_own_lane_alone(database):
    with database.transaction() as tx:
        _, ids = enqueue(tx, entity="e1", count=2)
        enqueue(tx, entity="e2")
        later = NOW + timedelta(minutes=5)
        transitions.retry_later(tx, tx.get_one(DeliveryRow, ids[0]), due_at=later, reason="503")
        first = leases.lease_next(tx, 1, "one", NOW, UNTIL)
        assert leases.head(tx, first.lane_id).entity_id == "e2"
        assert leases.lease_next(tx, 1, "two", NOW, UNTIL) is None


def test_held_and_awaiting_heads_make_a_lane_due_never(database):
    with database.transaction() as tx:
        _, ids = enqueue(tx)
        transitions.hold(tx, tx.get_one(DeliveryRow, ids[0]), reason="paused")
        assert targets.next_turn(tx) is None
        transitions.resume(tx, tx.get_one(DeliveryRow, ids[0]), now=NOW)
        assert targets.next_turn(tx) == NOW


def test_what_is_being_sent_cannot_be_cancelled(database):
    with database.transaction() as tx:
        _, ids = enqueue(tx)
        transitions.start(tx, tx.get_one(DeliveryRow, ids[0]), effective_operation="create", now=NOW)
    with pytest.raises(WrongState), database.transaction() as tx:
        transitions.cancel(tx, tx.get_one(DeliveryRow, ids[0]), reason="by hand", now=NOW)
    with database.read() as tx:
        assert tx.get_one(DeliveryRow, ids[0]).state == "running"


def test_a_final_delivery_never_changes_but_by_revival(database):
    with database.transaction() as tx:
        _, ids = enqueue(tx)
        transitions.fail(tx, tx.get_one(DeliveryRow, ids[0]), reason="no", now=NOW)
    with pytest.raises(WrongState), database.transaction() as tx:
        transitions.deliver(tx, tx.get_one(DeliveryRow, ids[0]), outcome="created", now=NOW)


def test_a_revived_dead_letter_goes_to_the_end_of_its_lane(database):
    with database.transaction() as tx:
        lane, ids = enqueue(tx, count=2)
        transitions.fail(tx, tx.get_one(DeliveryRow, ids[0]), reason="no", now=NOW)
        transitions.revive(tx, tx.get_one(DeliveryRow, ids[0]), now=NOW)
        assert leases.head(tx, lane).id == ids[1]
        revived = tx.get_one(DeliveryRow, ids[0])
        assert (revived.state, revived.of_now, revived.sequence) == ("pending", True, 3)
        assert tx.get_one(RequestRow, revived.request_id).state == "pending"


def test_a_password_is_wiped_when_its_request_is_final(database):
    with database.transaction() as tx:
        _, ids = enqueue(tx, password=b"sealed")
        delivery = tx.get_one(DeliveryRow, ids[0])
        transitions.refuse(tx, delivery, reason="policy", now=NOW)
        assert tx.get_one(RequestRow, delivery.request_id).sealed_password is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (set(), "nothing-to-do"),
        ({"delivered", "pending"}, "pending"),
        ({"delivered", "held"}, "pending"),
        ({"delivered", "refused"}, "refused"),
        ({"delivered", "refused", "cancelled"}, "cancelled"),
        ({"delivered", "refused", "cancelled", "failed"}, "failed"),
        ({"delivered"}, "delivered"),
    ],
)
def test_a_requests_state_is_the_worst_of_its_deliveries(states, expected):
    assert transitions.request_state(states) == expected


def test_a_predecessors_leases_end_at_start(database):
    with database.transaction() as tx:
        enqueue(tx)
        leases.lease_next(tx, 1, "embedded:host:1", NOW, UNTIL)
        assert leases.take_over(tx, "embedded:") == 1
        assert leases.lease_next(tx, 1, "embedded:host:2", NOW, UNTIL) is not None
