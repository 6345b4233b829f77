"""Lanes and who may work on them: leases with fences.

A lease is a promise with an end. Every write of a worker shows its fence; a worker whose lease was taken over meanwhile
has an old fence, and its transaction is rolled back by `LeaseLost`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, or_, select, update

from service.store import rows, targets
from service.store.database import Transaction
from service.store.models import STARTABLE, DeliveryRow, LaneRow


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


_LANES, _DELIVERIES = LaneRow.__table__, DeliveryRow.__table__
_OPEN = select(DeliveryRow).where(DeliveryRow.lane_id == bindparam("lane"), DeliveryRow.final_at.is_(None)).limit(1)
_HEAD = _OPEN.order_by(DeliveryRow.sequence).execution_options(populate_existing=True)
_LAST_OPEN = _OPEN.order_by(DeliveryRow.sequence.desc())
_LANE = (
    select(LaneRow)
    .where(LaneRow.lane_key == bindparam("lane_key"), LaneRow.connector_id == bindparam("connector"))
    .with_for_update()
)
_IS_DUE = case((or_(*(_DELIVERIES.c.state == state for state in STARTABLE)), _DELIVERIES.c.due_at))
_DUE = (
    select(_IS_DUE)
    .where(_DELIVERIES.c.lane_id == bindparam("lane"), _DELIVERIES.c.final_at.is_(None))
    .order_by(_DELIVERIES.c.sequence)
    .limit(1)
)
_OF_LANE = update(_LANES).where(_LANES.c.id == bindparam("lane"))  # type: ignore[arg-type]
_RESCHEDULE = _OF_LANE.values(due_at=_DUE.scalar_subquery())
_DUE_LANE = (
    select(_LANES.c.id)
    .where(
        _LANES.c.identity_provider_id == bindparam("target"),
        _LANES.c.lease_until.is_(None),
        _LANES.c.due_at <= bindparam("now"),
    )
    .order_by(_LANES.c.due_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_LEASE = (
    _OF_LANE.where(or_(_LANES.c.lease_until.is_(None), _LANES.c.lease_until < bindparam("now")))
    .values(owner=bindparam("by"), lease_until=bindparam("until"), fence=_LANES.c.fence + 1)
    .returning(_LANES.c.fence, _LANES.c.identity_provider_id)
)
_HELD = _OF_LANE.where(_LANES.c.fence == bindparam("held"))
_RENEW = _HELD.where(_LANES.c.owner == bindparam("by")).values(lease_until=bindparam("until"))
_RELEASE = _HELD.where(or_(_LANES.c.due_at.is_(None), _LANES.c.due_at > bindparam("now"))).values(
    owner=None, lease_until=None
)


def lane_for(tx: Transaction, lane_key: str, connector_id: str, identity_provider_id: int) -> LaneRow:
    """The lane of an entity to a target, its row locked; made when there is none."""
    lane = tx.scalars(_LANE, {"lane_key": lane_key, "connector": connector_id}).one_or_none()
    if lane is None:
        lane = LaneRow(lane_key=lane_key, connector_id=connector_id, identity_provider_id=identity_provider_id)
        targets.ensure(tx, identity_provider_id)
        rows.store(tx, lane)
    return lane


def next_sequence(tx: Transaction, lane: LaneRow, *, due_at: datetime | None = None) -> int:
    """The next number in the lane, which the caller holds; `due_at` of what it is for, when nothing goes before it."""
    number = lane.next_sequence
    due = {} if due_at is None else {"due_at": due_at}
    rows.change(tx, LaneRow, {"id": lane.id}, {"next_sequence": number + 1} | due)
    return number


def head(tx: Transaction, lane_id: str) -> DeliveryRow | None:
    """The first delivery of the lane that is not final."""
    return tx.scalars(_HEAD, {"lane": lane_id}).one_or_none()


def last_open(tx: Transaction, lane_id: str) -> DeliveryRow | None:
    """The last delivery of the lane that is not final."""
    return tx.scalars(_LAST_OPEN, {"lane": lane_id}).one_or_none()


def reschedule(tx: Transaction, lane_id: str) -> None:
    """Let the lane be due when its head is; a head that waits for someone makes it due never."""
    tx.flush()
    tx.execute(_RESCHEDULE, {"lane": lane_id})


def lease_next(tx: Transaction, target: int, owner: str, now: datetime, until: datetime) -> Lease | None:
    """Lease the lane of a target (an identity provider's row id) that has been due for longest and that is free."""
    lane_id = tx.execute(_DUE_LANE, {"target": target, "now": now}).scalar_one_or_none()
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
    return rows.count(tx.execute(query)) if lanes else 0


def lease(tx: Transaction, lane_id: str, owner: str, now: datetime, until: datetime) -> Lease | None:
    """Lease one lane; None while someone else has it."""
    row = tx.execute(_LEASE, {"lane": lane_id, "now": now, "by": owner, "until": until}).one_or_none()
    return None if row is None else Lease(lane_id, owner, row.fence, row.identity_provider_id)


def renew(tx: Transaction, held: Lease, until: datetime) -> None:
    """Show the fence and move the lease's end. Raises `LeaseLost`."""
    shown = {"lane": held.lane_id, "held": held.fence, "by": held.owner, "until": until}
    if rows.count(tx.execute(_RENEW, shown)) != 1:
        raise LeaseLost(f"the lease of lane `{held.lane_id}` was taken over")


def release(tx: Transaction, held: Lease, now: datetime) -> bool:
    """Give the lane back, unless something in it is due: then it stays leased, and the answer is false."""
    return rows.count(tx.execute(_RELEASE, {"lane": held.lane_id, "held": held.fence, "now": now})) == 1


def hand_back(tx: Transaction, held: Lease) -> None:
    """Give the lane back with whatever is due in it, for another worker to take."""
    query = update(LaneRow).where(LaneRow.id == held.lane_id, LaneRow.fence == held.fence)
    tx.execute(query.values(owner=None, lease_until=None))


def take_over(tx: Transaction, owners: str) -> int:
    """End the leases of all owners whose name begins so: their process is known to be gone. Answers how many."""
    query = update(LaneRow).where(LaneRow.owner.startswith(owners)).values(owner=None, lease_until=None)
    return rows.count(tx.execute(query))


def reschedule_all(tx: Transaction, lane_ids: Iterable[str]) -> None:
    """`reschedule` for many lanes."""
    for lane_id in set(lane_ids):
        reschedule(tx, lane_id)
