"""Accounts as people ask for them: what an entity has at which target, and what stays although it should not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, tuple_

from service.store.database import Transaction
from service.store.filters import about, account_at
from service.store.ledger import Json, deliveries_page, stamp
from service.store.models import EntityRow, LinkRow

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
