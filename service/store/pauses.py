"""When somebody kept a connector from being used: such time does not try the patience of what waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from service.store.database import Transaction
from service.store.models import IdentityProviderRow, PauseRow

OLDEST = timedelta(days=400)
"""Pauses that ended longer ago make no difference: no delivery has more than a year of patience since."""


def note(tx: Transaction, provider: IdentityProviderRow, now: datetime) -> None:
    """Begin or end the pauses of an identity provider's connectors, as it is since now."""
    stopped = provider.paused or not provider.enabled
    for connector in provider.connectors:
        _note(tx, connector.id, paused=stopped or not connector.enabled, now=now)


def _note(tx: Transaction, connector_id: str, *, paused: bool, now: datetime) -> None:
    open_ = (PauseRow.connector_id == connector_id, PauseRow.ended_at.is_(None))
    if not paused:
        tx.execute(update(PauseRow).where(*open_).values(ended_at=now))
    elif tx.scalar(select(PauseRow.id).where(*open_).limit(1)) is None:
        tx.add(PauseRow(connector_id=connector_id, began_at=now))
        tx.flush()


def length_since(tx: Transaction, connector_id: str, since: datetime, now: datetime) -> timedelta:
    """For how long the connector was paused between two moments."""
    query = select(PauseRow.began_at, PauseRow.ended_at).where(
        PauseRow.connector_id == connector_id, or_(PauseRow.ended_at.is_(None), PauseRow.ended_at > since)
    )
    lengths = (min(ended or now, now) - max(began, since) for began, ended in tx.execute(query))
    return sum((one for one in lengths if one > timedelta(0)), timedelta(0))
