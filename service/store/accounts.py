"""Accounts as people ask for them: what an entity has at which target, and what stays although it should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, tuple_

from service.store.database import Transaction
from service.store.entities import key
from service.store.filters import about, account_at
from service.store.ledger import Json, deliveries_page, stamp
from service.store.models import EntityRow, LinkRow, MembershipRow

LATEST = 20
"""Deliveries shown of one entity."""


def accounts_page(
    tx: Transaction, filters: Mapping[str, Any], cursor: str | None, limit: int
) -> tuple[list[Json], str | None]:
    """Accounts in the order of their entities' ids.

    `filters`: kept (boolean), identityProvider, entity (id or name), entityId. Names are compared without case.
    """
    query = select(LinkRow, EntityRow).join(EntityRow, EntityRow.id == LinkRow.entity_id)
    if filters.get("kept") is not None:
        query = query.where(LinkRow.kept.is_not(None) if filters["kept"] else LinkRow.kept.is_(None))
    if provider := filters.get("identityProvider"):
        query = query.where(account_at(LinkRow.identity_provider, provider))
    if entity := filters.get("entity"):
        query = query.where(about(LinkRow.entity_id, entity))
    if entity_id := filters.get("entityId"):
        query = query.where(LinkRow.entity_id == entity_id)
    if cursor:
        entity_id, _, connector_id = cursor.partition(".")
        query = query.where(tuple_(LinkRow.entity_id, LinkRow.connector_id) > (entity_id, connector_id))
    rows = tx.execute(query.order_by(LinkRow.entity_id, LinkRow.connector_id).limit(limit + 1)).all()
    last = rows[limit - 1][0] if len(rows) > limit else None
    shown = [_account(link, entity) for link, entity in rows[:limit]]
    return shown, f"{last.entity_id}.{last.connector_id}" if last is not None else None


def entities_page(
    tx: Transaction, filters: Mapping[str, Any], cursor: str | None, limit: int
) -> tuple[list[Json], str | None]:
    """Users and groups in the order of their names, each with how many accounts it has.

    `filters`: name (a part of it, in any case), type. Deleted ones are found by the name that they had last.
    """
    query = select(EntityRow).order_by(EntityRow.last_name_key, EntityRow.id)
    if part := filters.get("name"):
        query = query.where(EntityRow.last_name_key.contains(key(part), autoescape=True))
    if type_ := filters.get("type"):
        query = query.where(EntityRow.type == type_)
    if cursor:
        last = tx.get(EntityRow, cursor)
        if last is not None:
            query = query.where(tuple_(EntityRow.last_name_key, EntityRow.id) > (last.last_name_key, last.id))
    rows = tx.scalars(query.limit(limit + 1)).all()
    shown = rows[:limit]
    counted = (
        select(LinkRow.entity_id, func.count())
        .where(LinkRow.entity_id.in_([row.id for row in shown]))
        .group_by(LinkRow.entity_id)
    )
    accounts = {id_: count for id_, count in tx.execute(counted)}  # noqa: C416 - rows are no pairs to the type checker
    return (
        [_listed(row) | {"accounts": accounts.get(row.id, 0)} for row in shown],
        shown[-1].id if len(rows) > limit else None,
    )


def _listed(row: EntityRow) -> Json:
    return {
        "id": row.id,
        "type": row.type,
        "name": row.name,
        "userStoreDomain": row.domain,
        "deleted": row.deleted,
        "updatedAt": stamp(row.updated_at),
    }


def names_of(tx: Transaction, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Ids and names of those of the entities that there are, by name."""
    query = select(EntityRow.id, EntityRow.name).where(EntityRow.id.in_(ids)).order_by(EntityRow.last_name_key)
    return [(id_, name) for id_, name in tx.execute(query)]


def groups_of(tx: Transaction, member_id: str, limit: int) -> list[tuple[str, str]]:
    """Ids and names of the groups that an entity is a member of, at most that many."""
    query = (
        select(EntityRow.id, EntityRow.name)
        .join(MembershipRow, MembershipRow.group_id == EntityRow.id)
        .where(MembershipRow.member_id == member_id, MembershipRow.present, EntityRow.deleted.is_(False))
        .order_by(EntityRow.last_name_key)
        .limit(limit)
    )
    return [(id_, name) for id_, name in tx.execute(query)]


def members_of(tx: Transaction, group_id: str, limit: int) -> tuple[list[tuple[str, str]], int]:
    """Ids and names of a group's members, at most that many, and how many there are in all."""
    present = (MembershipRow.group_id == group_id, MembershipRow.present)
    query = (
        select(EntityRow.id, EntityRow.name)
        .join(MembershipRow, MembershipRow.member_id == EntityRow.id)
        .where(*present)
        .limit(limit)
    )
    count = tx.scalar(select(func.count()).select_from(MembershipRow).where(*present)) or 0
    return [(id_, name) for id_, name in tx.execute(query)], count


def entity_view(tx: Transaction, entity_id: str) -> Json | None:
    """An entity with its accounts at all targets and its latest deliveries; None when there is none with that id."""
    entity = tx.get(EntityRow, entity_id)
    if entity is None:
        return None
    accounts, _ = accounts_page(tx, {"entityId": entity_id}, None, limit=1000)
    deliveries, _ = deliveries_page(tx, {"entityId": entity_id}, None, LATEST)
    return {
        "id": entity.id,
        "type": entity.type,
        "name": entity.name,
        "userStoreDomain": entity.domain,
        "deleted": entity.deleted,
        "attributes": entity.attributes,
        "createdAt": stamp(entity.created_at),
        "updatedAt": stamp(entity.updated_at),
        "accounts": accounts,
        "deliveries": deliveries,
    }


def _account(link: LinkRow, entity: EntityRow) -> Json:
    return {
        "entity": {"id": entity.id, "type": entity.type, "name": entity.name},
        "identityProvider": link.identity_provider,
        "connector": link.connector_type,
        "provisionedIdentifier": link.identifier,
        "active": link.active,
        "own": link.own,
        "kept": link.kept,
        "omittedMembers": list(link.omitted),
        "updatedAt": stamp(link.updated_at),
    }
