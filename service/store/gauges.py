"""What the database knows of queues and targets, as numbers for monitoring."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select

from service.store.database import Transaction
from service.store.models import DeliveryRow, IdentityProviderRow, LinkRow, TargetRow

Numbers = Iterable[tuple[tuple[str, ...], float]]


def queue_depth(tx: Transaction) -> Numbers:
    """Deliveries that are not final, by target and state."""
    query = (
        select(DeliveryRow.identity_provider, DeliveryRow.state, func.count())
        .where(DeliveryRow.final_at.is_(None))
        .group_by(DeliveryRow.identity_provider, DeliveryRow.state)
    )
    return [((target, state), float(count)) for target, state, count in tx.execute(query)]


def oldest_seconds(tx: Transaction, now: datetime) -> Numbers:
    """The age of the oldest delivery that is not final, by target."""
    query = (
        select(DeliveryRow.identity_provider, func.min(DeliveryRow.created_at))
        .where(DeliveryRow.final_at.is_(None))
        .group_by(DeliveryRow.identity_provider)
    )
    return [((target,), (now - oldest).total_seconds()) for target, oldest in tx.execute(query)]


def queue(tx: Transaction, now: datetime) -> tuple[int, float]:
    """How many deliveries are not final, and the age of the oldest in seconds (0 without any)."""
    query = select(func.count(), func.min(DeliveryRow.created_at)).where(DeliveryRow.final_at.is_(None))
    count, oldest = tx.execute(query).one()
    return count, (now - oldest).total_seconds() if oldest is not None else 0.0


def targets(tx: Transaction) -> list[tuple[str, int, bool, bool]]:
    """Name, consecutive failures, quarantined, paused, of every identity provider."""
    query = select(
        IdentityProviderRow.name,
        func.coalesce(TargetRow.failures, 0),
        func.coalesce(TargetRow.quarantined, False),
        IdentityProviderRow.paused,
    ).outerjoin(TargetRow, TargetRow.identity_provider_id == IdentityProviderRow.id)
    return [(name, failures, quarantined, paused) for name, failures, quarantined, paused in tx.execute(query)]


def kept_accounts(tx: Transaction) -> Numbers:
    """Accounts that stay although their removal was asked for, by target."""
    query = (
        select(LinkRow.identity_provider, func.count())
        .where(LinkRow.kept.is_not(None))
        .group_by(LinkRow.identity_provider)
    )
    return [((target,), float(count)) for target, count in tx.execute(query)]
