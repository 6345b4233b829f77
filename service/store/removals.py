"""How many accounts are taken away from a target: what the deletion threshold counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select

from service.store import targets
from service.store.database import Transaction
from service.store.models import ConnectorRow, DeliveryRow, LinkRow


@dataclass(frozen=True, slots=True)
class Count:
    """Accounts taken away lately, those under way included, and how many there were before."""

    removed: int
    accounts: int


def count(tx: Transaction, delivery: DeliveryRow, since: datetime) -> Count:
    """What was taken away from a delivery's target since then, but by itself. Others that count wait in line."""
    targets.lock(tx, delivery.identity_provider_id)
    lately = or_(DeliveryRow.final_at.is_(None), and_(DeliveryRow.state == "delivered", DeliveryRow.final_at >= since))
    removals = select(func.count()).where(
        DeliveryRow.identity_provider_id == delivery.identity_provider_id,
        DeliveryRow.removal,
        lately,
        DeliveryRow.id != delivery.id,
    )
    connectors = select(ConnectorRow.id).where(ConnectorRow.identity_provider_id == delivery.identity_provider_id)
    linked = select(func.count()).where(LinkRow.connector_id.in_(connectors), LinkRow.active)
    removed = tx.scalar(removals) or 0
    return Count(removed, removed + (tx.scalar(linked) or 0))
