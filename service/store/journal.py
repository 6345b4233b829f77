"""What was decided, tried and exchanged: written before it is sent, completed after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from service.store import pauses, rows
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
    return rows.store(tx, DecisionRow(delivery_id=delivery_id, stage=stage, attempt=attempt, **values)).id


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
    return rows.store(tx, row)


def end_attempt(
    tx: Transaction, attempt_id: str, *, outcome: str, now: datetime, error: Mapping[str, Any] | None = None
) -> None:
    """An attempt ends with an outcome word: a connector's one, or the state that the delivery goes to."""
    values = {"outcome": outcome, "ended_at": now, "error": dict(error) if error else None}
    rows.change(tx, AttemptRow, {"id": attempt_id}, values)


def write_intent(tx: Transaction, attempt_id: str, number: int, intent: Intent, now: datetime) -> None:
    """The attempt's exchange of that number, from 1 on, will be sent once this is committed."""
    row = ExchangeRow(
        attempt_id=attempt_id,
        number=number,
        purpose=intent.purpose,
        method=intent.method,
        url=intent.url,
        safe=intent.safe,
        request_headers=dict(intent.headers),
        request_body=intent.body,
        sent_at=now,
    )
    rows.store(tx, row)


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
    reply = {"status": status, "response_headers": dict(headers), "response_body": body, "replied_at": now}
    rows.change(tx, ExchangeRow, {"attempt_id": attempt_id, "number": number}, reply)


def write_silence(tx: Transaction, attempt_id: str, number: int, *, failure: str, now: datetime) -> None:
    """No answer came, and why."""
    silence = {"failure": failure, "replied_at": now}
    rows.change(tx, ExchangeRow, {"attempt_id": attempt_id, "number": number}, silence)


def write_not_sent(tx: Transaction, attempt_id: str, number: int, *, failure: str, now: datetime) -> None:
    """The exchange never left: it did nothing at the target, so it is as safe as one that only reads."""
    nothing = {"failure": failure, "replied_at": now, "safe": True}
    rows.change(tx, ExchangeRow, {"attempt_id": attempt_id, "number": number}, nothing)


def unanswered(tx: Transaction, delivery_id: str) -> Sequence[ExchangeRow]:
    """What a delivery's attempts have sent without hearing of it, in the order it was sent."""
    return tx.scalars(_UNANSWERED, {"delivery": delivery_id}).all()


def left_in_doubt(tx: Transaction, delivery: DeliveryRow) -> Sequence[ExchangeRow]:
    """What the entity's earlier deliveries in the lane have sent without hearing of it, in the order it was sent.

    They were given up, refused or cancelled before anyone looked what had come of it; the next delivery has to. Empty
    once one was delivered since.
    """
    if delivery.sequence == 1:
        return ()
    before = (DeliveryRow.lane_id == delivery.lane_id, DeliveryRow.sequence < delivery.sequence)
    last = select(DeliveryRow.state).where(*before).order_by(DeliveryRow.sequence.desc()).limit(1)
    if tx.scalar(last) in {None, "delivered"}:
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


_UNANSWERED = (
    select(ExchangeRow)
    .join(AttemptRow, AttemptRow.id == ExchangeRow.attempt_id)
    .where(AttemptRow.delivery_id == bindparam("delivery"), _unanswered())
    .order_by(AttemptRow.number, ExchangeRow.number)
)
_REMEMBERED_COLUMNS = RememberedRow.__table__.c
_WHOLE_KEY, _LEARNED = ["connector_id", "key"], ("sealed", "expires_at")
_INSERT_THERE, _INSERT_HERE = postgresql.insert(RememberedRow), sqlite.insert(RememberedRow)
_REMEMBER_THERE = _INSERT_THERE.on_conflict_do_update(
    index_elements=_WHOLE_KEY, set_={name: _INSERT_THERE.excluded[name] for name in _LEARNED}
)
_REMEMBER_HERE = _INSERT_HERE.on_conflict_do_update(
    index_elements=_WHOLE_KEY, set_={name: _INSERT_HERE.excluded[name] for name in _LEARNED}
)
_REMEMBERED = select(_REMEMBERED_COLUMNS.key, _REMEMBERED_COLUMNS.sealed).where(
    _REMEMBERED_COLUMNS.connector_id == bindparam("connector"), _REMEMBERED_COLUMNS.expires_at > bindparam("now")
)


def remember(tx: Transaction, vault: Vault, connector_id: str, *, key: str, value: str, expires_at: datetime) -> None:
    """Keep a fact about a target, sealed; two workers may learn the same at once."""
    sealed = vault.seal(value, f"remembered:{connector_id}:{key}")
    statement = _REMEMBER_THERE if tx.get_bind().dialect.name == "postgresql" else _REMEMBER_HERE
    tx.execute(statement, {"connector_id": connector_id, "key": key, "sealed": sealed, "expires_at": expires_at})


def remembered(tx: Transaction, vault: Vault, connector_id: str, now: datetime) -> dict[str, str]:
    """The facts about a target that have not expired, opened."""
    found = tx.execute(_REMEMBERED, {"connector": connector_id, "now": now})
    return {key: vault.open(sealed, f"remembered:{connector_id}:{key}") for key, sealed in found}


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
