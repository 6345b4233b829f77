"""One accepted change becomes one delivery per row of the outbound provisioning configuration.

What was never due is no delivery, but listed as skipped, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.pip import DeliveryFacts
from service.providers import IdentityProvider, OutboundRow, ServiceProvider
from service.provisioning import departure, gate, operations, roles
from service.provisioning.context import Context
from service.provisioning.operations import Operation
from service.provisioning.submission import Change
from service.store import configuration, entities, journal, leases, links, rows, transitions
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
    """A delivery to be: where to, as what, and in which lane after what. `groups` are those that the entity is in."""

    row: OutboundRow
    target: IdentityProvider
    connector_id: str
    connector_type: str
    lane: LaneRow
    operation: Operation
    idle: bool
    linked: bool
    groups: tuple[str, ...]


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
    known = configuration.cached_target(tx, row.identity_provider)
    target = known.provider
    connector = target.connector(row.connector)
    connector_id = known.connector_ids.get(row.connector.lower())
    if jit and not row.enable_jit:
        return "Enable JIT is off"
    if not target.enabled:
        return f"identity provider `{target.name}` is disabled"
    if connector is None or connector_id is None or not connector.enabled:
        return f"connector `{row.connector}` of `{target.name}` is disabled"
    lane = leases.lane_for(tx, entity.lane_key, connector_id, known.id)
    used = lane.next_sequence > 1  # without a delivery in the lane there is no account yet either
    before = leases.last_open(tx, lane.id) if used else None
    linked = used and links.find(tx, entity.id, connector_id) is not None
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
        groups=groups,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A request that is being stored, in one transaction, with the deliveries that it comes to."""

    tx: Transaction
    context: Context
    request: RequestRow
    entity: EntityRow
    now: datetime

    def enqueue(self, planned: Sequence[Planned]) -> list[DeliveryRow]:
        """Store the deliveries, each at the end of its lane, with the policy's decision as of now.

        All are stored before the first one is looked at: one that ends at once must not pass for the last one.
        """
        stored = [self._append(one, position) for position, one in enumerate(planned)]
        for one, delivery in zip(planned, stored, strict=True):
            self._look_ahead(one, delivery)
        return stored

    def _append(self, one: Planned, position: int) -> DeliveryRow:
        delivery = DeliveryRow(
            request_id=self.request.id,
            position=position,
            lane_id=one.lane.id,
            sequence=leases.next_sequence(self.tx, one.lane, due_at=self.now if one.idle else None),
            entity_id=self.entity.id,
            service_provider=self.request.service_provider,
            identity_provider_id=one.lane.identity_provider_id,
            identity_provider=one.target.name,
            connector_id=one.connector_id,
            connector_type=one.connector_type,
            operation=self.request.operation,
            effective_operation=one.operation,
            blocking=one.row.blocking,
            enable_rules=one.row.enable_rules,
            not_applicable=one.row.not_applicable,
            state="pending",
            due_at=self.now,
            created_at=self.now,
        )
        return rows.store(self.tx, delivery)

    def _look_ahead(self, one: Planned, delivery: DeliveryRow) -> None:
        """End what needs no attempt, or record the policy's decision as of now."""
        if one.operation == "delete" and not one.linked and one.idle and not journal.left_in_doubt(self.tx, delivery):
            reason = "there is no account at the target"
            transitions.deliver(self.tx, delivery, outcome="nothing-to-do", reason=reason, now=self.now)
        elif one.row.enable_rules:
            self._ask(one, delivery)

    def _ask(self, one: Planned, delivery: DeliveryRow) -> None:
        """A Deny is final when nothing is under way before it; otherwise it is recorded and the attempt decides."""
        known = facts(
            self.context,
            one,
            entity=self.entity,
            image=self.request.image,
            service_provider=self.request.service_provider,
            operation=delivery.operation,
            channel=self.request.channel,
            jit=self.request.jit,
        )
        verdict = gate.judge(self.context, known, not_applicable=one.row.not_applicable, now=self.now)
        journal.record_decision(self.tx, delivery.id, stage="acceptance", attempt=0, values=gate.columns(verdict))
        if verdict.gate == "refused" and one.idle:
            departure.refuse(self.tx, delivery, operation=one.operation, reason=verdict.reason, now=self.now)


def facts(
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
        context,
        groups=one.groups,
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
