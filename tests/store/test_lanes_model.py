"""Lanes, leases and fencing against a plain model: whatever workers and people do, and in whatever order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, event, select, update

from service.store import leases, transitions
from service.store.base import Base
from service.store.database import Database
from service.store.leases import Lease, LeaseLost
from service.store.models import DeliveryRow, LaneRow
from service.store.transitions import WrongState
from tests.store.test_lanes import NOW, enqueue

LEASE = timedelta(seconds=15)
ENTITIES = ("e1", "e2", "e3")
WORKERS = ("one", "two", "three")
FINAL = {"delivered", "failed", "cancelled"}

any_lane = st.sampled_from(ENTITIES)
any_worker = st.sampled_from(WORKERS)
any_number = st.integers(min_value=0, max_value=30)


@dataclass
class Delivery:
    sequence: int
    state: str = "pending"
    due: datetime | None = NOW


@dataclass
class Lane:
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    id: str | None = None
    sequence: int = 0
    fence: int = 0
    owner: str | None = None
    until: datetime | None = None
    begun: list[int] = field(default_factory=list)

    def open(self) -> list[str]:
        waiting = [(one.sequence, id_) for id_, one in self.deliveries.items() if one.state not in FINAL]
        return [id_ for _, id_ in sorted(waiting)]

    @property
    def due(self) -> datetime | None:
        """When its head may be tried: whoever is behind the head waits."""
        head = self.deliveries[self.open()[0]] if self.open() else None
        return head.due if head is not None and head.state != "held" else None

    def is_due(self, now: datetime) -> bool:
        return self.due is not None and self.due <= now

    def is_free(self, now: datetime) -> bool:
        return self.until is None or self.until < now

    def holds(self, lease: Lease) -> bool:
        return (lease.fence, lease.owner) == (self.fence, self.owner)


class Lanes(RuleBasedStateMachine):
    """`given` are all leases that were ever given, those of workers that lost theirs as well."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.now = NOW
        self.lanes = {entity: Lane() for entity in ENTITIES}
        self.given: list[Lease] = []
        with database.transaction() as tx:
            for table in reversed(Base.metadata.sorted_tables):
                tx.execute(delete(table))

    def lane_of(self, lease: Lease) -> Lane:
        return next(lane for lane in self.lanes.values() if lane.id == lease.lane_id)

    def pick(self, number: int) -> tuple[Lease, Lane] | None:
        if not self.given:
            return None
        lease = self.given[-1 - number % len(self.given)]
        return lease, self.lane_of(lease)

    def took(self, lease: Lease) -> None:
        lane = self.lane_of(lease)
        assert lane.is_free(self.now), "two holders of one lane"
        assert lease.fence > lane.fence
        lane.fence, lane.owner, lane.until = lease.fence, lease.owner, self.now + LEASE
        self.given.append(lease)

    @rule(entity=any_lane, count=st.integers(1, 3))
    def enqueue(self, entity, count):
        lane = self.lanes[entity]
        with self.database.transaction() as tx:
            lane.id, made = enqueue(tx, entity=entity, count=count)
        for id_ in made:
            lane.sequence += 1
            lane.deliveries[id_] = Delivery(lane.sequence)

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds):
        """Leases of workers that died meanwhile run out."""
        self.now += timedelta(seconds=seconds)

    @rule(entity=any_lane, worker=any_worker)
    def lease(self, entity, worker):
        lane = self.lanes[entity]
        if lane.id is None:
            return
        with self.database.transaction() as tx:
            lease = leases.lease(tx, lane.id, worker, self.now, self.now + LEASE)
        assert (lease is not None) == lane.is_free(self.now)
        if lease is not None:
            self.took(lease)

    @rule(worker=any_worker)
    def lease_next(self, worker):
        with self.database.transaction() as tx:
            run_out = [lane for lane in self.lanes.values() if lane.until is not None and lane.until < self.now]
            assert leases.expired(tx, self.now) == bool(run_out)
            assert leases.expire(tx, self.now) == len(run_out)
            for lane in run_out:
                lane.owner = lane.until = None
            lease = leases.lease_next(tx, 1, worker, self.now, self.now + LEASE)
        ready = [lane for lane in self.lanes.values() if lane.is_due(self.now) and lane.is_free(self.now)]
        assert (lease is not None) == bool(ready), "what is due must be found by whoever is free"
        if lease is not None:
            assert self.lane_of(lease).due == min(lane.due for lane in ready)
            self.took(lease)

    @rule(number=any_number)
    def renew(self, number):
        if (picked := self.pick(number)) is None:
            return
        lease, lane = picked
        if not lane.holds(lease):
            with pytest.raises(LeaseLost), self.database.transaction() as tx:
                leases.renew(tx, lease, self.now + LEASE)
            return
        with self.database.transaction() as tx:
            leases.renew(tx, lease, self.now + LEASE)
        lane.until = self.now + LEASE

    @rule(number=any_number)
    def release(self, number):
        if (picked := self.pick(number)) is None:
            return
        lease, lane = picked
        with self.database.transaction() as tx:
            released = leases.release(tx, lease, self.now)
        assert released == (lease.fence == lane.fence and not lane.is_due(self.now))
        if released:
            lane.owner = lane.until = None

    @rule(number=any_number)
    def hand_back(self, number):
        if (picked := self.pick(number)) is None:
            return
        lease, lane = picked
        with self.database.transaction() as tx:
            leases.hand_back(tx, lease)
        if lease.fence == lane.fence:
            lane.owner = lane.until = None

    @rule(
        number=any_number, outcome=st.sampled_from(("delivered", "failed", "retrying", "held")), wait=st.integers(1, 60)
    )
    def attempt(self, number, outcome, wait):
        """A worker begins the head and says what came of it; one that lost the lane writes none of it."""
        if (picked := self.pick(number)) is None:
            return
        lease, lane = picked
        later = self.now + timedelta(seconds=wait)
        if not lane.holds(lease):
            with pytest.raises(LeaseLost), self.database.transaction() as tx:
                self.write(tx, lease, outcome, later)
            return
        with self.database.transaction() as tx:
            done = self.write(tx, lease, outcome, later)
        lane.until = self.now + LEASE
        assert done == (lane.open()[0] if lane.is_due(self.now) else None), "the first that is not final, when due"
        if done is not None:
            one = lane.deliveries[done]
            lane.begun.append(one.sequence)
            one.state, one.due = outcome, later if outcome == "retrying" else None

    def write(self, tx, lease, outcome, later):
        # The order of a worker that does not show its fence first: what it wrote must be rolled back all the same.
        head = leases.head(tx, lease.lane_id)
        startable = head is not None and head.state in transitions.STARTABLE
        if startable and head.due_at <= self.now:
            transitions.start(tx, head, effective_operation="create", now=self.now)
            self.end(tx, head, outcome, later)
            leases.renew(tx, lease, self.now + LEASE)
            return head.id
        leases.renew(tx, lease, self.now + LEASE)
        return None

    def end(self, tx, head, outcome, later):
        if outcome == "delivered":
            transitions.deliver(tx, head, outcome="created", now=self.now)
        elif outcome == "failed":
            transitions.fail(tx, head, reason="the target said no", now=self.now)
        elif outcome == "retrying":
            transitions.retry_later(tx, head, due_at=later, reason="503")
        else:
            transitions.hold(tx, head, reason="its connector is disabled")

    @rule(entity=any_lane, number=any_number, change=st.sampled_from(("cancel", "revive", "resume")))
    def someone_steers(self, entity, number, change):
        lane = self.lanes[entity]
        if not lane.deliveries:
            return
        id_ = list(lane.deliveries)[number % len(lane.deliveries)]
        one = lane.deliveries[id_]
        leaves = {"cancel": {"pending", "retrying", "held"}, "revive": {"failed"}, "resume": {"held"}}[change]
        if one.state not in leaves:
            with pytest.raises(WrongState), self.database.transaction() as tx:
                self.steer(tx, id_, change)
            return
        with self.database.transaction() as tx:
            self.steer(tx, id_, change)
        one.state, one.due = ("cancelled", None) if change == "cancel" else ("pending", self.now)
        if change == "revive":
            lane.sequence += 1
            one.sequence = lane.sequence

    def steer(self, tx, id_, change):
        row = tx.get_one(DeliveryRow, id_)
        if change == "cancel":
            transitions.cancel(tx, row, reason="by hand", now=self.now)
        else:
            getattr(transitions, change)(tx, row, now=self.now)

    @invariant()
    def the_rows_are_as_in_the_model(self):
        with self.database.read() as tx:
            lanes = {row.id: row for row in tx.execute(select(LaneRow.__table__))}
            deliveries = {row.id: row for row in tx.execute(select(DeliveryRow.__table__))}
        for lane in self.lanes.values():
            row = lanes.get(lane.id)
            if row is not None:
                assert (row.fence, row.owner, row.lease_until) == (lane.fence, lane.owner, lane.until)
                assert row.due_at == lane.due
            for id_, one in lane.deliveries.items():
                stored = deliveries[id_]
                assert (stored.sequence, stored.state, stored.due_at) == (one.sequence, one.state, one.due)

    @invariant()
    def a_lane_has_one_holder_at_most(self):
        for lane in self.lanes.values():
            holders = [lease for lease in self.given if lease.lane_id == lane.id and lane.holds(lease)]
            assert len(holders) == (lane.owner is not None)

    @invariant()
    def a_lane_is_worked_off_in_order(self):
        for lane in self.lanes.values():
            assert lane.begun == sorted(lane.begun)


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'sluice.db'}")
    # The file does not outlive the test: no need to wait for the disk thousands of times.
    event.listen(opened.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    opened.migrate()
    yield opened
    opened.close()


def test_lanes_leases_and_fences_behave_as_the_model(database):
    run_state_machine_as_test(
        lambda: Lanes(database),
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def write(tx, lane_id, **values):
    """Write to a lane whatever its fence is. Answers its row."""
    return tx.execute(update(LaneRow).where(LaneRow.id == lane_id).values(**values).returning(LaneRow.__table__)).one()


def renews_whoever_has_it(tx, held, until):
    write(tx, held.lane_id, lease_until=until)


def renews_for_whoever_had_the_name(tx, held, until):
    if write(tx, held.lane_id, next_sequence=LaneRow.next_sequence).owner != held.owner:
        raise LeaseLost(held.lane_id)
    write(tx, held.lane_id, lease_until=until)


def releases_whoever_has_it(tx, held, now):
    due = write(tx, held.lane_id, next_sequence=LaneRow.next_sequence).due_at
    if due is not None and due <= now:
        return False
    write(tx, held.lane_id, owner=None, lease_until=None)
    return True


def hands_back_whoever_has_it(tx, held):
    write(tx, held.lane_id, owner=None, lease_until=None)


def leases_what_is_taken(tx, lane_id, owner, now, until):
    row = write(tx, lane_id, owner=owner, lease_until=until, fence=LaneRow.fence + 1)
    return Lease(lane_id, owner, row.fence, row.identity_provider_id)


def leases_with_the_old_fence(tx, lane_id, owner, now, until):
    row = write(tx, lane_id, next_sequence=LaneRow.next_sequence)
    if row.lease_until is not None and row.lease_until >= now:
        return None
    write(tx, lane_id, owner=owner, lease_until=until)
    return Lease(lane_id, owner, row.fence, row.identity_provider_id)


BROKEN = [
    ("renew", renews_whoever_has_it),
    ("renew", renews_for_whoever_had_the_name),
    ("release", releases_whoever_has_it),
    ("hand_back", hands_back_whoever_has_it),
    ("lease", leases_what_is_taken),
    ("lease", leases_with_the_old_fence),
]


@pytest.mark.parametrize(("name", "broken"), BROKEN, ids=[broken.__name__ for _, broken in BROKEN])
def test_a_broken_fence_is_found(database, monkeypatch, name, broken):
    monkeypatch.setattr(leases, name, broken)
    found = settings(
        max_examples=2000, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck),
        derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(lambda: Lanes(database), settings=found)
