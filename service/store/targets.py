"""How each identity provider's target fares, and whose turn it is: state that all workers share.

A target is blocked for a while when it asks for patience or when its rate limit is used up, and quarantined when it
failed too often in a row or does not accept the credentials: then one delivery at a time probes it. A target that
answers has nothing written about it, but that it answered, once a minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import aliased

from service.providers import DeliverySettings
from service.store import rows
from service.store.database import Transaction
from service.store.models import DeliveryRow, IdentityProviderRow, LaneRow, TargetRow

SUCCESS_NOTED = timedelta(minutes=1)
"""How fresh the note of the last success is; so that a success costs no write."""

CREDENTIALS_PROBED = timedelta(minutes=15)
"""Between two looks at a target that did not accept the credentials: more often could lock the account there."""

PROBE = timedelta(minutes=2)
"""How long a probe has before another one may begin: longer than a lease, whose worker may die."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A target with a lane that is due. `ailing`: it failed lately, or it is being probed: one lane at a time."""

    target: int
    ailing: bool
    quarantined: bool
    leased: int
    concurrency: int | None

    @property
    def has_room(self) -> bool:
        """Whether one more lane may be drained."""
        limit = 1 if self.ailing else self.concurrency
        return limit is None or self.leased < limit


_COLUMNS = TargetRow.__table__.c
_HEALTH = select(_COLUMNS.failures, _COLUMNS.quarantined, _COLUMNS.last_success_at).where(
    _COLUMNS.identity_provider_id == bindparam("target")
)
_BLOCK = select(_COLUMNS.quarantined, _COLUMNS.blocked_until).where(
    _COLUMNS.identity_provider_id == bindparam("target")
)


def ensure(tx: Transaction, target: int) -> TargetRow:
    """The state of a target; made when there is none."""
    row = tx.get(TargetRow, target)
    if row is None:
        row = TargetRow(identity_provider_id=target, quarantined=False, failures=0, probes=0, tokens=0.0)
        tx.add(row)
        tx.flush()
    return row


def renew(tx: Transaction, target: int) -> None:
    """The state of a target that nothing is known of: a row id may have belonged to another identity provider."""
    tx.execute(delete(TargetRow).where(_is(target)))
    ensure(tx, target)


def turns(tx: Transaction, now: datetime) -> list[Turn]:
    """The targets that may be sent to and have a lane due that nobody works on. Costs by targets, not by lanes."""
    due = select(LaneRow.id).where(_of_target, LaneRow.lease_until.is_(None), LaneRow.due_at <= now).exists()
    leased = (
        select(func.count()).where(_of_target, LaneRow.lease_until.is_not(None)).correlate(TargetRow).scalar_subquery()
    )
    query = (
        select(TargetRow.identity_provider_id, TargetRow.failures, TargetRow.quarantined, leased, _settings)
        .outerjoin(IdentityProviderRow, IdentityProviderRow.id == TargetRow.identity_provider_id)
        .where(due, _may_start(now))
    )
    return [
        Turn(target, bool(failures) or quarantined, quarantined, count, (settings or {}).get("concurrency"))
        for target, failures, quarantined, count, settings in tx.execute(query)
    ]


_of_target = LaneRow.identity_provider_id == TargetRow.identity_provider_id
_settings = IdentityProviderRow.delivery


def _may_start(now: datetime) -> ColumnElement[bool]:
    """Neither blocked nor held by hand; a target whose identity provider is gone may: its deliveries end so."""
    unblocked = or_(TargetRow.blocked_until.is_(None), TargetRow.blocked_until <= now)
    gone = IdentityProviderRow.id.is_(None)
    return and_(unblocked, or_(gone, and_(IdentityProviderRow.enabled, ~IdentityProviderRow.paused)))


