"""The gate: the one place in the service that asks the policy before something leaves.

Acceptance, every attempt, dry runs and trial decisions come through `judge`; nothing else calls the enforcement point.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from service import pep
from service.pep import Verdict
from service.pip import DeliveryFacts
from service.providers import IdentityProvider, NotApplicable
from service.provisioning import roles
from service.provisioning.context import Context


def facts(
    context: Context,
    *,
    service_provider: str,
    target: IdentityProvider,
    connector_type: str,
    entity: Any,
    image: dict[str, Any],
    operation: Any,
    effective_operation: Any,
    channel: str,
    jit: bool,
    attempt: int,
    groups: tuple[str, ...],
) -> DeliveryFacts:
    """What is known of a delivery now: the image that it carries, and the roles as the target will see them.

    `groups` are the names of the groups that the entity is in.
    """
    return DeliveryFacts(
        tenant=context.tenant,
        service_provider=service_provider,
        identity_provider=target.name,
        connector_type=connector_type,
        entity_type=entity.type,
        entity_name=entity.name,
        domain=entity.domain,
        operation=operation,
        effective_operation=effective_operation,
        channel=channel,
        jit=jit,
        attempt=attempt,
        attributes=image,
        roles=roles.mapped_roles(image, target.role_mappings),
        groups=roles.mapped_groups(groups, target.role_mappings),
        local_groups=groups,
    )


def judge(
    context: Context,
    known: DeliveryFacts,
    *,
    not_applicable: NotApplicable,
    approvals: Iterable[str] = (),
    now: datetime,
) -> Verdict:
    """Ask the policy. One clock reading, one snapshot, one answer."""
    verdict = pep.enforce(
        known,
        snapshot=context.policies(),
        not_applicable=not_applicable,
        approved_policies=frozenset(approvals),
        now=now.astimezone(context.zone),
    )
    context.metrics.decided(known.identity_provider, verdict.decision, verdict.gate)
    return verdict


def columns(verdict: Verdict) -> dict[str, Any]:
    """The verdict as the columns of a recorded decision."""
    return {
        "gate": verdict.gate,
        "decision": verdict.decision,
        "policies": list(verdict.policies),
        "rules": list(verdict.rules),
        "status": verdict.status,
        "reason": verdict.reason,
        "obligations": list(verdict.obligations),
        "snapshot": verdict.snapshot,
        "request_xml": verdict.request_xml,
        "decided_at": verdict.decided_at,
    }
