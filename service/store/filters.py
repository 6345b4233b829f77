"""What the filters of lists mean: names are compared without case, and what was called so then is found as well."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Text, and_, cast, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from service.store.entities import key
from service.store.ids import earliest_id
from service.store.models import DecisionRow, DeliveryRow, EntityRow, IdentityProviderRow, ServiceProviderRow

Column = InstrumentedAttribute[str]


def about(entity_id: Column, text: str) -> ColumnElement[bool]:
    """That it is about the entity with that id, or about one that has, or had when it was deleted, that name.

    SCIM compares `userName` and a group's `displayName` without case (RFC 7643 section 8.7.1, `caseExact`).
    """
    return or_(entity_id == text, entity_id.in_(select(EntityRow.id).where(EntityRow.last_name_key == key(text))))


def on_behalf_of(name: Column, text: str) -> ColumnElement[bool]:
    """That it was asked for by the service provider of that name, as it is written now or as it was then."""
    return or_(name == text, name.in_(select(ServiceProviderRow.name).where(ServiceProviderRow.name_key == key(text))))


def delivered_to(text: str) -> ColumnElement[bool]:
    """That a delivery goes to the identity provider that has that name now, or had it then."""
    named = select(IdentityProviderRow.id).where(IdentityProviderRow.name_key == key(text))
    return or_(DeliveryRow.identity_provider == text, DeliveryRow.identity_provider_id.in_(named))


def account_at(name: Column, text: str) -> ColumnElement[bool]:
    """That an account is at the identity provider of that name; accounts follow its renaming."""
    named = select(IdentityProviderRow.name).where(IdentityProviderRow.name_key == key(text))
    return or_(name == text, name.in_(named))


def accepted_before(moment: datetime) -> ColumnElement[bool]:
    """That a delivery was accepted, or retried by hand, before then; its id, which never changes, is no younger."""
    return and_(DeliveryRow.id < earliest_id(moment + timedelta(milliseconds=1)), DeliveryRow.created_at < moment)


def decided_by(policy: str) -> ColumnElement[bool]:
    """That a decision about a delivery was due to that policy. Databases differ in how they write what is not ASCII."""
    policies = cast(DecisionRow.policies, Text)
    written = sorted({json.dumps(policy), json.dumps(policy, ensure_ascii=False)})
    named = or_(*(policies.contains(one, autoescape=True) for one in written))
    return select(DecisionRow.id).where(DecisionRow.delivery_id == DeliveryRow.id, named).exists()
