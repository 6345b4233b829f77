"""Entities and their memberships, written under the entity's row lock.

The lock lets rows that refer to the entity be written meanwhile: a worker that stores a link holds the very lane that
whoever accepts the entity's next operation wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from service.store import rows
from service.store.database import Transaction
from service.store.ids import new_id
from service.store.models import EntityRow, MembershipRow

_ENTITIES, _MEMBERSHIPS = EntityRow.__table__, MembershipRow.__table__
_NAMED = (EntityRow.type == bindparam("type"), EntityRow.domain_key == bindparam("domain"))
_FIND = select(EntityRow).where(*_NAMED, EntityRow.name_key == bindparam("name")).with_for_update(key_share=True)
_BY_ID = select(EntityRow).where(EntityRow.id == bindparam("id")).with_for_update(key_share=True)
_EARLIER = (
    select(_ENTITIES.c.lane_key, _ENTITIES.c.deleted)
    .where(*_NAMED, EntityRow.last_name_key == bindparam("name"))
    .order_by(_ENTITIES.c.updated_at.desc())
    .limit(1)
)
_GROUP_NAMES = (
    select(_ENTITIES.c.name)
    .join(_MEMBERSHIPS, _MEMBERSHIPS.c.group_id == _ENTITIES.c.id)
    .where(_MEMBERSHIPS.c.member_id == bindparam("member"), _MEMBERSHIPS.c.present, ~_ENTITIES.c.deleted)
    .order_by(_ENTITIES.c.name)
)


def key(text: str) -> str:
    """What names are compared by: they differ by more than case."""
    return text.casefold()


def find(tx: Transaction, type_: str, domain: str, name: str) -> EntityRow | None:
    """The living entity of that name, its row locked."""
    return tx.scalars(_FIND, {"type": type_, "domain": key(domain), "name": key(name)}).one_or_none()


def look_up(tx: Transaction, type_: str, domain: str, name: str) -> EntityRow | None:
    """The living entity of that name, to be looked at only: nothing is locked."""
    wanted = (EntityRow.type == type_, EntityRow.domain_key == key(domain), EntityRow.name_key == key(name))
    return tx.scalars(select(EntityRow).where(*wanted)).one_or_none()


def names(tx: Transaction, type_: str, limit: int) -> list[str]:
    """The names of some living entities, the first in order."""
    query = select(EntityRow.name).where(EntityRow.type == type_, EntityRow.name_key.is_not(None))
    return list(tx.scalars(query.order_by(EntityRow.domain_key, EntityRow.name_key).limit(limit)))


def by_id(tx: Transaction, entity_id: str) -> EntityRow | None:
    """The living entity with that id, its row locked."""
    row = tx.scalars(_BY_ID, {"id": entity_id}).one_or_none()
    return None if row is None or row.deleted else row


def any_by_id(tx: Transaction, entity_id: str) -> EntityRow:
    """The entity with that id, deleted or not."""
    return tx.get_one(EntityRow, entity_id)


def create(
    tx: Transaction, *, type_: str, domain: str, name: str, attributes: Mapping[str, Any], now: datetime
) -> EntityRow:
    """A new entity; it takes over the lanes of the last deleted bearer of its name."""
    earlier = tx.execute(_EARLIER, {"type": type_, "domain": key(domain), "name": key(name)}).one_or_none()
    identifier = new_id()
    row = EntityRow(
        id=identifier,
        type=type_,
        domain=domain,
        domain_key=key(domain),
        name=name,
        name_key=key(name),
        last_name_key=key(name),
        lane_key=earlier.lane_key if earlier is not None and earlier.deleted else identifier,
        attributes=dict(attributes),
        created_at=now,
        updated_at=now,
    )
    return rows.store(tx, row)


def update(entity: EntityRow, *, name: str, attributes: Mapping[str, Any], now: datetime) -> None:
    """The entity's new image, and its new name when it was renamed."""
    entity.attributes = dict(attributes)
    entity.name = name
    entity.name_key = entity.last_name_key = key(name)
    entity.version += 1
    entity.updated_at = now


