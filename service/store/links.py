"""Links: which account or group at a target belongs to which entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from service.store import rows
from service.store.database import Transaction
from service.store.models import DeliveryRow, EntityRow, LaneRow, LinkRow, MembershipRow


class LinkTaken(Exception):
    """The account at the target belongs to another living entity; `entity_name` says which."""

    def __init__(self, identifier: str, entity_name: str) -> None:
        super().__init__(f"`{identifier}` at the target is linked to `{entity_name}` already")
        self.entity_name = entity_name


_HOLDER = select(LinkRow).where(
    LinkRow.connector_id == bindparam("connector"),
    LinkRow.entity_type == bindparam("type"),
    LinkRow.identifier == bindparam("identifier"),
    LinkRow.entity_id != bindparam("entity"),
)
_GROUPS_AT = (
    select(EntityRow, LinkRow.omitted)
    .join(MembershipRow, MembershipRow.group_id == EntityRow.id)
    .join(LinkRow, (LinkRow.entity_id == EntityRow.id) & (LinkRow.connector_id == bindparam("connector")))
    .where(MembershipRow.member_id == bindparam("member"), MembershipRow.present, ~EntityRow.deleted)
    .order_by(EntityRow.id)
)


def find(tx: Transaction, entity_id: str, connector_id: str) -> LinkRow | None:
    """What is known of the entity at that target."""
    return tx.get(LinkRow, (entity_id, connector_id))


def put(
    tx: Transaction,
    delivery: DeliveryRow,
    *,
    entity_type: str,
    identifier: str | None,
    delivered: Mapping[str, Any] | None,
    etag: str | None,
    own: bool,
    now: datetime,
) -> tuple[LinkRow | None, str | None]:
    """Create or update the link of a delivery's entity; no link when the target never told an identifier.

    Answers also the deleted entity, if any, that the account was taken from.
    Raises `LinkTaken` when another living entity has that account: two entities that write one account would undo each
    other's work forever.
    """
    row = find(tx, delivery.entity_id, delivery.connector_id)
    if row is None and identifier is None:
        return None, None
    before = None
    if identifier is not None and (row is None or row.identifier != identifier):
        before = _free(tx, delivery, entity_type, identifier)
    if row is None:
        row = LinkRow(
            entity_id=delivery.entity_id,
            connector_id=delivery.connector_id,
            entity_type=entity_type,
            identity_provider=delivery.identity_provider,
            connector_type=delivery.connector_type,
            identifier=identifier,
            delivered=dict(delivered) if delivered is not None else None,
            omitted=[],
            own=own,
            etag=etag,
            updated_at=now,
        )
        return rows.store(tx, row), before
    row.identifier = identifier or row.identifier
    row.delivered = dict(delivered) if delivered is not None else row.delivered
    row.etag = etag
    row.updated_at = now
    tx.flush()
    return row, before


def _free(tx: Transaction, delivery: DeliveryRow, entity_type: str, identifier: str) -> str | None:
    """Take the account from a deleted entity (it was deactivated, or kept), never from a living one. Answers whose."""
    wanted = {"connector": delivery.connector_id, "type": entity_type, "identifier": identifier}
    holder = tx.scalars(_HOLDER, wanted | {"entity": delivery.entity_id}).one_or_none()
    if holder is None:
        return None
    former = holder.entity_id
    entity = tx.get_one(EntityRow, holder.entity_id)
    if not entity.deleted:
        raise LinkTaken(identifier, entity.name)
    tx.delete(holder)
    tx.flush()
    return former


def remove(tx: Transaction, entity_id: str, connector_id: str) -> None:
    """The account is gone from the target."""
    row = find(tx, entity_id, connector_id)
    if row is not None:
        tx.delete(row)
        tx.flush()


def keep(tx: Transaction, entity_id: str, connector_id: str, reason: str) -> None:
    """Mark that the account stays although its removal was asked for."""
    row = find(tx, entity_id, connector_id)
    if row is not None:
        row.kept = reason


@dataclass(frozen=True, slots=True)
class MemberAt:
    """A membership row of a group, with the member's identifier at one target (None: it has no account there)."""

    entity_id: str
    name: str
    type: str
    present: bool
    sequence: int
    identifier: str | None


def members_at(tx: Transaction, group_id: str, connector_id: str) -> list[MemberAt]:
    """All membership rows of a group, the ended ones too, as one target knows the members."""
    at_target = (LinkRow.entity_id == EntityRow.id) & (LinkRow.connector_id == connector_id)
    query = (
        select(
            EntityRow.id,
            EntityRow.name,
            EntityRow.type,
            MembershipRow.present,
            MembershipRow.sequence,
            LinkRow.identifier,
        )
        .select_from(MembershipRow)
        .join(EntityRow, EntityRow.id == MembershipRow.member_id)
        .outerjoin(LinkRow, at_target)
        .where(MembershipRow.group_id == group_id)
        .order_by(MembershipRow.sequence)
    )
    return [MemberAt(*row) for row in tx.execute(query)]


def groups_without(tx: Transaction, member_id: str, connector_id: str) -> list[tuple[EntityRow, DeliveryRow]]:
    """The groups that a target has without one of their members, each with its last delivery to there.

    Not those that have one waiting: it will find the member's account.
    """
    found_groups = tx.execute(_GROUPS_AT, {"member": member_id, "connector": connector_id})
    without = [group for group, omitted in found_groups if member_id in omitted]
    found = [(group, _last_delivery(tx, group.id, connector_id)) for group in without]
    return [(group, last) for group, last in found if last is not None and last.state not in {"pending", "retrying"}]


