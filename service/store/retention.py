"""What is forgotten after a while: the history of what is final, policies that nothing refers to, and what has expired.

Never forgotten: what is not final, entities and links, and an exchange that nobody knows the outcome of, for as long as
a later delivery of the same lane has to look what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import InstrumentedAttribute, aliased

from service.store import idempotency, pauses, sessions
from service.store.base import Base
from service.store.database import Transaction
from service.store.models import (
    AttemptRow,
    ConsoleSessionRow,
    DecisionRow,
    DeliveryRow,
    ExchangeRow,
    IdempotencyRow,
    PauseRow,
    PolicySourceRow,
    PublicationRow,
    RememberedRow,
    RequestRow,
    SnapshotRow,
)

BATCH = 200
"""Requests in one transaction: whoever delivers meanwhile waits for no longer."""


@dataclass(slots=True)
class Pruned:
    """How many rows went, or would go."""

    requests: int = 0
    deliveries: int = 0
    decisions: int = 0
    attempts: int = 0
    exchanges: int = 0
    snapshots: int = 0
    expired: int = 0

    def add(self, other: Pruned) -> None:
        """Count those of another batch as well."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def prune_requests(tx: Transaction, before: datetime, after: str = "") -> tuple[Pruned, str | None]:
    """Remove one batch of requests that were final before then, with all that belongs to them.

    Answers the counts, and the id to go on after; None when that was the last batch.
    """
    query = _prunable(before).where(RequestRow.id > after).order_by(RequestRow.id).limit(BATCH)
    requests = list(tx.scalars(query))
    if not requests:
        return Pruned(), None
    deliveries = list(tx.scalars(select(DeliveryRow.id).where(DeliveryRow.request_id.in_(requests))))
    attempts = list(tx.scalars(select(AttemptRow.id).where(AttemptRow.delivery_id.in_(deliveries))))
    counts = Pruned(
        exchanges=_delete(tx, ExchangeRow, ExchangeRow.attempt_id, attempts),
        attempts=_delete(tx, AttemptRow, AttemptRow.id, attempts),
        decisions=_delete(tx, DecisionRow, DecisionRow.delivery_id, deliveries),
        deliveries=_delete(tx, DeliveryRow, DeliveryRow.id, deliveries),
    )
    _delete(tx, IdempotencyRow, IdempotencyRow.request_id, requests)
    counts.requests = _delete(tx, RequestRow, RequestRow.id, requests)
    return counts, requests[-1]


def _prunable(before: datetime) -> Select[str]:
    in_doubt = select(DeliveryRow.id).where(DeliveryRow.request_id == RequestRow.id, _in_doubt()).exists()
    final = and_(RequestRow.state != "pending", RequestRow.final_at < before)
    return select(RequestRow.id).where(final, ~in_doubt)


def _in_doubt() -> ColumnElement[bool]:
    """That a delivery sent what nobody knows the outcome of, and none that was delivered since has settled it."""
    later = aliased(DeliveryRow)
    settled = (
        select(later.id)
        .where(later.lane_id == DeliveryRow.lane_id, later.sequence > DeliveryRow.sequence, later.state == "delivered")
        .exists()
    )
    unheard = (
        select(AttemptRow.id)
        .join(ExchangeRow, ExchangeRow.attempt_id == AttemptRow.id)
        .where(AttemptRow.delivery_id == DeliveryRow.id, ExchangeRow.safe.is_(False))
        .where(or_(ExchangeRow.status.is_(None), ExchangeRow.status >= 500))
        .exists()
    )
    return and_(DeliveryRow.state != "delivered", unheard, ~settled)


def prune_policies(tx: Transaction, before: datetime) -> int:
    """Remove the snapshots that no decision refers to and that were out of force before then. Answers how many.

    Decisions that `prune_requests` removes count for nothing, also where it has not removed them yet: in a dry run.
    """
    in_force = select(func.max(PublicationRow.sequence)).scalar_subquery()
    forgotten = select(DeliveryRow.id).where(DeliveryRow.request_id.in_(_prunable(before)))
    remembered = (DecisionRow.snapshot.is_not(None), DecisionRow.delivery_id.not_in(forgotten))
    referred = set(tx.scalars(select(DecisionRow.snapshot).where(*remembered).distinct()))
    rows = tx.execute(select(PublicationRow.sequence, PublicationRow.snapshot_hash, PublicationRow.published_at))
    published = list(rows)
    newest = tx.scalar(select(in_force))
    kept = {row.snapshot_hash for row in published if row.sequence == newest or row.published_at >= before} | referred
    old = [row.sequence for row in published if row.snapshot_hash not in kept]
    _delete(tx, PublicationRow, PublicationRow.sequence, old)
    gone = [one for one in tx.scalars(select(SnapshotRow.hash)) if one not in kept]
    _delete(tx, SnapshotRow, SnapshotRow.hash, gone)
    used = {entry["hash"] for listing in tx.scalars(select(SnapshotRow.listing)) for entry in listing}
    unused = [one for one in tx.scalars(select(PolicySourceRow.hash)) if one not in used]
    _delete(tx, PolicySourceRow, PolicySourceRow.hash, unused)
    return len(gone)


def prune_expired(tx: Transaction, now: datetime) -> int:
    """Remove keys, remembered facts, sessions and pauses whose time is over. Answers how many."""
    over = (
        delete(IdempotencyRow).where(IdempotencyRow.created_at < now - idempotency.KEPT),
        delete(RememberedRow).where(RememberedRow.expires_at < now),
        delete(PauseRow).where(PauseRow.ended_at < now - pauses.OLDEST),
        delete(ConsoleSessionRow).where(ConsoleSessionRow.started_at < now - sessions.LONGEST),
    )
    return sum(_count(tx.execute(one)) for one in over)


def _delete(
    tx: Transaction,
    table: type[Base],
    column: InstrumentedAttribute[str] | InstrumentedAttribute[int],
    ids: Sequence[object],
) -> int:
    removed = 0
    for start in range(0, len(ids), 500):
        removed += _count(tx.execute(delete(table).where(column.in_(ids[start : start + 500]))))
    return removed


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
