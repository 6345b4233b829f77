"""Builds what a connector is given: the task of one attempt, with the attributes and members of now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.connector import Exchange, Link, Member, Membership, Task
from connectors.nesting import Nesting, told_members
from service.providers import IdentityProvider
from service.provisioning import mapping, roles
from service.provisioning.context import Context
from service.provisioning.operations import Operation
from service.store import journal, links
from service.store.database import Transaction
from service.store.models import DeliveryRow, EntityRow, ExchangeRow, LinkRow, RequestRow

MEMBER_PATIENCE = timedelta(minutes=10)
"""How long a group waits for members whose accounts are still being made."""


@dataclass(frozen=True, slots=True)
class Members:
    """A group's members as a target can be told, up to a sequence number; `omitted` have no account there."""

    membership: Membership
    sequence: int
    omitted: tuple[str, ...]
    omitted_names: tuple[str, ...]


def password_place(request_id: str) -> str:
    """What a sealed password is bound to."""
    return f"provisioning_requests:{request_id}:password"


def build(
    tx: Transaction,
    context: Context,
    *,
    delivery: DeliveryRow,
    request: RequestRow,
    entity: EntityRow,
    image: Mapping[str, Any],
    target: IdentityProvider,
    operation: Operation,
    link: LinkRow | None,
    members: Members | None,
    unfinished: Sequence[ExchangeRow],
    now: datetime,
) -> Task:
    """The task of one attempt. `image`: as the request left it, or as it is now for a revived dead letter."""
    known = roles.with_mapped_roles(image, target.role_mappings)
    mapped = mapping.map_attributes(known, target.claim_mappings)
    sealed = request.sealed_password
    return Task(
        operation=operation,
        entity_type="group" if request.entity_type == "group" else "user",
        entity_id=entity.id,
        name=entity.name if delivery.of_now else request.entity_name,
        domain=entity.domain,
        attributes=mapped if mapped is not None else known,
        mapped=mapped is not None,
        patch=request.patch or (),
        password=context.vault.open(sealed, password_place(request.id)) if sealed else None,
        link=_link(link),
        unfinished=tuple(_exchange(row) for row in unfinished),
        membership=members.membership if members else None,
        now=now,
        random=context.random,
        remembered=_remembered(tx, context, delivery.connector_id, now),
    )


def _link(row: LinkRow | None) -> Link | None:
    return None if row is None else Link(row.identifier, row.delivered, row.etag, row.active)


def _exchange(row: ExchangeRow) -> Exchange:
    return Exchange(method=row.method, url=row.url, safe=row.safe, status=row.status)


def _remembered(tx: Transaction, context: Context, connector_id: str, now: datetime) -> Mapping[str, Any]:
    facts = journal.remembered(tx, context.vault, connector_id, now)
    return {key: json.loads(value) for key, value in facts.items()}


def members(
    tx: Transaction, group: EntityRow, connector_id: str, link: LinkRow | None, way: Nesting = "pass-on"
) -> Members:
    """The members of a group for one target, and the changes since it last heard of them.

    Who was omitted last time and has an account by now counts as added. Where groups in groups are replaced by their
    users, the changes are not known while there are such groups, or were: the target is compared with who is in.
    """
    rows = links.members_at(tx, group.id, connector_id)
    if way == "leave-out":
        rows = [row for row in rows if row.type == "user"]
    present = [row for row in rows if row.present]
    since = link.membership_sequence if link is not None else None
    if way == "flatten" and any(row.type == "group" and (row.present or row.sequence > (since or 0)) for row in rows):
        present, since = _flattened(tx, connector_id, present), None
    added = removed = None
    if link is not None and since is not None:
        before = set(link.omitted)
        added = _known(row for row in present if row.sequence > since or row.entity_id in before)
        removed = _known(row for row in rows if not row.present and row.sequence > since)
    without = [row for row in present if row.identifier is None]
    return Members(
        Membership(current=_known(present), added=added, removed=removed),
        group.membership_sequence,
        tuple(row.entity_id for row in without),
        tuple(row.name for row in without),
    )


def _flattened(tx: Transaction, connector_id: str, present: list[links.MemberAt]) -> list[links.MemberAt]:
    return told_members(
        present,
        "flatten",
        type_of=lambda row: "group" if row.type == "group" else "user",
        id_of=lambda row: row.entity_id,
        members_of=lambda group_id: [row for row in links.members_at(tx, group_id, connector_id) if row.present],
    )


def _known(rows: Any) -> tuple[Member, ...]:
    return tuple(
        Member(row.entity_id, row.identifier, row.name, row.type) for row in rows if row.identifier is not None
    )
