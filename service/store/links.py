"""Links: which account or group at a target belongs to which entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from service.store.database import Transaction
from service.store.models import DeliveryRow, EntityRow, LinkRow


class LinkTaken(Exception):
    """The account at the target belongs to another living entity; `entity_name` says which."""

    def __init__(self, identifier: str, entity_name: str) -> None:
        super().__init__(f"`{identifier}` at the target is linked to `{entity_name}` already")
        self.entity_name = entity_name


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
) -> LinkRow | None:
    """Create or update the link of a delivery's entity; None when the target never told an identifier.

    Raises `LinkTaken` when another living entity has that account: two entities that write one account would undo each
    other's work forever.
    """
    row = find(tx, delivery.entity_id, delivery.connector_id)
    if row is None and identifier is None:
        return None
    if identifier is not None and (row is None or row.identifier != identifier):
        _free(tx, delivery, entity_type, identifier)
    if row is None:
        row = LinkRow(
            entity_id=delivery.entity_id,
            connector_id=delivery.connector_id,
            entity_type=entity_type,
            identity_provider=delivery.identity_provider,
            connector_type=delivery.connector_type,
            omitted=[],
            own=own,
        )
        tx.add(row)
    row.identifier = identifier or row.identifier
    row.delivered = dict(delivered) if delivered is not None else row.delivered
    row.etag = etag
    row.updated_at = now
    tx.flush()
    return row


def _free(tx: Transaction, delivery: DeliveryRow, entity_type: str, identifier: str) -> None:
    """Take the account from a deleted entity (it was deactivated, or kept); never from a living one."""
    query = select(LinkRow).where(
        LinkRow.connector_id == delivery.connector_id,
        LinkRow.entity_type == entity_type,
        LinkRow.identifier == identifier,
        LinkRow.entity_id != delivery.entity_id,
    )
    holder = tx.scalars(query).one_or_none()
    if holder is None:
        return
    entity = tx.get_one(EntityRow, holder.entity_id)
    if not entity.deleted:
        raise LinkTaken(identifier, entity.name)
    tx.delete(holder)
    tx.flush()


def remove(tx: Transaction, entity_id: str, connector_id: str) -> None:
    """The account is gone from the target."""
    row = find(tx, entity_id, connector_id)
    if row is not None:
        tx.delete(row)
        tx.flush()


def identifiers(tx: Transaction, connector_id: str, entity_ids: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """(identifier, name, type) at a target by entity id, for those that have a link there."""
    query = (
        select(LinkRow.entity_id, LinkRow.identifier, EntityRow.name, EntityRow.type)
        .join(EntityRow, EntityRow.id == LinkRow.entity_id)
        .where(LinkRow.connector_id == connector_id, LinkRow.entity_id.in_(list(entity_ids)))
    )
    return {entity: (identifier, name, type_) for entity, identifier, name, type_ in tx.execute(query)}


def keep(tx: Transaction, entity_id: str, connector_id: str, reason: str) -> None:
    """Mark that the account stays although its removal was asked for."""
    row = find(tx, entity_id, connector_id)
    if row is not None:
        row.kept = reason
