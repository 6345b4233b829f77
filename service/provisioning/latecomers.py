"""Members whose account came, or changed hands, after their group had been delivered: the group is delivered once more.

Through the same gate and in the group's own lane, as any other change of its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from service.provisioning import fanout
from service.provisioning.context import Context
from service.store import configuration, entities, links, rows, transitions
from service.store.announcements import announce
from service.store.database import Transaction
from service.store.ids import new_id
from service.store.models import DeliveryRow, EntityRow, RequestRow

log = structlog.get_logger(__name__)

_INNER = "group-in-group"
_HEIR = "new-bearer-of-an-account"


def ring(tx: Transaction, context: Context, member: DeliveryRow, now: datetime) -> None:
    """A member has an account now: deliver the groups that its target has without it, each once."""
    for group, last in links.groups_without(tx, member.entity_id, member.connector_id):
        _ring(tx, context, last, _request(group, last, [member.entity_id], now))


def ring_group(tx: Transaction, context: Context, group: DeliveryRow, omitted: Sequence[str], now: datetime) -> None:
    """A group was delivered without members; who has got an account meanwhile, or gets one just now, is late."""
    late = links.late(tx, omitted, group.connector_id)
    if late:
        entity = entities.any_by_id(tx, group.entity_id)
        _ring(tx, context, group, _request(entity, group, late, now))


def ring_outer(tx: Transaction, context: Context, inner: DeliveryRow, now: datetime) -> None:
    """A group has changed whose users are, at this target, members of the groups around it: deliver those once more."""
    request = tx.get_one(RequestRow, inner.request_id)
    if request.created_by == _INNER:  # all groups around the first one were told at once
        return
    for group, last in links.groups_around(tx, inner.entity_id, inner.connector_id):
        _ring(tx, context, last, _request(group, last, [inner.entity_id], now, by=_INNER))


def disinherit(tx: Transaction, context: Context, heir: DeliveryRow, leaver_id: str, now: datetime) -> None:
    """An account that stayed when its bearer left has a new one: who must not get the groups that it is still in."""
    for group, last in links.groups_with_account_of(tx, leaver_id, heir.connector_id):
        if entities.end_membership(tx, group.id, heir.entity_id):
            _ring(tx, context, last, _request(group, last, [heir.entity_id], now, op="remove", by=_HEIR))


def _ring(tx: Transaction, context: Context, last: DeliveryRow, request: RequestRow) -> None:
    group = entities.any_by_id(tx, request.entity_id)
    provider = configuration.cached_service_provider(tx, last.service_provider)
    wanted = (last.identity_provider.casefold(), last.connector_type.lower())
    mine = [
        row
        for row in (provider.outbound if provider else ())
        if (row.identity_provider.casefold(), row.connector.lower()) == wanted
    ]
    one = fanout.plan_row(tx, mine[0], "modify", group.attributes, group, jit=False) if mine else "its row was removed"
    if isinstance(one, str):
        log.info("late members are not told to their group", group=group.name, reason=one)
        return
    rows.store(tx, request)
    fanout.Acceptance(tx=tx, context=context, request=request, entity=group, now=request.created_at).enqueue([one])
    transitions.settle(tx, request.id, request.created_at)
    announce(tx)
    log.info("late members are told to their group", told_by=request.id, group=group.name)


def _request(
    group: EntityRow,
    last: DeliveryRow,
    members: Sequence[str],
    now: datetime,
    *,
    op: str = "add",
    by: str = "late-member",
) -> RequestRow:
    """A change of the group's members, on behalf of whoever provisioned the group last."""
    return RequestRow(
        id=new_id(),
        service_provider=last.service_provider,
        operation="modify",
        channel="reconcile",
        jit=False,
        entity_id=group.id,
        entity_name=group.name,
        entity_type="group",
        patch=[{"op": op, "path": "members", "value": [{"value": one} for one in members]}],
        image=dict(group.attributes),
        membership_sequence=group.membership_sequence,
        skipped=[],
        state="pending",
        created_at=now,
        created_by=by,
    )
