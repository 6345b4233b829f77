"""Lanes and who may work on them: leases with fences.

A lease is a promise with an end. Every write of a worker shows its fence; a worker whose lease was taken over meanwhile
has an old fence, and its transaction is rolled back by `LeaseLost`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.engine import CursorResult

from service.store import targets
from service.store.database import Transaction
from service.store.models import DeliveryRow, LaneRow


class LeaseLost(Exception):
    """Another worker has the lane now; what this one wanted to write is void."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to drain one lane until its end is reached or renewed."""

    lane_id: str
    owner: str
    fence: int
    target: int
    probe: datetime | None = None
    """Set where the lane probes a quarantined target: until when nobody else may."""


def lane_for(tx: Transaction, lane_key: str, connector_id: str, identity_provider_id: int) -> LaneRow:
    """The lane of an entity to a target, its row locked; made when there is none."""
    wanted = (LaneRow.lane_key == lane_key, LaneRow.connector_id == connector_id)
    lane = tx.scalars(select(LaneRow).where(*wanted).with_for_update()).one_or_none()
    if lane is None:
        lane = LaneRow(
            lane_key=lane_key,
            connector_id=connector_id,
            identity_provider_id=identity_provider_id,
            next_sequence=1,
            fence=0,
        )
        tx.add(lane)
        targets.ensure(tx, identity_provider_id)
        tx.flush()
    return lane


def next_sequence(lane: LaneRow) -> int:
    """The next number in the lane; the caller holds the row."""
    number = lane.next_sequence
    lane.next_sequence = number + 1
    return number


def head(tx: Transaction, lane_id: str) -> DeliveryRow | None:
    """The first delivery of the lane that is not final."""
    query = (
        select(DeliveryRow)
        .where(DeliveryRow.lane_id == lane_id, DeliveryRow.final_at.is_(None))
        .order_by(DeliveryRow.sequence)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return tx.scalars(query).one_or_none()


def last_open(tx: Transaction, lane_id: str) -> DeliveryRow | None:
    """The last delivery of the lane that is not final."""
    query = (
        select(DeliveryRow)
        .where(DeliveryRow.lane_id == lane_id, DeliveryRow.final_at.is_(None))
        .order_by(DeliveryRow.sequence.desc())
        .limit(1)
    )
    return tx.scalars(query).one_or_none()


def reschedule(tx: Transaction, lane_id: str) -> None:
    """Let the lane be due when its head is; a head that waits for someone makes it due never."""
    first = head(tx, lane_id)
    due = first.due_at if first is not None and first.state in {"pending", "running", "retrying"} else None
    tx.execute(update(LaneRow).where(LaneRow.id == lane_id).values(due_at=due))


def lease_next(tx: Transaction, target: int, owner: str, now: datetime, until: datetime) -> Lease | None:
    """Lease the lane of a target (an identity provider's row id) that has been due for longest and that is free."""
    query = (
        select(LaneRow.id)
        .where(LaneRow.identity_provider_id == target, LaneRow.lease_until.is_(None), LaneRow.due_at <= now)
        .order_by(LaneRow.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    lane_id = tx.scalars(query).one_or_none()
    return None if lane_id is None else lease(tx, lane_id, owner, now, until)


def lock_free(tx: Transaction, lane_id: str, now: datetime) -> bool:
    """Lock a lane that nobody works on; false, at once, when someone does."""
    free = or_(LaneRow.lease_until.is_(None), LaneRow.lease_until < now)
    query = select(LaneRow.id).where(LaneRow.id == lane_id, free).with_for_update(skip_locked=True)
    return tx.scalars(query).one_or_none() is not None


def expired(tx: Transaction, now: datetime) -> bool:
    """Whether a lease has run out: its worker died, or is late."""
    query = select(LaneRow.id).where(LaneRow.lease_until < now).limit(1)
    return tx.scalars(query).one_or_none() is not None


def expire(tx: Transaction, now: datetime) -> int:
    """End the leases that have run out; a worker that comes back late cannot write any more. Answers how many."""
    over = select(LaneRow.id).where(LaneRow.lease_until < now).with_for_update(skip_locked=True)
    lanes = list(tx.scalars(over))  # locked first, past those of others: two that clear up must not wait for each other
    query = update(LaneRow).where(LaneRow.id.in_(lanes)).values(owner=None, lease_until=None)
    return _count(tx.execute(query)) if lanes else 0


def lease(tx: Transaction, lane_id: str, owner: str, now: datetime, until: datetime) -> Lease | None:
    """Lease one lane; None while someone else has it."""
    free = or_(LaneRow.lease_until.is_(None), LaneRow.lease_until < now)
    query = (
        update(LaneRow)
        .where(LaneRow.id == lane_id, free)
        .values(owner=owner, lease_until=until, fence=LaneRow.fence + 1)
        .returning(LaneRow.fence, LaneRow.identity_provider_id)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else Lease(lane_id, owner, row.fence, row.identity_provider_id)


def renew(tx: Transaction, held: Lease, until: datetime) -> None:
    """Show the fence and move the lease's end. Raises `LeaseLost`."""
    query = update(LaneRow).where(LaneRow.id == held.lane_id, LaneRow.fence == held.fence, LaneRow.owner == held.owner)
    if _count(tx.execute(query.values(lease_until=until))) != 1:
        raise LeaseLost(f"the lease of lane `{held.lane_id}` was taken over")


def release(tx: Transaction, held: Lease, now: datetime) -> bool:
    """Give the lane back, unless something in it is due: then it stays leased, and the answer is false."""
    free = or_(LaneRow.due_at.is_(None), LaneRow.due_at > now)
    query = update(LaneRow).where(LaneRow.id == held.lane_id, LaneRow.fence == held.fence, free)
    return _count(tx.execute(query.values(owner=None, lease_until=None))) == 1


def hand_back(tx: Transaction, held: Lease) -> None:
    """Give the lane back with whatever is due in it, for another worker to take."""
    query = update(LaneRow).where(LaneRow.id == held.lane_id, LaneRow.fence == held.fence)
    tx.execute(query.values(owner=None, lease_until=None))


def take_over(tx: Transaction, owners: str) -> int:
    """End the leases of all owners whose name begins so: their process is known to be gone. Answers how many."""
    query = update(LaneRow).where(LaneRow.owner.startswith(owners)).values(owner=None, lease_until=None)
    return _count(tx.execute(query))


def reschedule_all(tx: Transaction, lane_ids: Iterable[str]) -> None:
    """`reschedule` for many lanes."""
    for lane_id in set(lane_ids):
        reschedule(tx, lane_id)


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