def delete(tx: Transaction, entity: EntityRow, now: datetime) -> None:
    """End the entity; its row stays with its last known attributes and groups, its memberships end with it."""
    last_known = group_names(tx, entity.id)
    for membership in tx.scalars(select(MembershipRow).where(MembershipRow.member_id == entity.id)):
        if membership.present:
            group = tx.get_one(EntityRow, membership.group_id, with_for_update={"key_share": True})
            _change(tx, group, membership.member_id, present=False)
    if last_known:
        # Its removal is judged by them, long after the memberships have ended.
        entity.attributes = {**entity.attributes, "groups": [{"display": name} for name in last_known]}
    entity.deleted = True
    entity.name_key = None
    entity.version += 1
    entity.updated_at = now


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """What happens to a group's members; `replaced` (when not None) is the whole new set."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    replaced: frozenset[str] | None = None


def change_members(tx: Transaction, group: EntityRow, change: MembershipChange) -> None:
    """Write only the memberships that differ; each gets the group's next sequence number."""
    added, removed = change.added, change.removed
    if change.replaced is not None:
        added, removed = added | change.replaced, removed | (member_ids(tx, group.id) - change.replaced)
    present = {row.member_id for row in tx.scalars(_rows(group.id, added | removed)) if row.present}
    for member in sorted(added - present):
        _change(tx, group, member, present=True)
    for member in sorted((removed & present) - added):
        _change(tx, group, member, present=False)


def _rows(group_id: str, members: Iterable[str]) -> Any:
    return select(MembershipRow).where(MembershipRow.group_id == group_id, MembershipRow.member_id.in_(list(members)))


def _change(tx: Transaction, group: EntityRow, member: str, *, present: bool) -> None:
    group.membership_sequence += 1
    tx.merge(
        MembershipRow(group_id=group.id, member_id=member, sequence=group.membership_sequence, present=present),
    )


def end_membership(tx: Transaction, group_id: str, member_id: str) -> bool:
    """Write that someone is no member, for the targets to hear of it; false when the entity is one."""
    row = tx.get(MembershipRow, (group_id, member_id))
    if row is not None and row.present:
        return False
    group = tx.get_one(EntityRow, group_id, with_for_update={"key_share": True}, populate_existing=True)
    _change(tx, group, member_id, present=False)
    tx.flush()
    return True


def member_ids(tx: Transaction, group_id: str) -> frozenset[str]:
    """The ids of a group's present members."""
    query = select(MembershipRow.member_id).where(MembershipRow.group_id == group_id, MembershipRow.present)
    return frozenset(tx.scalars(query))


def membership_changes(tx: Transaction, group_id: str, since: int) -> dict[str, bool]:
    """The members that joined (true) or left (false) a group after a sequence number."""
    query = select(MembershipRow.member_id, MembershipRow.present).where(
        MembershipRow.group_id == group_id, MembershipRow.sequence > since
    )
    return {member: present for member, present in tx.execute(query)}  # noqa: C416 - rows are no pairs to mypy


def unknown_ids(tx: Transaction, ids: Iterable[str]) -> list[str]:
    """Those of the ids that no living entity has, in the given order."""
    wanted = list(ids)
    if not wanted:
        return []
    query = select(EntityRow.id).where(EntityRow.id.in_(wanted), EntityRow.deleted.is_(False))
    living = set(tx.scalars(query))
    return [i for i in wanted if i not in living]


def group_names(tx: Transaction, member_id: str) -> tuple[str, ...]:
    """The names of the groups that the entity is a member of, sorted; of a deleted one those that it was in last."""
    member = tx.get(EntityRow, member_id)
    if member is not None and member.deleted:
        return tuple(group["display"] for group in member.attributes.get("groups", ()))
    return tuple(name for (name,) in tx.execute(_GROUP_NAMES, {"member": member_id}))


def count(tx: Transaction, type_: str) -> int:
    """How many living entities of a type there are."""
    query = select(func.count()).select_from(EntityRow).where(EntityRow.type == type_, EntityRow.deleted.is_(False))
    return tx.scalar(query) or 0