def turn_of(tx: Transaction, lane_id: str, now: datetime) -> Turn | None:
    """The turn of the target of one lane; None while it may not be sent to."""
    other = aliased(LaneRow)
    leased = (
        select(func.count())
        .where(other.identity_provider_id == TargetRow.identity_provider_id, other.lease_until.is_not(None))
        .correlate(TargetRow)
        .scalar_subquery()
    )
    query = (
        select(TargetRow.identity_provider_id, TargetRow.failures, TargetRow.quarantined, leased, _settings)
        .join(LaneRow, _of_target)
        .outerjoin(IdentityProviderRow, IdentityProviderRow.id == TargetRow.identity_provider_id)
        .where(LaneRow.id == lane_id, _may_start(now))
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    target, failures, quarantined, count, settings = row
    return Turn(target, bool(failures) or quarantined, quarantined, count, (settings or {}).get("concurrency"))


def take(tx: Transaction, turn: Turn) -> bool:
    """Take a turn: false when another worker was faster. Its lane is leased in the same transaction."""
    if not turn.has_room:
        return False
    if turn.concurrency is None and not turn.ailing:
        return True
    # Two workers that count at once would both find room: they count in line.
    tx.execute(select(TargetRow.identity_provider_id).where(_is(turn.target)).with_for_update())
    leased = tx.scalar(
        select(func.count()).where(LaneRow.identity_provider_id == turn.target, LaneRow.lease_until.is_not(None))
    )
    return (leased or 0) < (1 if turn.ailing else turn.concurrency or 1)


def take_probe(tx: Transaction, target: int, now: datetime) -> datetime | None:
    """The right to probe a quarantined target, and until when nobody else has it; None when someone was faster."""
    free = or_(TargetRow.blocked_until.is_(None), TargetRow.blocked_until <= now)
    query = update(TargetRow).where(_is(target), TargetRow.quarantined, free).values(blocked_until=now + PROBE)
    return now + PROBE if _count(tx.execute(query)) == 1 else None


def give_up_probe(tx: Transaction, target: int, until: datetime, now: datetime) -> None:
    """A probe that sent nothing, so that nothing was learned: another lane may try."""
    mine = (TargetRow.quarantined, TargetRow.blocked_until == until)
    tx.execute(update(TargetRow).where(_is(target), *mine).values(blocked_until=now))


def next_turn(tx: Transaction) -> datetime | None:
    """When the earliest lane is due that may be drained then; a time in the past where only room is missing."""
    due = (
        select(func.min(LaneRow.due_at))
        .where(_of_target, LaneRow.lease_until.is_(None))
        .correlate(TargetRow)
        .scalar_subquery()
    )
    query = (
        select(due, TargetRow.blocked_until)
        .outerjoin(IdentityProviderRow, IdentityProviderRow.id == TargetRow.identity_provider_id)
        .where(or_(IdentityProviderRow.id.is_(None), and_(IdentityProviderRow.enabled, ~IdentityProviderRow.paused)))
    )
    moments = [max(at, blocked) if blocked else at for at, blocked in tx.execute(query) if at is not None]
    return min(moments, default=None)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is sent to a target; `until`: when it is probed next, None for as long as someone wants it so."""

    reason: str
    until: datetime | None = None


def holds(tx: Transaction) -> dict[int, Hold]:
    """The targets that are disabled, paused or quarantined. What is due for them is shown as held."""
    query = (
        select(TargetRow, IdentityProviderRow.name, IdentityProviderRow.enabled, IdentityProviderRow.paused)
        .join(IdentityProviderRow, IdentityProviderRow.id == TargetRow.identity_provider_id)
        .where(or_(TargetRow.quarantined, ~IdentityProviderRow.enabled, IdentityProviderRow.paused))
    )
    return {
        row.identity_provider_id: _hold(row, name, enabled=enabled, paused=paused)
        for row, name, enabled, paused in tx.execute(query)
    }


def _hold(row: TargetRow, name: str, *, enabled: bool, paused: bool) -> Hold:
    if not enabled:
        return Hold(f"identity provider `{name}` is disabled")
    if paused:
        return Hold(f"identity provider `{name}` is paused")
    return Hold(f"identity provider `{name}` is quarantined: {row.blocked_reason}", row.blocked_until)


def refuses(tx: Transaction, target: int, now: datetime, *, probing: bool) -> bool:
    """Whether nothing may be sent now, but by the one who probes."""
    tx.flush()
    quarantined, until = tx.execute(_BLOCK, {"target": target}).one_or_none() or (False, None)
    return (quarantined or (until is not None and until > now)) and not probing


def answered(tx: Transaction, target: int, now: datetime) -> bool:
    """The target lives: it took the credentials and answered. Answers whether that ends a quarantine."""
    tx.flush()
    failures, healed, last = tx.execute(_HEALTH, {"target": target}).one_or_none() or (0, False, None)
    if last is not None and now - last < SUCCESS_NOTED and not failures and not healed:
        return False
    ensure(tx, target)
    values: dict[str, Any] = {"failures": 0, "probes": 0, "quarantined": False, "last_success_at": now}
    if healed:
        values |= {"blocked_until": None, "blocked_reason": None}
    rows.change(tx, TargetRow, {"identity_provider_id": target}, values)
    if healed:
        hurry(tx, target, now)
    return healed


def failed(tx: Transaction, target: int, settings: DeliverySettings, *, reason: str, now: datetime) -> datetime | None:
    """The target did not answer, or not usably. Answers when the next probe is when that quarantines it."""
    row = lock(tx, target)
    row.failures += 1
    row.last_failure_at, row.last_error = now, reason
    if not row.quarantined and row.failures < settings.breaker_threshold:
        tx.flush()
        return None
    doubled = settings.first_probe * float(2 ** min(row.probes, 32))
    _quarantine(row, now + min(doubled, settings.longest_probe), f"failed {row.failures} times in a row: {reason}")
    tx.flush()
    return row.blocked_until


def rejected_credentials(tx: Transaction, target: int, *, reason: str, now: datetime) -> datetime:
    """Nothing can succeed before the credentials change: quarantined at once. Answers when the next probe is."""
    row = lock(tx, target)
    row.failures += 1
    row.last_failure_at, row.last_error = now, reason
    until = now + CREDENTIALS_PROBED
    _quarantine(row, until, reason)
    tx.flush()
    return until


def _quarantine(row: TargetRow, until: datetime, reason: str) -> None:
    row.probes += 1 if row.quarantined else 0
    row.quarantined, row.blocked_until, row.blocked_reason = True, until, reason


def block(tx: Transaction, target: int, until: datetime, reason: str) -> None:
    """Leave the target alone until then, as it asked for."""
    row = lock(tx, target)
    if row.blocked_until is None or row.blocked_until < until or row.quarantined:
        row.blocked_until, row.blocked_reason = until, reason
    tx.flush()


def lift(tx: Transaction, target: int, now: datetime) -> None:
    """Forget what is held against a target: someone mended or resumed it. What waits for it is tried at once."""
    row = lock(tx, target)
    row.blocked_until = row.blocked_reason = None
    row.failures, row.probes, row.quarantined = 0, 0, False
    tx.flush()
    hurry(tx, target, now)


def hurry(tx: Transaction, target: int, now: datetime) -> None:
    """Do not wait for the next attempts' times: why the last ones failed is over."""
    free = select(LaneRow.id).where(
        LaneRow.identity_provider_id == target, LaneRow.lease_until.is_(None), LaneRow.due_at > now
    )
    lanes = list(tx.scalars(free.with_for_update(skip_locked=True)))
    for part in _parts(lanes):
        waiting = (DeliveryRow.lane_id.in_(part), DeliveryRow.state == "retrying", DeliveryRow.due_at > now)
        tx.execute(update(DeliveryRow).where(*waiting).values(due_at=now))
        tx.execute(update(LaneRow).where(LaneRow.id.in_(part)).values(due_at=now))


def _parts(ids: list[str], size: int = 500) -> Iterable[list[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def spend(tx: Transaction, target: int, settings: DeliverySettings, now: datetime) -> None:
    """Count one request against the rate limit; one more than there are tokens is owed."""
    if settings.rate is None:
        return
    row = lock(tx, target)
    row.tokens, row.tokens_at = _tokens(row, settings, settings.rate, now) - 1.0, now
    tx.flush()


def out_of_tokens(tx: Transaction, target: int, settings: DeliverySettings, now: datetime) -> bool:
    """Whether the rate limit forbids to begin; then the target is blocked until it does not."""
    if settings.rate is None:
        return False
    row = lock(tx, target)
    missing = 1.0 - _tokens(row, settings, settings.rate, now)
    if missing <= 0:
        return False
    until = now + timedelta(seconds=missing / settings.rate)
    if not row.quarantined and (row.blocked_until is None or row.blocked_until < until):
        row.blocked_until, row.blocked_reason = until, f"its rate limit of {settings.rate:g} requests a second"
        tx.flush()
    return True


def _tokens(row: TargetRow, settings: DeliverySettings, rate: float, now: datetime) -> float:
    if row.tokens_at is None:
        return float(settings.burst)
    return min(float(settings.burst), row.tokens + max(0.0, (now - row.tokens_at).total_seconds()) * rate)


def lock(tx: Transaction, target: int) -> TargetRow:
    """The state of a target, its row locked."""
    ensure(tx, target)
    query = select(TargetRow).where(_is(target)).with_for_update().execution_options(populate_existing=True)
    return tx.scalars(query).one()


def _is(target: int) -> ColumnElement[bool]:
    return TargetRow.identity_provider_id == target


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
