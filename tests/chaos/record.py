"""What the service has on record, read from its database when nothing happens there any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select

from service.store.database import Database
from service.store.models import (
    AttemptRow,
    DecisionRow,
    DeliveryRow,
    EntityRow,
    ExchangeRow,
    LinkRow,
    MembershipRow,
    RequestRow,
)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One exchange on record."""

    method: str
    path: str
    query: str
    body: str | None
    safe: bool
    status: int | None
    sent_at: float

    @property
    def good(self) -> bool:
        """Whether the target confirmed it."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Try:
    """One attempt, with the snapshot that decided it."""

    number: int
    started_at: float
    gate: str
    snapshot: str | None
    exchanges: tuple[Sent, ...]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One decision about a delivery."""

    gate: str
    snapshot: str | None
    decided_at: float


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery with its history; `entity_id` is also the externalId at the target."""

    id: str
    request_id: str
    entity_id: str
    target: str
    lane: str
    sequence: int
    operation: str
    effective: str
    state: str
    outcome: str | None
    error: Mapping[str, Any]
    uncertain: bool
    warnings: tuple[str, ...]
    of_now: bool
    image: Mapping[str, Any]
    tries: tuple[Try, ...]
    decisions: tuple[Decided, ...]

    @property
    def exchanges(self) -> list[Sent]:
        """All that was sent for it, in order."""
        return [sent for one in self.tries for sent in one.exchanges]


@dataclass(frozen=True, kw_only=True)
class Person:
    """An entity as the service knows it."""

    id: str
    kind: str
    name: str
    deleted: bool
    image: Mapping[str, Any]
    members: frozenset[str]


@dataclass(frozen=True)
class Record:
    """Everything. `requests`: states by id, `own` those that the service made itself.

    `omitted`: the members that a group was delivered without at a target.
    """

    requests: Mapping[str, str]
    own: frozenset[str]
    images: Mapping[str, Mapping[str, Any]]
    deliveries: tuple[Delivery, ...]
    people: Mapping[str, Person]
    omitted: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def lanes(self) -> dict[str, list[Delivery]]:
        """The deliveries of each lane, in its order."""
        lanes: defaultdict[str, list[Delivery]] = defaultdict(list)
        for one in sorted(self.deliveries, key=lambda delivery: delivery.sequence):
            lanes[one.lane].append(one)
        return dict(lanes)


def open_count(url: str) -> int:
    """How many deliveries have no outcome yet."""
    database = Database(url)
    try:
        with database.read() as tx:
            query = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.final_at.is_(None))
            return tx.scalar(query) or 0
    finally:
        database.close()


def read(url: str) -> Record:
    """The whole record, in one consistent view."""
    database = Database(url)
    try:
        with database.read() as tx:
            requests = list(tx.scalars(select(RequestRow)))
            decisions = list(tx.scalars(select(DecisionRow).order_by(DecisionRow.id)))
            exchanges = list(tx.scalars(select(ExchangeRow).order_by(ExchangeRow.attempt_id, ExchangeRow.number)))
            attempts = list(tx.scalars(select(AttemptRow).order_by(AttemptRow.number)))
            rows = list(tx.scalars(select(DeliveryRow)))
            tries = _tries(attempts, exchanges, {row.id: row for row in decisions})
            decided = _decided(decisions)
            images = {row.id: row.image for row in requests}
            return Record(
                {row.id: row.state for row in requests},
                frozenset(row.id for row in requests if row.channel == "reconcile"),
                images,
                tuple(_delivery(row, images, tries, decided) for row in rows),
                _people(list(tx.scalars(select(EntityRow))), list(tx.scalars(select(MembershipRow)))),
                {(row.identity_provider, row.entity_id): frozenset(row.omitted) for row in tx.scalars(select(LinkRow))},
            )
    finally:
        database.close()


def _tries(
    attempts: Iterable[AttemptRow], exchanges: Iterable[ExchangeRow], decisions: Mapping[str, DecisionRow]
) -> dict[str, list[Try]]:
    sent: defaultdict[str, list[Sent]] = defaultdict(list)
    for row in exchanges:
        sent[row.attempt_id].append(_sent(row))
    tries: defaultdict[str, list[Try]] = defaultdict(list)
    for attempt in attempts:
        decision = decisions.get(attempt.decision_id or "")
        tries[attempt.delivery_id].append(
            Try(
                number=attempt.number,
                started_at=_seconds(attempt.started_at),
                gate=attempt.gate,
                snapshot=decision.snapshot if decision is not None else None,
                exchanges=tuple(sent[attempt.id]),
            )
        )
    return tries


def _sent(row: ExchangeRow) -> Sent:
    parts = urlsplit(row.url)
    return Sent(
        method=row.method,
        path=parts.path,
        query=parts.query,
        body=row.request_body,
        safe=row.safe,
        status=row.status,
        sent_at=_seconds(row.sent_at),
    )


def _decided(decisions: Iterable[DecisionRow]) -> dict[str, list[Decided]]:
    decided: defaultdict[str, list[Decided]] = defaultdict(list)
    for row in decisions:
        one = Decided(gate=row.gate, snapshot=row.snapshot, decided_at=_seconds(row.decided_at))
        decided[row.delivery_id].append(one)
    return decided


def _delivery(
    row: DeliveryRow,
    images: Mapping[str, Mapping[str, Any]],
    tries: Mapping[str, list[Try]],
    decided: Mapping[str, list[Decided]],
) -> Delivery:
    return Delivery(
        id=row.id,
        request_id=row.request_id,
        entity_id=row.entity_id,
        target=row.identity_provider,
        lane=row.lane_id,
        sequence=row.sequence,
        operation=row.operation,
        effective=row.effective_operation,
        state=row.state,
        outcome=row.outcome,
        error=row.error or {},
        uncertain=row.uncertain,
        warnings=tuple(row.warnings),
        of_now=row.of_now,
        image=images[row.request_id],
        tries=tuple(tries.get(row.id, ())),
        decisions=tuple(decided.get(row.id, ())),
    )


def _people(entities: Iterable[EntityRow], memberships: Iterable[MembershipRow]) -> dict[str, Person]:
    members: defaultdict[str, set[str]] = defaultdict(set)
    for row in memberships:
        if row.present:
            members[row.group_id].add(row.member_id)
    return {
        row.id: Person(
            id=row.id,
            kind=row.type,
            name=row.name,
            deleted=row.deleted,
            image=row.attributes,
            members=frozenset(members[row.id]),
        )
        for row in entities
    }


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
