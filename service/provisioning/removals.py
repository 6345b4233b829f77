"""Deletion safety: a bad import must not empty a target, and what Sluice did not make it does not delete unasked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.providers import DeliverySettings
from service.store import removals
from service.store.database import Transaction
from service.store.models import DeliveryRow, LinkRow

THRESHOLD = "urn:sluice:deletion-threshold"
"""Stands among a delivery's approvals for that of one removal beyond the threshold."""


def is_removal(operation: str, attributes: Mapping[str, Any], link: LinkRow | None) -> bool:
    """Whether the account will be gone or locked afterwards, and is not yet."""
    if link is None:
        return False
    return operation == "delete" or (attributes.get("active") is False and link.active)


def beyond_threshold(
    tx: Transaction, delivery: DeliveryRow, settings: DeliverySettings, *, target: str, now: datetime
) -> str | None:
    """Why the removal waits for an approval; None when it may go. Marks one that goes, so that it counts."""
    if THRESHOLD in delivery.approvals:
        delivery.removal = True
        return None
    if settings.deletion_count is None and settings.deletion_share is None:
        return None
    counted = removals.count(tx, delivery, now - settings.deletion_window)
    if not _exceeds(counted, settings):
        delivery.removal = True
        return None
    return (
        f"would be removal number {counted.removed + 1} from `{target}` within {settings.deletion_window}, of "
        f"{counted.accounts} accounts: more than its deletion threshold lets through without an approval"
    )


def _exceeds(counted: removals.Count, settings: DeliverySettings) -> bool:
    """Beyond every limit that is set: a share alone would stop the one leaver of a small target."""
    wanted = counted.removed + 1
    count, share = settings.deletion_count, settings.deletion_share
    return (count is None or wanted > count) and (share is None or wanted > share * counted.accounts)
