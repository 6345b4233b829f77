"""Before an attempt: may this delivery go now, as what, and with what. After it: what the link remembers.

Everything is read anew, as it is now: the configuration, the link, the members, the policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from connectors.connector import EntityType, Provisioned, Settings, Task, deletes
from connectors.errors import ConnectorError
from connectors.nesting import nesting
from service.pep import Verdict
from service.providers import IdentityProvider, OutboundRow
from service.provisioning import gate, operations, removals, roles, tasks
from service.provisioning.context import Context
from service.provisioning.operations import Operation
from service.provisioning.retry import backoff, describe
from service.store import (
    configuration,
    deliveries,
    entities,
    journal,
    leases,
    links,
    publications,
    targets,
    transitions,
)
from service.store.database import Transaction
from service.store.models import STARTABLE, DeliveryRow, ExchangeRow

log = structlog.get_logger(__name__)

MEMBER_POLL = timedelta(seconds=2)


class StalePolicies(Exception):
    """A newer snapshot was published than the one this process decides with: refresh, then decide again."""


class Blocked(Exception):
    """Nothing may be sent to the target now; nothing of the delivery was changed."""


@dataclass(slots=True)
class Departure:
    """A delivery that was looked at. With a `task` it may leave; without, its state was changed and nothing is sent."""

    delivery: DeliveryRow
    target: IdentityProvider
    entity_type: str
    operation: Operation = "create"
    gate: str = "off"
    decision_id: str | None = None
    task: Task | None = None
    settings: Settings | None = None
    members: tasks.Members | None = None

    @property
    def warnings(self) -> list[str]:
        """What the delivered state lacks."""
        if self.members is None:
            return []
        return [f"omitted member `{name}`: it has no account at the target" for name in self.members.omitted_names]


def prepare(tx: Transaction, context: Context, lane_id: str, now: datetime, *, probing: bool) -> Departure | None:
    """Look at the head of a lane; None when nothing is due. Raises `StalePolicies`, `Blocked`."""
    delivery = leases.head(tx, lane_id)
    if delivery is None or delivery.state not in STARTABLE:
        return None
    structlog.contextvars.bind_contextvars(request=delivery.request_id, delivery=delivery.id)
    if delivery.due_at is not None and delivery.due_at > now:
        return None
    return _Look(tx, context, delivery, now).look(probing=probing)


class _Look:
    """One look at one delivery; ends in a departure, or in the transition that says why not."""

    def __init__(self, tx: Transaction, context: Context, delivery: DeliveryRow, now: datetime) -> None:
        self.tx, self.context, self.delivery, self.now = tx, context, delivery, now
        self.request, self.entity, self.link = deliveries.surroundings(tx, delivery)
        self.unfinished: list[ExchangeRow] = [
            *journal.left_in_doubt(tx, delivery),
            *(journal.unanswered(tx, delivery.id) if delivery.attempts else ()),
        ]
        self.groups = entities.group_names(tx, self.entity.id)
        self.image: dict[str, Any] = self.entity.attributes if delivery.of_now else self.request.image

    def look(self, *, probing: bool) -> Departure:
        known = configuration.cached_target_by_id(self.tx, self.delivery.identity_provider_id)
        if known is None:
            transitions.fail(self.tx, self.delivery, reason="its identity provider is gone", now=self.now)
            return Departure(
                self.delivery, IdentityProvider(name=self.delivery.identity_provider), self.request.entity_type
            )
        if self._blocked(known.provider, probing=probing):
            raise Blocked
        leaving = Departure(self.delivery, known.provider, self.request.entity_type)
        if not self._held(known.provider) and not self._nothing_to_do(leaving):
            self._pass(leaving, known)
        return leaving

    def _blocked(self, target: IdentityProvider, *, probing: bool) -> bool:
        number = self.delivery.identity_provider_id
        return (
            not target.enabled
            or target.paused
            or targets.refuses(self.tx, number, self.now, probing=probing)
            or targets.out_of_tokens(self.tx, number, target.delivery, self.now)
        )

    def _held(self, target: IdentityProvider) -> bool:
        """Whether the connector, unlike the whole target, is held: then the delivery waits for an edit."""
        connector = target.connector(self.delivery.connector_type)
        if connector is not None and connector.enabled:
            return False
        reason = f"connector `{self.delivery.connector_type}` of `{target.name}` is disabled"
        transitions.hold(self.tx, self.delivery, reason=reason)
        return True

    def _nothing_to_do(self, leaving: Departure) -> bool:
        """Also settles what the operation comes to: an entity that is gone meanwhile can only be removed."""
        roles_wanted = leaving.target.outbound_roles
        passes = self.entity.type == "group" or roles.passes_role_filter(self.image, self.groups, roles_wanted)
        gone = self.delivery.of_now and self.entity.deleted
        leaving.operation = operations.effective(
            "delete" if gone else _operation(self.delivery), linked=self.link is not None, permitted_by_role=passes
        )
        if leaving.operation != "delete" or self.link is not None or self.unfinished:
            return False
        reason = "there is no account at the target"
        transitions.deliver(self.tx, self.delivery, outcome="nothing-to-do", reason=reason, now=self.now)
        return True

    def _pass(self, leaving: Departure, known: configuration.Target) -> None:
        row = self._row(leaving.target)
        if self.delivery.enable_rules or (row is not None and row.enable_rules):
            verdict = self._decide(leaving, row)
            if verdict.gate != "open":
                self._stopped(leaving, verdict)
                return
        if self.entity.type == "group" and leaving.operation != "delete" and self._waits_for_members(leaving):
            return
        self._build(leaving, known)

    def _row(self, target: IdentityProvider) -> OutboundRow | None:
        """The configuration's row of now: whoever made it stricter meanwhile meant it for what is under way too."""
        provider = configuration.cached_service_provider(self.tx, self.delivery.service_provider)
        rows = provider.outbound if provider is not None else ()
        return next((r for r in rows if r.identity_provider.casefold() == target.name.casefold()), None)

    def _decide(self, leaving: Departure, row: OutboundRow | None) -> Verdict:
        sequence = self.context.policies().sequence
        current = (
            publications.newest(self.tx) is None if sequence is None else publications.is_newest(self.tx, sequence)
        )
        if not current:
            raise StalePolicies
        delivery = self.delivery
        live = delivery.not_applicable if row is None else row.not_applicable
        known = gate.facts(
            self.context,
            groups=self.groups,
            service_provider=delivery.service_provider,
            target=leaving.target,
            connector_type=delivery.connector_type,
            entity=self.entity,
            image=self.image,
            operation=delivery.operation,
            effective_operation=leaving.operation,
            channel=self.request.channel,
            jit=self.request.jit,
            attempt=delivery.attempts + 1,
        )
        verdict = gate.judge(
            self.context,
            known,
            not_applicable="permit" if {delivery.not_applicable, live} == {"permit"} else "refuse",
            approvals=delivery.approvals,
            now=self.now,
        )
        leaving.gate = verdict.gate
        leaving.decision_id = journal.record_decision(
            self.tx, delivery.id, stage="attempt", attempt=delivery.attempts + 1, values=gate.columns(verdict)
        )
        return verdict

    def _stopped(self, leaving: Departure, verdict: Verdict) -> None:
        """The gate is shut: for good, until someone approves, or until the policies can be asked again."""
        if verdict.gate == "refused":
            refuse(
                self.tx,
                self.delivery,
                operation=leaving.operation,
                reason=verdict.reason,
                uncertain=bool(self.unfinished) and leaving.operation == "create",
                now=self.now,
            )
        elif verdict.gate == "awaiting-approval":
            transitions.await_approval(self.tx, self.delivery, reason=verdict.reason)
        else:
            self._undecided(leaving, verdict)

    def _undecided(self, leaving: Departure, verdict: Verdict) -> None:
        patience = leaving.target.delivery.give_up_after
        error = {"kind": "undecided", "message": verdict.reason}
        if self.now > journal.tried_since(self.tx, self.delivery, self.now) + patience:
            reason = f"given up after {patience}: {verdict.reason}"
            transitions.fail(self.tx, self.delivery, reason=reason, error=error, now=self.now)
        else:
            wait = backoff(self._undecided_so_far(), leaving.target.delivery, self.context.random)
            transitions.retry_later(self.tx, self.delivery, due_at=self.now + wait, reason=verdict.reason, error=error)

    def _undecided_so_far(self) -> int:
        return max(1, journal.decisions_of_delivery(self.tx, self.delivery.id) - self.delivery.attempts)

    def _waits_for_members(self, leaving: Departure) -> bool:
        name = links.member_under_way(self.tx, self.entity.id, self.delivery.connector_id)
        if name is None or self.now > self.delivery.created_at + tasks.MEMBER_PATIENCE:
            return False
        reason = f"waiting for member `{name}`, whose account at `{leaving.target.name}` is being made"
        transitions.retry_later(self.tx, self.delivery, due_at=self.now + MEMBER_POLL, reason=reason)
        return True

    def _build(self, leaving: Departure, known: configuration.Target) -> None:
        delivery = self.delivery
        leaving.settings = configuration.cached_settings(
            self.tx, self.context.vault, known, delivery.connector_id, tenant=self.context.tenant
        )
        if leaving.settings is None:
            transitions.hold(self.tx, delivery, reason=f"connector `{delivery.connector_type}` is no longer configured")
            return
        try:
            if self._stays(leaving, leaving.settings):
                return
            if self.entity.type == "group" and leaving.operation != "delete":
                leaving.members = tasks.members(
                    self.tx,
                    self.entity,
                    delivery.connector_id,
                    self.link,
                    nesting(self.context.connector(delivery.connector_type), leaving.settings),
                )
            leaving.task = tasks.build(
                self.tx,
                self.context,
                delivery=delivery,
                request=self.request,
                entity=self.entity,
                image=self.image,
                target=leaving.target,
                operation=leaving.operation,
                link=self.link,
                members=leaving.members,
                unfinished=self.unfinished,
                now=self.now,
            )
        except ConnectorError as error:
            transitions.fail(self.tx, delivery, reason=error.message, error=describe(error), now=self.now)

    def _stays(self, leaving: Departure, settings: Settings) -> bool:
        """Whether the account stays: someone else made it, or too many are taken away at once."""
        if not removals.is_removal(leaving.operation, self.image, self.link):
            return False
        assert self.link is not None
        rules = leaving.target.delivery
        connector = self.context.connector(self.delivery.connector_type)
        kind: EntityType = "group" if leaving.entity_type == "group" else "user"
        mine = self.link.own or rules.delete_linked_accounts
        if leaving.operation == "delete" and not mine and deletes(connector, settings, kind):
            reason = f"Sluice did not make this account, and `{leaving.target.name}` has deleteLinkedAccounts off"
            refuse(self.tx, self.delivery, operation="delete", reason=reason, now=self.now)
            return True
        waits = removals.beyond_threshold(self.tx, self.delivery, rules, target=leaving.target.name, now=self.now)
        if waits is not None:
            transitions.await_approval(self.tx, self.delivery, reason=waits)
        return waits is not None


