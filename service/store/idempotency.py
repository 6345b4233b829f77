"""Remembers which request a caller's `Idempotency-Key` named, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete

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


def keep(tx: Transaction, key: Key, *, body_hash: str, request_id: str, now: datetime) -> None:
    """Let the key name this request."""
    tx.add(
        IdempotencyRow(
            principal=key.principal, key=key.text, body_hash=body_hash, request_id=request_id, created_at=now
        )
    )
    tx.flush()
