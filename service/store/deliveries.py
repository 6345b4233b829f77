"""Deliveries as an attempt reads them."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, select

from service.store.database import Transaction
from service.store.models import DeliveryRow, EntityRow, LinkRow, RequestRow

_SURROUNDINGS = (
    select(RequestRow, EntityRow, LinkRow)
    .select_from(RequestRow)
    .join(EntityRow, EntityRow.id == bindparam("entity"))
    .outerjoin(LinkRow, and_(LinkRow.entity_id == EntityRow.id, LinkRow.connector_id == bindparam("connector")))
    .where(RequestRow.id == bindparam("request"))
)


_BY_ID = select(DeliveryRow).where(DeliveryRow.id == bindparam("id")).execution_options(populate_existing=True)


def read(tx: Transaction, delivery_id: str) -> DeliveryRow:
    """The delivery as it is now; it must be there."""
    return tx.scalars(_BY_ID, {"id": delivery_id}).one()


def surroundings(tx: Transaction, delivery: DeliveryRow) -> tuple[RequestRow, EntityRow, LinkRow | None]:
    """The delivery's request, its entity (deleted or not) and what is known of that at the target."""
    wanted = {"request": delivery.request_id, "entity": delivery.entity_id, "connector": delivery.connector_id}
    request, entity, link = tx.execute(_SURROUNDINGS, wanted).one()
    return request, entity, link
