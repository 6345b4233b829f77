"""Remembers which request a caller's `Idempotency-Key` named, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, update

from service.store.database import Transaction
from service.store.models import IdempotencyRow

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Key:
    """An `Idempotency-Key` and whose it is."""

    principal: str
    text: str


def find(tx: Transaction, key: Key, now: datetime) -> IdempotencyRow | None:
    """What the key named within the last day; older keys are forgotten."""
    tx.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < now - KEPT))
    return tx.get(IdempotencyRow, (key.principal, key.text))


def keep(
    tx: Transaction,
    key: Key,
    *,
    body_hash: str,
    request_id: str,
    now: datetime,
    answering_until: datetime | None = None,
) -> None:
    """Let the key name this request; the call that made it is answered by `answering_until`, None: at once."""
    tx.add(
        IdempotencyRow(
            principal=key.principal,
            key=key.text,
            body_hash=body_hash,
            request_id=request_id,
            created_at=now,
            answering_until=answering_until,
        )
    )
    tx.flush()


def answered(tx: Transaction, key: Key) -> None:
    """The call that made the key's request is answered: whoever repeats it gets the same."""
    wanted = (IdempotencyRow.principal == key.principal, IdempotencyRow.key == key.text)
    tx.execute(update(IdempotencyRow).where(*wanted).values(answering_until=None))


def all_answered(tx: Transaction) -> None:
    """Whoever was answering is gone: nobody waits for a call any more."""
    under_way = IdempotencyRow.answering_until.is_not(None)
    tx.execute(update(IdempotencyRow).where(under_way).values(answering_until=None))
