"""What was decided, tried and exchanged: written before it is sent, completed after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from service.store import pauses
from service.store.database import Transaction
from service.store.models import AttemptRow, DecisionRow, DeliveryRow, ExchangeRow, RememberedRow
from service.store.secrets import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One exchange about to be sent, secrets masked."""

    purpose: str
    method: str
    url: str
    safe: bool
    headers: Mapping[str, str]
    body: str | None


def record_decision(tx: Transaction, delivery_id: str, *, stage: str, attempt: int, values: Mapping[str, Any]) -> str:
    """Store one decision; `values` are the columns of `DecisionRow` that the verdict fills. Answers its id."""
    row = DecisionRow(delivery_id=delivery_id, stage=stage, attempt=attempt, **values)
    tx.add(row)
    tx.flush()
    return row.id


def begin_attempt(
    tx: Transaction,
    delivery_id: str,
    number: int,
    *,
    worker: str,
    gate: str,
    decision_id: str | None,
    effective_operation: str,
    now: datetime,
) -> AttemptRow:
    """An attempt begins."""
    row = AttemptRow(
        delivery_id=delivery_id,
        number=number,
        worker=worker,
        gate=gate,
        decision_id=decision_id,
        effective_operation=effective_operation,
        started_at=now,
    )
    tx.add(row)
    tx.flush()
    return row


def end_attempt(
    tx: Transaction, attempt_id: str, *, outcome: str, now: datetime, error: Mapping[str, Any] | None = None
) -> None:
    """An attempt ends with an outcome word: a connector's one, or the state that the delivery goes to."""
    row = tx.get_one(AttemptRow, attempt_id)
    row.outcome, row.ended_at = outcome, now
    row.error = dict(error) if error else None


def write_intent(tx: Transaction, attempt_id: str, intent: Intent, now: datetime) -> int:
    """The exchange will be sent once this is committed. Answers its number in the attempt."""
    last = tx.scalar(select(func.max(ExchangeRow.number)).where(ExchangeRow.attempt_id == attempt_id))
    row = ExchangeRow(
        attempt_id=attempt_id,
        number=(last or 0) + 1,
        purpose=intent.purpose,
        method=intent.method,
        url=intent.url,
        safe=intent.safe,
        request_headers=dict(intent.headers),
        request_body=intent.body,
        sent_at=now,
    )
    tx.add(row)
    tx.flush()
    return row.number


def write_reply(
    tx: Transaction,
    attempt_id: str,
    number: int,
    *,
    status: int,
    headers: Mapping[str, str],
    body: str,
    now: datetime,
) -> None:
    """The answer to an exchange, secrets masked."""
    row = tx.get_one(ExchangeRow, (attempt_id, number))
    row.status, row.response_headers, row.response_body, row.replied_at = status, dict(headers), body, now


def write_silence(tx: Transaction, attempt_id: str, number: int, *, failure: str, now: datetime) -> None:
    """No answer came, and why."""
    row = tx.get_one(ExchangeRow, (attempt_id, number))
    row.failure, row.replied_at = failure, now


def write_not_sent(tx: Transaction, attempt_id: str, number: int, *, failure: str, now: datetime) -> None:
    """The exchange never left: it did nothing at the target, so it is as safe as one that only reads."""
    row = tx.get_one(ExchangeRow, (attempt_id, number))
    row.failure, row.replied_at, row.safe = failure, now, True


def unanswered(tx: Transaction, delivery_id: str) -> Sequence[ExchangeRow]:
    """What a delivery's attempts have sent without hearing of it, in the order it was sent."""
    query = (
        select(ExchangeRow)
        .join(AttemptRow, AttemptRow.id == ExchangeRow.attempt_id)
        .where(AttemptRow.delivery_id == delivery_id, _unanswered())
        .order_by(AttemptRow.number, ExchangeRow.number)
    )
    return tx.scalars(query).all()


def left_in_doubt(tx: Transaction, delivery: DeliveryRow) -> Sequence[ExchangeRow]:
    """What the entity's earlier deliveries in the lane have sent without hearing of it, in the order it was sent.

    They were given up, refused or cancelled before anyone looked what had come of it; the next delivery has to. Empty
    once one was delivered since.
    """
    before = (DeliveryRow.lane_id == delivery.lane_id, DeliveryRow.sequence < delivery.sequence)
    last = select(DeliveryRow.state).where(*before).order_by(DeliveryRow.sequence.desc()).limit(1)
    if delivery.sequence == 1 or tx.scalar(last) in {None, "delivered"}:
        return ()
    delivered = select(func.coalesce(func.max(DeliveryRow.sequence), 0)).where(
        *before, DeliveryRow.state == "delivered"
    )
    query = (
        select(ExchangeRow)
        .join(AttemptRow, AttemptRow.id == ExchangeRow.attempt_id)
        .join(DeliveryRow, DeliveryRow.id == AttemptRow.delivery_id)
        .where(*before, DeliveryRow.sequence > func.coalesce(delivered.scalar_subquery(), 0))
        .where(DeliveryRow.entity_id == delivery.entity_id, _unanswered())
        .order_by(DeliveryRow.sequence, AttemptRow.number, ExchangeRow.number)
    )
    return tx.scalars(query).all()


def _unanswered() -> ColumnElement[bool]:
    """That nobody knows whether an exchange took effect; see `connectors.connector.Exchange.unanswered`."""
    return ExchangeRow.safe.is_(False) & (ExchangeRow.status.is_(None) | (ExchangeRow.status >= 500))


def remember(tx: Transaction, vault: Vault, connector_id: str, *, key: str, value: str, expires_at: datetime) -> None:
    """Keep a fact about a target, sealed."""
    sealed = vault.seal(value, f"remembered:{connector_id}:{key}")
    tx.merge(RememberedRow(connector_id=connector_id, key=key, sealed=sealed, expires_at=expires_at))


def remembered(tx: Transaction, vault: Vault, connector_id: str, now: datetime) -> dict[str, str]:
    """The facts about a target that have not expired, opened."""
    query = select(RememberedRow).where(RememberedRow.connector_id == connector_id, RememberedRow.expires_at > now)
    return {row.key: vault.open(row.sealed, f"remembered:{connector_id}:{row.key}") for row in tx.scalars(query)}


def tried_since(tx: Transaction, delivery: DeliveryRow, now: datetime) -> datetime:
    """When a delivery was first tried, as a revived one since then; now, when it was not. Pauses since move it on.

    Its patience counts from there: none of it goes while its target is paused, or while those before it are tried.
    """
    attempts = select(func.min(AttemptRow.started_at)).where(
        AttemptRow.delivery_id == delivery.id, AttemptRow.started_at >= delivery.created_at
    )
    decisions = select(func.min(DecisionRow.decided_at)).where(
        DecisionRow.delivery_id == delivery.id,
        DecisionRow.stage == "attempt",
        DecisionRow.decided_at >= delivery.created_at,
    )
    first = min((one for one in (tx.scalar(attempts), tx.scalar(decisions)) if one is not None), default=now)
    return first + pauses.length_since(tx, delivery.connector_id, first, now)


def decisions_of_delivery(tx: Transaction, delivery_id: str) -> int:
    """How many decisions were made about a delivery before its attempts."""
    query = select(func.count()).select_from(DecisionRow)
    return tx.scalar(query.where(DecisionRow.delivery_id == delivery_id, DecisionRow.stage == "attempt")) or 0