def groups_around(tx: Transaction, inner_id: str, connector_id: str) -> list[tuple[EntityRow, DeliveryRow]]:
    """The groups at a target that a group is in, or was when they were last delivered, with all that those are in.

    Each with its last delivery to there; not those that have one waiting: it will find the members of now.
    """
    at_target = (LinkRow.entity_id == EntityRow.id) & (LinkRow.connector_id == connector_id)
    inside = MembershipRow.present | (MembershipRow.sequence > func.coalesce(LinkRow.membership_sequence, 0))
    around: dict[str, EntityRow] = {}
    seen, frontier = {inner_id}, [inner_id]
    while frontier:
        query = (
            select(EntityRow, LinkRow.identifier)
            .join(MembershipRow, MembershipRow.group_id == EntityRow.id)
            .outerjoin(LinkRow, at_target)
            .where(MembershipRow.member_id.in_(frontier), inside, ~EntityRow.deleted)
        )
        found = {group.id: (group, identifier) for group, identifier in tx.execute(query) if group.id not in seen}
        around |= {key: group for key, (group, identifier) in found.items() if identifier is not None}
        seen |= found.keys()
        frontier = list(found)
    last = [(group, _last_delivery(tx, key, connector_id)) for key, group in sorted(around.items())]
    return [(group, one) for group, one in last if one is not None and one.state not in {"pending", "retrying"}]


def late(tx: Transaction, omitted: Sequence[str], connector_id: str) -> list[str]:
    """Those of a group's omitted members that have an account there by now, or may be getting it at this very moment.

    Whoever stores an account holds the lane of its bearer. So the lanes that nobody holds are held here until the
    commit: who gets hold of one then sees what the group was delivered without (`groups_without`). Where somebody holds
    one already, the account that is being stored cannot be seen before that commit; to wait for it would be a deadlock
    when it waits for the group's lane.
    """
    found: set[str] = set()
    for start in range(0, len(omitted), 500):
        part = omitted[start : start + 500]
        found |= _being_written(tx, part, connector_id)
        linked = select(LinkRow.entity_id).where(LinkRow.connector_id == connector_id, LinkRow.entity_id.in_(part))
        found |= set(tx.scalars(linked))
    return [one for one in omitted if one in found]


def _being_written(tx: Transaction, entity_ids: Sequence[str], connector_id: str) -> set[str]:
    """The entities whose lane somebody else holds; the other ones' lanes are held from now on."""
    query = (
        select(LaneRow.id, EntityRow.id)
        .join(EntityRow, EntityRow.lane_key == LaneRow.lane_key)
        .where(LaneRow.connector_id == connector_id, EntityRow.id.in_(entity_ids))
    )
    lanes = {lane: entity for lane, entity in tx.execute(query)}  # noqa: C416 - rows are no pairs to mypy
    free = select(LaneRow.id).where(LaneRow.id.in_(lanes)).with_for_update(read=True, skip_locked=True)
    held = set(tx.scalars(free))
    return {entity for lane, entity in lanes.items() if lane not in held}


def groups_with_account_of(tx: Transaction, leaver_id: str, connector_id: str) -> list[tuple[EntityRow, DeliveryRow]]:
    """The groups in which a target still has a leaver's account, each with its last delivery to there."""
    query = (
        select(EntityRow)
        .join(MembershipRow, MembershipRow.group_id == EntityRow.id)
        .join(LinkRow, (LinkRow.entity_id == EntityRow.id) & (LinkRow.connector_id == connector_id))
        .where(MembershipRow.member_id == leaver_id, ~MembershipRow.present, ~EntityRow.deleted)
        .where(MembershipRow.sequence > func.coalesce(LinkRow.membership_sequence, 0))
        .order_by(EntityRow.id)
    )
    found = [(group, _last_delivery(tx, group.id, connector_id)) for group in tx.scalars(query).all()]
    return [(group, last) for group, last in found if last is not None]


def _last_delivery(tx: Transaction, entity_id: str, connector_id: str) -> DeliveryRow | None:
    query = (
        select(DeliveryRow)
        .where(DeliveryRow.entity_id == entity_id, DeliveryRow.connector_id == connector_id)
        .order_by(DeliveryRow.id.desc())
        .limit(1)
    )
    return tx.scalars(query).one_or_none()


def member_under_way(tx: Transaction, group_id: str, connector_id: str) -> str | None:
    """The name of a present member whose account at the target is still being made; None when there is no such one."""
    unlinked = (
        select(LinkRow.entity_id)
        .where(LinkRow.entity_id == EntityRow.id, LinkRow.connector_id == connector_id)
        .exists()
    )
    query = (
        select(EntityRow.name)
        .join(MembershipRow, MembershipRow.member_id == EntityRow.id)
        .join(DeliveryRow, (DeliveryRow.entity_id == EntityRow.id) & (DeliveryRow.connector_id == connector_id))
        .where(MembershipRow.group_id == group_id, MembershipRow.present, DeliveryRow.final_at.is_(None), ~unlinked)
        .where(DeliveryRow.effective_operation != "delete", DeliveryRow.state.in_(("pending", "running", "retrying")))
        .order_by(EntityRow.name)
        .limit(1)
    )
    return tx.scalars(query).one_or_none()
