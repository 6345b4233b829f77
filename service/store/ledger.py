"""Reads requests, deliveries and their history back, in the shapes of the HTTP contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from service.store import targets
from service.store.database import Transaction
from service.store.filters import about, accepted_before, decided_by, delivered_to, on_behalf_of
from service.store.models import (
    AttemptRow,
    DecisionRow,
    DeliveryRow,
    ExchangeRow,
    LaneRow,
    LinkRow,
    RequestRow,
    TargetRow,
)

Json = dict[str, Any]

DUE_STATES = ("pending", "retrying")
"""What waits for its turn or its time; shown as held while its target is."""

MOST_SEARCHED: Final = 20_000
"""Among as many deliveries one page looks for those that a policy decided about; the next page goes on from there."""

_REQUEST = joinedload(DeliveryRow.request).load_only(RequestRow.entity_type, RequestRow.entity_name)

Row = TypeVar("Row", RequestRow, DeliveryRow)


def stamp(moment: datetime | None) -> str | None:
    """A time as UTC ISO 8601 with milliseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def request_view(tx: Transaction, request_id: str) -> Json | None:
    """A provisioning request with its deliveries; None when there is none with that id."""
    row = tx.get(RequestRow, request_id, options=[selectinload(RequestRow.deliveries)], populate_existing=True)
    return None if row is None else _request(tx, row)


def requests_page(
    tx: Transaction, filters: Mapping[str, Any], cursor: str | None, limit: int
) -> tuple[list[Json], str | None]:
    """The newest requests first. `filters`: entity (id or name), serviceProvider, state, since (aware datetime).

    Names are compared without case; a name that an entity had before finds what was asked for under it.
    """
    query = select(RequestRow).options(selectinload(RequestRow.deliveries)).order_by(RequestRow.id.desc())
    if entity := filters.get("entity"):
        query = query.where(about(RequestRow.entity_id, entity) | (RequestRow.entity_name == entity))
    if provider := filters.get("serviceProvider"):
        query = query.where(on_behalf_of(RequestRow.service_provider, provider))
    if state := filters.get("state"):
        query = query.where(RequestRow.state == state)
    if since := filters.get("since"):
        query = query.where(RequestRow.created_at >= since)
    if cursor:
        query = query.where(RequestRow.id < cursor)
    rows, following = _page(tx, query, limit)
    return [_request(tx, row) for row in rows], following


def deliveries_page(
    tx: Transaction, filters: Mapping[str, Any], cursor: str | None, limit: int
) -> tuple[list[Json], str | None]:
    """The newest deliveries first.

    `filters`: state, identityProvider, serviceProvider, entity (id or name), entityId, request (id), since (aware),
    until (aware), policy (the id of one that decided). Names are compared without case. A state may be `open`, too.
    """
    query = select(DeliveryRow).where(*_wanted(tx, filters)).order_by(DeliveryRow.id.desc())
    if cursor:
        query = query.where(DeliveryRow.id < cursor)
    end = _end_of_search(tx, filters, cursor)
    if end is not None:
        query = query.where(DeliveryRow.id >= end)
    rows, following = _page(tx, query.options(_REQUEST), limit)
    return _shown(tx, rows), following or end


def _shown(tx: Transaction, rows: Sequence[DeliveryRow]) -> list[Json]:
    seen = _Surroundings.of(tx, rows)
    return [_delivery(row, seen) | _of_request(row) for row in rows]


def _end_of_search(tx: Transaction, filters: Mapping[str, Any], cursor: str | None) -> str | None:
    """The id down to which a page looks when no index tells what it looks for; None: to the last one."""
    if not filters.get("policy"):
        return None
    others = _wanted(tx, {name: value for name, value in filters.items() if name != "policy"})
    query = select(DeliveryRow.id).where(*others).order_by(DeliveryRow.id.desc()).offset(MOST_SEARCHED).limit(1)
    return tx.scalar(query.where(DeliveryRow.id < cursor) if cursor else query)


def deliveries_of(tx: Transaction, ids: Sequence[str]) -> list[Json]:
    """The deliveries with those ids, the oldest first, as `deliveries_page` shows them."""
    query = select(DeliveryRow).where(DeliveryRow.id.in_(ids)).order_by(DeliveryRow.id).options(_REQUEST)
    return _shown(tx, tx.scalars(query).all())