def _operation(delivery: DeliveryRow) -> Operation:
    return "replace" if delivery.of_now and delivery.operation == "modify" else delivery.operation  # type: ignore[return-value]


def refuse(
    tx: Transaction,
    delivery: DeliveryRow,
    *,
    operation: Operation,
    reason: str,
    now: datetime,
    uncertain: bool = False,
) -> None:
    """End a delivery that the policy did not permit; a refused removal leaves the account marked as kept."""
    if operation == "delete":
        links.keep(tx, delivery.entity_id, delivery.connector_id, reason)
    transitions.refuse(tx, delivery, reason=reason, uncertain=uncertain, now=now)
    log.info("refused", delivery=delivery.id, target=delivery.identity_provider, reason=reason)


def settle_link(tx: Transaction, leaving: Departure, result: Provisioned, now: datetime) -> str | None:
    """What is known of the account after a confirmed delivery. Answers as `links.put`. Raises `links.LinkTaken`."""
    delivery = leaving.delivery
    if result.outcome in {"deleted", "already-gone"}:
        links.remove(tx, delivery.entity_id, delivery.connector_id)
        return None
    # Also of a create that nobody heard of, where the connector knows the account for its own.
    made = result.outcome in {"created", "recreated"}
    link, before = links.put(
        tx,
        delivery,
        entity_type=leaving.entity_type,
        identifier=result.identifier,
        delivered=result.delivered,
        etag=result.etag,
        own=made,
        now=now,
    )
    if link is None:
        return None
    link.own = link.own or made
    link.active = result.active
    link.kept = None
    if leaving.members is not None:
        link.membership_sequence, link.omitted = leaving.members.sequence, list(leaving.members.omitted)
    return before
