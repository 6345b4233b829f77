"""How identity providers' targets are doing, in the words of the HTTP contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select

from service.store.database import Transaction
from service.store.models import DeliveryRow, IdentityProviderRow, TargetRow

State = Literal["healthy", "failing", "quarantined", "throttled", "paused", "disabled", "never-used"]


SHOWN = (
    IdentityProviderRow.id,
    IdentityProviderRow.name,
    IdentityProviderRow.enabled,
    IdentityProviderRow.paused,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How one target is doing. `pending` counts what is not final; times are aware."""

    state: State
    reason: str | None = None
    next_probe_at: datetime | None = None
    failures: int = 0
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    pending: int = 0
    oldest_pending_at: datetime | None = None


def health(tx: Transaction, names: Sequence[str], now: datetime) -> dict[str, Health]:
    """The health of the identity providers of those names, by name."""
    query = select(*SHOWN).where(IdentityProviderRow.name.in_(names)).order_by(IdentityProviderRow.id)
    providers = tx.execute(query).all()
    numbers = [row.id for row in providers]
    states = {
        row.identity_provider_id: row
        for row in tx.scalars(select(TargetRow).where(TargetRow.identity_provider_id.in_(numbers)))
    }
    waiting = _waiting(tx, numbers)
    return {
        name: _health(states.get(id_), waiting.get(id_, (0, None)), enabled=enabled, paused=paused, now=now)
        for id_, name, enabled, paused in providers
    }


def _waiting(tx: Transaction, numbers: Sequence[int]) -> dict[int, tuple[int, datetime | None]]:
    query = (
        select(DeliveryRow.identity_provider_id, func.count(), func.min(DeliveryRow.created_at))
        .where(DeliveryRow.identity_provider_id.in_(numbers), DeliveryRow.final_at.is_(None))
        .group_by(DeliveryRow.identity_provider_id)
    )
    return {id_: (count, oldest) for id_, count, oldest in tx.execute(query)}


def _health(
    row: TargetRow | None,
    waiting: tuple[int, datetime | None],
    *,
    enabled: bool,
    paused: bool,
    now: datetime,
) -> Health:
    row = row or TargetRow(quarantined=False, failures=0)
    state, reason = _state(row, enabled=enabled, paused=paused, now=now)
    return Health(
        state=state,
        reason=reason,
        next_probe_at=row.blocked_until if state in {"quarantined", "throttled"} else None,
        failures=row.failures,
        last_success_at=row.last_success_at,
        last_failure_at=row.last_failure_at,
        pending=waiting[0],
        oldest_pending_at=waiting[1],
    )


def _state(row: TargetRow, *, enabled: bool, paused: bool, now: datetime) -> tuple[State, str | None]:
    if not enabled:
        return "disabled", None
    if paused:
        return "paused", None
    if row.quarantined:
        return "quarantined", row.blocked_reason
    if row.blocked_until is not None and row.blocked_until > now:
        return "throttled", row.blocked_reason
    if row.failures:
        return "failing", row.last_error
    return ("never-used", None) if row.last_success_at is None else ("healthy", None)
