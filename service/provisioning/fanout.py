"""One accepted change becomes one delivery per row of the outbound provisioning configuration.

What was never due is no delivery, but listed as skipped, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.pip import DeliveryFacts
from service.providers import IdentityProvider, OutboundRow, ServiceProvider
from service.provisioning import departure, gate, operations, roles
from service.provisioning.context import Context
from service.provisioning.operations import Operation
from service.provisioning.submission import Change
from service.store import configuration, entities, journal, leases, links, transitions
from service.store.database import Transaction
from service.store.models import DeliveryRow, EntityRow, LaneRow, RequestRow


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that gets no delivery, and why."""

    identity_provider: str
    connector: str
    reason: str

    def as_json(self) -> dict[str, str]:
        """In the words of the HTTP contract."""
        return {"identityProvider": self.identity_provider, "connector": self.connector, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A delivery to be: where to, as what, and in which lane after what."""

    row: OutboundRow
    target: IdentityProvider
    connector_id: str
    connector_type: str
    lane: LaneRow
    operation: Operation
    idle: bool
    linked: bool


def plan(
    tx: Transaction, provider: ServiceProvider, change: Change, entity: EntityRow, *, jit: bool
) -> tuple[list[Planned], list[Skipped]]:
    """What the change comes to at each target, as predicted: all that is under way in a lane will succeed."""
    planned: list[Planned] = []
    skipped: list[Skipped] = []
    for row in provider.outbound:
        one = plan_row(tx, row, change.operation, change.image, entity, jit=jit)
        if isinstance(one, Planned):
            planned.append(one)
        else:
            skipped.append(Skipped(row.identity_provider, row.connector, one))
    return planned, skipped


def plan_row(
    tx: Transaction, row: OutboundRow, operation: Operation, image: Mapping[str, Any], entity: EntityRow, *, jit: bool
) -> Planned | str:
    """The planned delivery, or why there is none."""
    target = configuration.get_identity_provider(tx, row.identity_provider)
    connector = target.connector(row.connector)
    connector_id = configuration.connector_id(tx, target.name, row.connector)
    if jit and not row.enable_jit:
        return "Enable JIT is off"
    if not target.enabled:
        return f"identity provider `{target.name}` is disabled"
    if connector is None or connector_id is None or not connector.enabled:
        return f"connector `{row.connector}` of `{target.name}` is disabled"
    number = configuration.identity_provider_id(tx, target.name)
    lane = leases.lane_for(tx, entity.lane_key, connector_id, number)
    before = leases.last_open(tx, lane.id)
    linked = links.find(tx, entity.id, connector_id) is not None
    expected = before.effective_operation != "delete" if before is not None else linked
    groups = entities.group_names(tx, entity.id)
    passes = entity.type == "group" or roles.passes_role_filter(image, groups, target.outbound_roles)
    if not passes and not expected and operation != "delete":
        return f"the user has none of the outbound provisioning roles of `{target.name}`"
    return Planned(
        row=row,
        target=target,
        connector_id=connector_id,
        connector_type=connector.type,
        lane=lane,
        operation=operations.effective(operation, linked=expected, permitted_by_role=passes),
        idle=before is None,
        linked=expected,
    )


def enqueue(
    tx: Transaction,
    context: Context,
    request: RequestRow,
    entity: EntityRow,
    one: Planned,
    *,
    position: int,
    now: datetime,
) -> DeliveryRow:
    """Store the only delivery of a request at the end of its lane, with the policy's decision as of now."""
    delivery = append(tx, request, entity, one, position=position, now=now)
    look_ahead(tx, context, request, entity, one, delivery=delivery, now=now)
    return delivery


def append(
    tx: Transaction, request: RequestRow, entity: EntityRow, one: Planned, *, position: int, now: datetime
) -> DeliveryRow:
    """Store the delivery at the end of its lane, not yet decided."""
    delivery = DeliveryRow(
        request_id=request.id,
        position=position,
        lane_id=one.lane.id,
        sequence=leases.next_sequence(one.lane),
        entity_id=entity.id,
        service_provider=request.service_provider,
        identity_provider_id=one.lane.identity_provider_id,
        identity_provider=one.target.name,
        connector_id=one.connector_id,
        connector_type=one.connector_type,
        operation=request.operation,
        effective_operation=one.operation,
        blocking=one.row.blocking,
        enable_rules=one.row.enable_rules,
        not_applicable=one.row.not_applicable,
        state="pending",
        due_at=now,
        created_at=now,
    )
    tx.add(delivery)
    tx.flush()
    leases.reschedule(tx, one.lane.id)
    return delivery


def look_ahead(
    tx: Transaction,
    context: Context,
    request: RequestRow,
    entity: EntityRow,
    one: Planned,
    *,
    delivery: DeliveryRow,
    now: datetime,
) -> None:
    """End what needs no attempt, or record the policy's decision as of now.

    Only once all deliveries of the request are stored: the first one that ends must not pass for the last one.
    """
    if one.operation == "delete" and not one.linked and one.idle and not journal.left_in_doubt(tx, delivery):
        reason = "there is no account at the target"
        transitions.deliver(tx, delivery, outcome="nothing-to-do", reason=reason, now=now)
    elif one.row.enable_rules:
        _ask(tx, context, request, entity, one, delivery=delivery, now=now)


def _ask(
    tx: Transaction,
    context: Context,
    request: RequestRow,
    entity: EntityRow,
    one: Planned,
    *,
    delivery: DeliveryRow,
    now: datetime,
) -> None:
    """A Deny is final when nothing is under way before it; otherwise it is recorded and the attempt decides."""
    known = facts(
        tx,
        context,
        one,
        entity=entity,
        image=request.image,
        service_provider=request.service_provider,
        operation=delivery.operation,
        channel=request.channel,
        jit=request.jit,
    )
    verdict = gate.judge(context, known, not_applicable=one.row.not_applicable, now=now)
    journal.record_decision(tx, delivery.id, stage="acceptance", attempt=0, values=gate.columns(verdict))
    if verdict.gate == "refused" and one.idle:
        departure.refuse(tx, delivery, operation=one.operation, reason=verdict.reason, now=now)


def facts(
    tx: Transaction,
    context: Context,
    one: Planned,
    *,
    entity: EntityRow,
    image: dict[str, Any],
    service_provider: str,
    operation: str,
    channel: str,
    jit: bool,
) -> DeliveryFacts:
    """What the policy is told about a planned delivery."""
    return gate.facts(
        tx,
        context,
        service_provider=service_provider,
        target=one.target,
        connector_type=one.connector_type,
        entity=entity,
        image=image,
        operation=operation,
        effective_operation=one.operation,
        channel=channel,
        jit=jit,
        attempt=0,
    )