def latest_at_targets(tx: Transaction, entity_id: str) -> list[Json]:
    """The latest delivery of an entity to each target that it was ever to go to."""
    latest = select(func.max(DeliveryRow.id)).where(DeliveryRow.entity_id == entity_id)
    return deliveries_of(tx, list(tx.scalars(latest.group_by(DeliveryRow.connector_id))))


def _wanted(tx: Transaction, filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    conditions: dict[str, Callable[[Any], ColumnElement[bool]]] = {
        "identityProvider": delivered_to,
        "serviceProvider": lambda name: on_behalf_of(DeliveryRow.service_provider, name),
        "entityId": lambda id_: DeliveryRow.entity_id == id_,
        "entity": lambda text: about(DeliveryRow.entity_id, text),
        "request": lambda id_: DeliveryRow.request_id == id_,
        "since": lambda moment: DeliveryRow.created_at >= moment,
        "until": accepted_before,
        "policy": decided_by,
        "state": lambda state: _in_state(tx, state),
    }
    return [condition(filters[name]) for name, condition in conditions.items() if filters.get(name)]


def count_states(tx: Transaction, filters: Mapping[str, Any], states: Sequence[str]) -> dict[str, int]:
    """How many deliveries the filters of `deliveries_page` mean are in each of those states, as they are stored."""
    wanted = (*_wanted(tx, filters), DeliveryRow.state.in_(states))
    counted = select(DeliveryRow.state, func.count()).where(*wanted).group_by(DeliveryRow.state)
    return {state: count for state, count in tx.execute(counted)}  # noqa: C416 - rows are no pairs to the type checker


def count_matching(tx: Transaction, filters: Mapping[str, Any], states: Sequence[str], after: str = "") -> int:
    """How many deliveries the filters of `deliveries_page` mean that are in one of those states, after an id."""
    wanted = (*_wanted(tx, filters), DeliveryRow.state.in_(states), DeliveryRow.id > after)
    return tx.scalar(select(func.count()).select_from(DeliveryRow).where(*wanted)) or 0


def matching(tx: Transaction, filters: Mapping[str, Any], states: Sequence[str], after: str, limit: int) -> list[str]:
    """The ids of the same, the oldest first."""
    wanted = (*_wanted(tx, filters), DeliveryRow.state.in_(states), DeliveryRow.id > after)
    return list(tx.scalars(select(DeliveryRow.id).where(*wanted).order_by(DeliveryRow.id).limit(limit)))


def delivery_view(tx: Transaction, delivery_id: str) -> Json | None:
    """One delivery with every decision, attempt and exchange; None when there is none with that id."""
    row = tx.get(DeliveryRow, delivery_id, populate_existing=True)
    if row is None:
        return None
    view = _delivery(row, _Surroundings.of(tx, [row]))
    decisions = tx.scalars(select(DecisionRow).where(DecisionRow.delivery_id == row.id).order_by(DecisionRow.id)).all()
    attempts = tx.scalars(select(AttemptRow).where(AttemptRow.delivery_id == row.id).order_by(AttemptRow.number)).all()
    return view | {
        **_of_request(row),
        "approvals": row.approvals,
        "decisions": [_full_decision(d) for d in decisions],
        "attemptHistory": [_attempt(tx, a, {d.id: d for d in decisions}) for a in attempts],
    }


def _page(tx: Transaction, query: Select[Row], limit: int) -> tuple[Sequence[Row], str | None]:
    rows = tx.scalars(query.limit(limit + 1)).all()
    more = len(rows) > limit
    return rows[:limit], rows[limit - 1].id if more else None


def _request(tx: Transaction, row: RequestRow) -> Json:
    seen = _Surroundings.of(tx, row.deliveries)
    return {
        "id": row.id,
        "state": row.state,
        "serviceProvider": row.service_provider,
        "operation": row.operation,
        "channel": row.channel,
        "jit": row.jit,
        "entity": {"id": row.entity_id, "type": row.entity_type, "name": row.entity_name},
        "createdAt": stamp(row.created_at),
        "createdBy": row.created_by,
        "finalAt": stamp(row.final_at),
        "deliveries": [_delivery(d, seen) for d in row.deliveries],
        "skipped": row.skipped,
    }


def _of_request(row: DeliveryRow) -> Json:
    """What a delivery that is shown by itself has of its request."""
    request = row.request
    return {
        "requestId": row.request_id,
        "serviceProvider": row.service_provider,
        "entity": {"id": row.entity_id, "type": request.entity_type, "name": request.entity_name},
    }


def _decisions(tx: Transaction, rows: Sequence[DeliveryRow]) -> dict[str, DecisionRow]:
    """The latest decision of each delivery."""
    query = select(DecisionRow).where(DecisionRow.delivery_id.in_([r.id for r in rows])).order_by(DecisionRow.id)
    return {row.delivery_id: row for row in tx.scalars(query)}


def _links(tx: Transaction, rows: Sequence[DeliveryRow]) -> dict[tuple[str, str], LinkRow]:
    query = select(LinkRow).where(LinkRow.entity_id.in_({r.entity_id for r in rows}))
    return {(row.entity_id, row.connector_id): row for row in tx.scalars(query)}


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What is shown of deliveries beyond their own rows."""

    decisions: Mapping[str, DecisionRow]
    links: Mapping[tuple[str, str], LinkRow]
    holds: Mapping[int, targets.Hold]

    @classmethod
    def of(cls, tx: Transaction, rows: Sequence[DeliveryRow]) -> _Surroundings:
        return cls(_decisions(tx, rows), _links(tx, rows), targets.holds(tx))

    def hold(self, row: DeliveryRow) -> targets.Hold | None:
        """Why a delivery that is due, or will be, is not sent."""
        return self.holds.get(row.identity_provider_id) if row.state in DUE_STATES else None


def _in_state(tx: Transaction, state: str) -> ColumnElement[bool]:
    """The deliveries that are shown in that state: `held` is what its target holds, too; `open` what is not final."""
    if state == "open":
        return DeliveryRow.final_at.is_(None)
    if state not in (*DUE_STATES, "held"):
        return DeliveryRow.state == state
    held = DeliveryRow.identity_provider_id.in_(sorted(targets.holds(tx)))
    if state == "held":
        return or_(DeliveryRow.state == "held", and_(DeliveryRow.state.in_(DUE_STATES), held))
    return and_(DeliveryRow.state == state, ~held)


def _delivery(row: DeliveryRow, seen: _Surroundings) -> Json:
    link = seen.links.get((row.entity_id, row.connector_id))
    decision = seen.decisions.get(row.id)
    hold = seen.hold(row)
    return {
        "id": row.id,
        "identityProvider": row.identity_provider,
        "connector": row.connector_type,
        "state": row.state if hold is None else "held",
        "reason": row.reason if hold is None else hold.reason,
        "outcome": row.outcome,
        "blocking": row.blocking,
        "enableRules": row.enable_rules,
        "operation": row.operation,
        "effectiveOperation": row.effective_operation,
        "provisionedIdentifier": link.identifier if link else None,
        "kept": link.kept if link else None,
        "uncertain": row.uncertain,
        "attempts": row.attempts,
        "nextAttemptAt": stamp(hold.until if hold else row.due_at) if row.state in DUE_STATES else None,
        "decision": _decision(decision) if decision is not None else None,
        "warnings": row.warnings,
        "error": row.error,
        "createdAt": stamp(row.created_at),
        "finalAt": stamp(row.final_at),
    }


def _decision(row: DecisionRow) -> Json:
    return {
        "decision": row.decision,
        "gate": row.gate,
        "policies": row.policies,
        "rules": row.rules,
        "snapshot": row.snapshot,
        "status": row.status,
        "reason": row.reason,
        "obligations": row.obligations,
        "decidedAt": stamp(row.decided_at),
    }


def _full_decision(row: DecisionRow) -> Json:
    return _decision(row) | {"id": row.id, "stage": row.stage, "attempt": row.attempt, "request": row.request_xml}


def _attempt(tx: Transaction, row: AttemptRow, decisions: Mapping[str, DecisionRow]) -> Json:
    query = select(ExchangeRow).where(ExchangeRow.attempt_id == row.id).order_by(ExchangeRow.number)
    decision = decisions.get(row.decision_id) if row.decision_id else None
    return {
        "number": row.number,
        "startedAt": stamp(row.started_at),
        "endedAt": stamp(row.ended_at),
        "effectiveOperation": row.effective_operation,
        "gate": row.gate,
        "decisionId": row.decision_id,
        "decision": _decision(decision) if decision is not None else None,
        "outcome": row.outcome,
        "error": row.error,
        "exchanges": [_exchange(exchange) for exchange in tx.scalars(query)],
    }


def _exchange(row: ExchangeRow) -> Json:
    answered = row.status is not None
    return {
        "number": row.number,
        "purpose": row.purpose,
        "safe": row.safe,
        "sentAt": stamp(row.sent_at),
        "repliedAt": stamp(row.replied_at),
        "request": {"method": row.method, "url": row.url, "headers": row.request_headers, "body": row.request_body},
        "response": {"status": row.status, "headers": row.response_headers, "body": row.response_body}
        if answered
        else None,
        "failure": row.failure,
    }


def count_by_state(tx: Transaction) -> dict[str, int]:
    """How many deliveries are in each state that occurs."""
    counted = dict[str, int]()
    for state, count in tx.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)):
        counted[state] = count
    held = DeliveryRow.identity_provider_id.in_(sorted(targets.holds(tx)))
    due = select(DeliveryRow.state, func.count()).where(DeliveryRow.state.in_(DUE_STATES), held)
    for state, count in tx.execute(due.group_by(DeliveryRow.state)):
        counted[state] -= count
        counted["held"] = counted.get("held", 0) + count
    return {state: counted[state] for state in sorted(counted) if counted[state]}


def due_lanes(tx: Transaction, request_id: str, *, blocking: bool = False) -> list[str]:
    """The lanes of a request's deliveries that are not final, in the order of the rows."""
    query = select(DeliveryRow.lane_id).where(DeliveryRow.request_id == request_id, DeliveryRow.final_at.is_(None))
    if blocking:
        query = query.where(DeliveryRow.blocking)
    return list(tx.scalars(query.order_by(DeliveryRow.position)))


def ends_before(tx: Transaction, request_id: str, now: datetime, deadline: datetime) -> bool:
    """Whether a Blocking delivery of the request is under way that may still end by then."""
    blocked = case((TargetRow.blocked_until > now, TargetRow.blocked_until), else_=None)
    query = (
        select(DeliveryRow.state, DeliveryRow.due_at, DeliveryRow.identity_provider_id, blocked)
        .outerjoin(TargetRow, TargetRow.identity_provider_id == DeliveryRow.identity_provider_id)
        .where(DeliveryRow.request_id == request_id, DeliveryRow.blocking, DeliveryRow.final_at.is_(None))
    )
    rows = [row for row in tx.execute(query) if row.state in {"pending", "running", "retrying"}]
    holds = targets.holds(tx) if rows else {}
    return any(
        row.state == "running"
        or (row.identity_provider_id not in holds and max(row.due_at or now, row[3] or now) <= deadline)
        for row in rows
    )


def find_delivery(tx: Transaction, delivery_id: str) -> DeliveryRow | None:
    """A delivery, its lane's row and its own locked."""
    return next(iter(_locked(tx, DeliveryRow.id == delivery_id)), None)


def open_deliveries(
    tx: Transaction, *, states: Sequence[str], identity_provider_id: int | None = None
) -> list[DeliveryRow]:
    """The deliveries in those states, in the order in which they were accepted; locked with their lanes."""
    wanted: list[ColumnElement[bool]] = [DeliveryRow.state.in_(states)]
    if identity_provider_id is not None:
        wanted.append(DeliveryRow.identity_provider_id == identity_provider_id)
    return _locked(tx, *wanted)


def open_deliveries_of(tx: Transaction, service_provider: str, *, states: Sequence[str]) -> list[DeliveryRow]:
    """A service provider's deliveries in those states; locked with their lanes."""
    return _locked(tx, DeliveryRow.state.in_(states), DeliveryRow.service_provider == service_provider)


def _locked(tx: Transaction, *wanted: ColumnElement[bool]) -> list[DeliveryRow]:
    """Deliveries, locked as whoever delivers locks them: first the lane, then what is in it."""
    lanes = select(DeliveryRow.lane_id).where(*wanted)
    tx.execute(select(LaneRow.id).where(LaneRow.id.in_(lanes)).order_by(LaneRow.id).with_for_update())
    return list(tx.scalars(select(DeliveryRow).where(*wanted).order_by(DeliveryRow.id).with_for_update()))


def asking_policies(tx: Transaction, delivery_id: str) -> list[str]:
    """The policies that asked for an approval in the latest decision about a delivery."""
    query = select(DecisionRow).where(DecisionRow.delivery_id == delivery_id).order_by(DecisionRow.id.desc()).limit(1)
    row = tx.scalars(query).one_or_none()
    return [] if row is None or row.gate != "awaiting-approval" else list(row.policies)
