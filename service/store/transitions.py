"""The state changes of a delivery: named, guarded by the state they leave, with the reason stored.

    pending ──► running ──► delivered
       │  ▲        │ ├────► refused      (policy)
       │  │        │ ├────► failed       (dead letter) ──revive──► pending
       │  └─held◄──┤ ├────► retrying ──► running
       │           │ └────► awaiting-approval ──approve──► pending
       └───────────┴──────► cancelled    (from any state but running)

A change whose delivery has left the expected state meanwhile raises `WrongState` and so rolls its transaction back.
Every change moves the lane's due time and, when it is final, the request's state; a final request's password is wiped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from service.store import leases, rows
from service.store.database import Transaction
from service.store.models import FINAL_STATES, STARTABLE, DeliveryRow, LaneRow, RequestRow

WAITING = ("pending", "retrying", "held", "awaiting-approval")
WORST_FIRST = ("failed", "cancelled", "refused", "delivered")

_REQUESTS, _DELIVERIES = RequestRow.__table__.c, DeliveryRow.__table__.c
_LOCK = select(_REQUESTS.id).where(_REQUESTS.id == bindparam("request")).with_for_update()
_STATES = select(_DELIVERIES.state).where(_DELIVERIES.request_id == bindparam("request"))


class WrongState(Exception):
    """The delivery is not in a state that this change may leave; `state` is the one it is in."""

    def __init__(self, delivery_id: str, wanted: Sequence[str], state: str) -> None:
        super().__init__(f"delivery `{delivery_id}` is `{state}`, not {' or '.join(wanted)}")
        self.state = state


def start(tx: Transaction, delivery: DeliveryRow, *, effective_operation: str, now: datetime) -> int:
    """An attempt begins. Answers its number."""
    number = delivery.attempts + 1
    _move(tx, delivery, STARTABLE, "running", reason=None, attempts=number, due_at=now, operation=effective_operation)
    return number


def deliver(
    tx: Transaction,
    delivery: DeliveryRow,
    *,
    outcome: str,
    now: datetime,
    warnings: Sequence[Any] = (),
    reason: str = "",
) -> None:
    """The target confirmed, or there was nothing to do."""
    _end(tx, delivery, STARTABLE, "delivered", now, reason=reason or None, outcome=outcome, warnings=list(warnings))


def refuse(tx: Transaction, delivery: DeliveryRow, *, reason: str, now: datetime, uncertain: bool = False) -> None:
    """The policy, or the one who was asked, did not permit."""
    _end(tx, delivery, (*STARTABLE, "awaiting-approval"), "refused", now, reason=reason, uncertain=uncertain)


def fail(
    tx: Transaction, delivery: DeliveryRow, *, reason: str, now: datetime, error: Mapping[str, Any] | None = None
) -> None:
    """No later attempt could succeed, or there will be none: a dead letter."""
    _end(tx, delivery, STARTABLE, "failed", now, reason=reason, error=dict(error) if error else None)


def cancel(tx: Transaction, delivery: DeliveryRow, *, reason: str, now: datetime) -> None:
    """Someone took it back, or its row was removed, before it was sent."""
    _end(tx, delivery, WAITING, "cancelled", now, reason=reason)


def retry_later(
    tx: Transaction,
    delivery: DeliveryRow,
    *,
    due_at: datetime,
    reason: str,
    error: Mapping[str, Any] | None = None,
) -> None:
    """Try again at `due_at`."""
    _move(tx, delivery, STARTABLE, "retrying", reason=reason, due_at=due_at, error=dict(error) if error else None)


def hold(tx: Transaction, delivery: DeliveryRow, *, reason: str) -> None:
    """Wait until the target, or the provider, may be used again."""
    _move(tx, delivery, STARTABLE, "held", reason=reason, due_at=None)


def await_approval(tx: Transaction, delivery: DeliveryRow, *, reason: str) -> None:
    """Wait for someone's decision."""
    _move(tx, delivery, STARTABLE, "awaiting-approval", reason=reason, due_at=None)


def resume(tx: Transaction, delivery: DeliveryRow, *, now: datetime) -> None:
    """What was held may go on."""
    _move(tx, delivery, ("held",), "pending", reason=None, due_at=now)


def approve(tx: Transaction, delivery: DeliveryRow, *, policies: Sequence[str], reason: str, now: datetime) -> None:
    """An approval binds to the delivery and to the policies that asked for it."""
    approvals = sorted({*delivery.approvals, *policies})
    _move(tx, delivery, ("awaiting-approval",), "pending", reason=reason, due_at=now, approvals=approvals)


def revive(tx: Transaction, delivery: DeliveryRow, *, now: datetime) -> None:
    """A dead letter is tried again: with the state of now, at the end of its lane."""
    lane = tx.get_one(LaneRow, delivery.lane_id, with_for_update=True)
    sequence = leases.next_sequence(tx, lane)
    _move(
        tx, delivery, ("failed",), "pending",
        reason="retried by hand", due_at=now, final_at=None, sequence=sequence, of_now=True, created_at=now,
    )  # fmt: skip
    request = tx.get_one(RequestRow, delivery.request_id)
    request.state, request.final_at = "pending", None


def try_now(tx: Transaction, delivery: DeliveryRow, *, now: datetime) -> None:
    """Do not wait for the next attempt's time."""
    _move(tx, delivery, ("retrying",), "retrying", reason=delivery.reason, due_at=now)


def _end(
    tx: Transaction, delivery: DeliveryRow, sources: Sequence[str], state: str, now: datetime, **values: Any
) -> None:
    _move(tx, delivery, sources, state, final_at=now, due_at=None, **values)
    settle(tx, delivery.request_id, now)


def _move(
    tx: Transaction,
    delivery: DeliveryRow,
    sources: Sequence[str],
    state: str,
    *,
    operation: str | None = None,
    **values: Any,
) -> None:
    if operation is not None:
        values["effective_operation"] = operation
    values["state"] = state
    tx.flush()
    statement = rows.update_of(DeliveryRow, ("id",), tuple(sources))
    if rows.count(tx.execute(statement, {"key_id": delivery.id, **values})) != 1:
        tx.refresh(delivery)
        raise WrongState(delivery.id, sources, delivery.state)
    rows.mirror(delivery, values)
    if state != "running":  # a lane that is begun with is due already
        leases.reschedule(tx, delivery.lane_id)


def settle(tx: Transaction, request_id: str, now: datetime) -> None:
    """Derive the request's state from its deliveries; a final one keeps no password."""
    tx.flush()
    tx.execute(_LOCK, {"request": request_id})
    state = request_state(set(tx.execute(_STATES, {"request": request_id}).scalars()))
    if state != "pending":
        final = {"state": state, "final_at": now, "sealed_password": None}
        rows.change(tx, RequestRow, {"id": request_id}, final)


def request_state(states: set[str]) -> str:
    """`pending` while any delivery is not final, else the worst of them; `nothing-to-do` without deliveries."""
    if not states:
        return "nothing-to-do"
    if states - set(FINAL_STATES):
        return "pending"
    return next(state for state in WORST_FIRST if state in states)
