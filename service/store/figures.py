"""Figures of the last hours and of now, each read from an index or from a bounded number of rows.

Deliveries are counted in the hour in which they were accepted, which their ids tell (RFC 9562, section 5.7): the index
over state and id answers that without a look at any delivery.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Text, cast, func, literal, select, union_all

from service.store.database import Transaction
from service.store.ids import earliest_id
from service.store.models import FINAL_STATES, OPEN_STATES, DecisionRow, DeliveryRow

HOURS: Final = 24
LATEST: Final = 1000
"""How many deliveries tell how a target fares."""
MOST_REFUSALS: Final = 2000
"""Of as many refusals is told which policies they were due to, the latest first."""
MOST_OPEN: Final = 20_000
"""Open deliveries are counted by target up to here: a page must not wait for more."""


@dataclass(frozen=True, slots=True)
class Hour:
    """The deliveries that were accepted within the hour from `start`, by the state that they are in now."""

    start: datetime
    states: dict[str, int]

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Waiting:
    """The oldest delivery that has not come to an end."""

    id: str
    request_id: str
    identity_provider: str
    state: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TargetFigures:
    """How one target fares: the states of its latest deliveries, and what is open for it by state."""

    latest: dict[str, int]
    open: dict[str, int]
    last_delivered_at: datetime | None


def by_hour(tx: Transaction, now: datetime) -> list[Hour]:
    """The last `HOURS` hours in their order; the last one has only begun."""
    this = now.replace(minute=0, second=0, microsecond=0)
    starts = [this - timedelta(hours=HOURS - 1 - number) for number in range(HOURS)]
    states: list[dict[str, int]] = [{} for _ in starts]
    within = [
        select(literal(number), DeliveryRow.state, func.count())
        .where(
            DeliveryRow.state.in_((*FINAL_STATES, *OPEN_STATES)),
            DeliveryRow.id >= earliest_id(start),
            DeliveryRow.id < earliest_id(start + timedelta(hours=1)),
        )
        .group_by(DeliveryRow.state)
        for number, start in enumerate(starts)
    ]
    for number, state, count in tx.execute(union_all(*within)):
        states[number][state] = count
    return [Hour(start, found) for start, found in zip(starts, states, strict=True)]


def oldest_open(tx: Transaction) -> Waiting | None:
    """The delivery that has been open for longest, None when nothing is."""
    found: list[DeliveryRow] = []
    for state in OPEN_STATES:
        query = select(DeliveryRow).where(DeliveryRow.state == state).order_by(DeliveryRow.id).limit(1)
        found += tx.scalars(query).all()
    oldest = min(found, key=lambda row: row.id, default=None)
    if oldest is None:
        return None
    return Waiting(
        oldest.id, oldest.request_id, oldest.identity_provider, oldest.state, oldest.reason, oldest.created_at
    )


def refusing_policies(tx: Transaction, now: datetime) -> list[tuple[str, int]]:
    """The policies that refused deliveries of the last `HOURS` hours, those with most refusals first.

    A refusal that no policy decided, because none applied, counts under the empty name.
    """
    since = earliest_id(now - timedelta(hours=HOURS))
    refused = (
        select(DeliveryRow.id)
        .where(DeliveryRow.state == "refused", DeliveryRow.id >= since)
        .order_by(DeliveryRow.id.desc())
        .limit(MOST_REFUSALS)
        .subquery()
    )
    policies = cast(DecisionRow.policies, Text)
    query = (
        select(policies, func.count(func.distinct(DecisionRow.delivery_id)))
        .join(refused, refused.c.id == DecisionRow.delivery_id)
        .where(DecisionRow.gate == "refused")
        .group_by(policies)
    )
    counted: Counter[str] = Counter()
    for names, count in tx.execute(query):
        for name in json.loads(names) or [""]:
            counted[name] += count
    return counted.most_common()


def of_targets(tx: Transaction) -> dict[str, TargetFigures]:
    """How the targets fare that the latest deliveries went to, or that something is open for, by their names."""
    newest = select(DeliveryRow.identity_provider, DeliveryRow.state, DeliveryRow.final_at).order_by(
        DeliveryRow.id.desc()
    )
    latest: dict[str, Counter[str]] = {}
    delivered: dict[str, datetime] = {}
    for name, state, final_at in tx.execute(newest.limit(LATEST)):
        latest.setdefault(name, Counter())[state] += 1
        if state == "delivered" and final_at is not None:
            delivered[name] = max(final_at, delivered.get(name, final_at))
    waiting = _open_by_target(tx)
    return {
        name: TargetFigures(dict(latest.get(name, {})), waiting.get(name, {}), delivered.get(name))
        for name in latest.keys() | waiting.keys()
    }


def _open_by_target(tx: Transaction) -> dict[str, dict[str, int]]:
    some = (
        select(DeliveryRow.identity_provider, DeliveryRow.state)
        .where(DeliveryRow.state.in_(OPEN_STATES))
        .limit(MOST_OPEN)
        .subquery()
    )
    found: dict[str, dict[str, int]] = {}
    rows: Sequence[Any] = tx.execute(select(*some.c, func.count()).group_by(*some.c)).all()
    for name, state, count in rows:
        found.setdefault(name, {})[state] = count
    return found
