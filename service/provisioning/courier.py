"""Makes one attempt of a lane's head: decide, build, journal the intent, send, journal the reply, record the outcome.

Nothing is sent before its intent is committed, in the same transaction as the decision that permits it. A transaction
shows the lease's fence first, so that a worker that lost its lane writes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import structlog

from connectors.connector import Exchanges, Progress, Provisioned, Remember, Reply, Request
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.masking import mask_body, mask_headers, mask_text
from connectors.nesting import nesting
from connectors.pinning import NoReply
from service.provisioning import departure, latecomers, retry
from service.provisioning.context import Context
from service.provisioning.departure import Blocked, Departure, StalePolicies
from service.store import deliveries, journal, leases, links, targets, transitions
from service.store.database import Transaction
from service.store.leases import Lease, LeaseLost
from service.store.models import FINAL_STATES, DeliveryRow

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=15)
REFRESHES = 5

Head = Literal["worked", "released", "blocked"]
"""What became of a lane's head: more is due after it; nothing is, and the lane was given back; nothing may be sent."""

Departing = TypeVar("Departing")


@dataclass(slots=True)
class Flight:
    """An attempt that has something to send."""

    lease: Lease
    departure: Departure
    attempt_id: str
    exchanges: Exchanges
    request: Request
    number: int
    identifier: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Grounded:
    """A look at a lane's head after which there is nothing to send; `departure` is of what ended, or waits, so."""

    head: Head
    departure: Departure | None = None


class Courier:
    """Delivers the heads of leased lanes. Thread-safe: holds no state of an attempt.

    `moved` is told the lane whenever something is about to be sent.
    """

    def __init__(self, context: Context, worker: str, moved: Callable[[str], None]) -> None:
        self._context = context
        self._worker = worker
        self._moved = moved

    def deliver_head(self, lease: Lease, leaving: Flight | Grounded | None = None) -> Head:
        """Make one attempt of the lane's head if it is due and its target may be sent to; go on with `leaving`.

        Raises `LeaseLost` when another worker has taken the lane.
        """
        if leaving is None:
            asked = self.ask_anew(partial(self._depart, lease))
            leaving = Grounded("blocked") if asked is None else asked
        elif (begun := leaving.departure) is not None:
            delivery = begun.delivery
            structlog.contextvars.bind_contextvars(request=delivery.request_id, delivery=delivery.id)
        if isinstance(leaving, Flight):
            head = self._fly(leaving)
            self._count(leaving.departure)
            return head
        if leaving.departure is not None:
            self._count(leaving.departure)
        return leaving.head

    def ask_anew(self, depart: Callable[[], Departing]) -> Departing | None:
        """What `depart` answers with the policies that count: it is asked again when newer ones were published."""
        for _ in range(REFRESHES):
            try:
                return depart()
            except StalePolicies:
                self._context.refresh_policies()
        log.warning("policies change faster than they can be asked")
        return None

    def _count(self, leaving: Departure) -> None:
        state = leaving.delivery.state
        self._context.metrics.attempted(leaving.target.name, state)
        if state in FINAL_STATES:
            self._context.metrics.ended(leaving.target.name, state)

    def _depart(self, lease: Lease) -> Flight | Grounded:
        now = self._context.clock()
        with self._context.database.transaction() as tx:
            leases.renew(tx, lease, now + LEASE)
            return self.depart(tx, lease, now)

    def depart(self, tx: Transaction, lease: Lease, now: datetime) -> Flight | Grounded:
        """Decide and journal the first intent, in the transaction that has shown the fence. Raises `StalePolicies`."""
        try:
            leaving = departure.prepare(tx, self._context, lease.lane_id, now, probing=lease.probe is not None)
        except Blocked:
            return Grounded("blocked")  # committed: until when it is blocked was written on the way
        if leaving is None:
            leases.reschedule(tx, lease.lane_id)
        elif leaving.task is not None:
            flight = self._take_off(tx, lease, leaving, now)
            if flight is not None:
                return flight
        return Grounded(_rest(tx, lease, now), leaving)

    def _take_off(self, tx: Transaction, lease: Lease, leaving: Departure, now: datetime) -> Flight | None:
        assert leaving.task is not None
        assert leaving.settings is not None
        delivery = leaving.delivery
        number = transitions.start(tx, delivery, effective_operation=leaving.operation, now=now)
        attempt = journal.begin_attempt(
            tx,
            delivery.id,
            number,
            worker=self._worker,
            gate=leaving.gate,
            decision_id=leaving.decision_id,
            effective_operation=leaving.operation,
            now=now,
        )
        connector = self._context.connector(delivery.connector_type)
        exchanges = connector.provision(leaving.task, leaving.settings)
        flight = Flight(lease, leaving, attempt.id, exchanges, request=_NOTHING, number=0)
        return flight if self._advance(tx, flight, None, now) else None

    def _fly(self, flight: Flight) -> Head:
        """Send, journal the reply with the next intent, and so on until the connector has ended."""
        while True:
            self._moved(flight.lease.lane_id)
            began = time.monotonic()
            name, patience = flight.departure.target.name, flight.departure.target.delivery.exchange_timeout
            try:
                reply = self._context.send(flight.request, patience)
            except NoReply as silence:
                self._context.metrics.exchanged(name, None, time.monotonic() - began)
                head = self._in_transaction(flight, partial(self._silent, flight=flight, silence=silence))
            else:
                self._context.metrics.exchanged(name, reply.status, time.monotonic() - began)
                head = self._in_transaction(flight, partial(self._answered, flight=flight, reply=reply))
            if head is not None:
                return head

    def _in_transaction(self, flight: Flight, write: Callable[[Transaction, datetime], bool]) -> Head | None:
        """The lane is given back in the transaction that ends the attempt. None: there is more to send."""
        now = self._context.clock()
        with self._context.database.transaction() as tx:
            leases.renew(tx, flight.lease, now + LEASE)
            flight.departure.delivery = deliveries.read(tx, flight.departure.delivery.id)
            return None if write(tx, now) else _rest(tx, flight.lease, now)

    def _answered(self, tx: Transaction, now: datetime, *, flight: Flight, reply: Reply) -> bool:
        secrets = flight.request.secrets
        journal.write_reply(
            tx,
            flight.attempt_id,
            flight.number,
            status=reply.status,
            headers=mask_headers(reply.headers, secrets),
            body=mask_body(reply.body, reply.headers.get("content-type"), secrets),
            now=now,
        )
        return self._advance(tx, flight, reply, now)

    def _silent(self, tx: Transaction, now: datetime, *, flight: Flight, silence: NoReply) -> bool:
        write = journal.write_silence if silence.sent else journal.write_not_sent
        write(tx, flight.attempt_id, flight.number, failure=str(silence), now=now)
        flight.exchanges.close()
        self._went_wrong(tx, flight, silence, now)
        return False

    def _advance(self, tx: Transaction, flight: Flight, reply: Reply | None, now: datetime) -> bool:
        """Let the connector go on until it wants to send (true: the intent is journaled) or has ended (false)."""
        try:
            step = flight.exchanges.send(reply)
            while not isinstance(step, Request):
                self._keep(tx, flight, step, now)
                step = flight.exchanges.send(None)
        except StopIteration as stop:
            self._arrived(tx, flight, stop.value, now)
            return False
        except (ConnectorError, links.LinkTaken) as error:
            flight.exchanges.close()
            self._went_wrong(tx, flight, _as_conflict(error), now)
            return False
        except Exception as error:  # a plug-in's bug must end in a record, not in a lost delivery
            log.exception("connector failed", delivery=flight.departure.delivery.id)
            self._went_wrong(tx, flight, error, now)
            return False
        flight.request = step
        target = flight.departure.target.delivery
        targets.spend(tx, flight.departure.delivery.identity_provider_id, target, now)
        flight.number += 1
        journal.write_intent(tx, flight.attempt_id, flight.number, _intent(step), now)
        return True

    def _keep(self, tx: Transaction, flight: Flight, step: Progress | Remember, now: datetime) -> None:
        delivery = flight.departure.delivery
        if isinstance(step, Remember):
            journal.remember(
                tx,
                self._context.vault,
                delivery.connector_id,
                key=step.key,
                value=json.dumps(step.value),
                expires_at=now + step.ttl,
            )
            return
        flight.identifier = step.identifier or flight.identifier
        _, before = links.put(
            tx,
            delivery,
            entity_type=flight.departure.entity_type,
            identifier=step.identifier,
            delivered=step.delivered,
            etag=step.etag,
            # An account that was found, and not made, is linked with nothing delivered yet.
            own=flight.departure.operation == "create" and bool(step.delivered),
            now=now,
        )
        if before is not None:
            latecomers.disinherit(tx, self._context, delivery, before, now)

    def _arrived(self, tx: Transaction, flight: Flight, result: Provisioned, now: datetime) -> None:
        """The target confirmed: the link and the outcome, in the transaction of the last reply."""
        leaving, delivery = flight.departure, flight.departure.delivery
        try:
            before = departure.settle_link(tx, leaving, result, now)
        except links.LinkTaken as taken:
            self._went_wrong(tx, flight, _as_conflict(taken), now)
            return
        warnings = [*result.warnings, *leaving.warnings]
        journal.end_attempt(tx, flight.attempt_id, outcome=result.outcome, now=now)
        if flight.number:
            self._answers(tx, delivery, now)
        transitions.deliver(tx, delivery, outcome=result.outcome, warnings=warnings, now=now)
        if before is not None:
            latecomers.disinherit(tx, self._context, delivery, before, now)
        if result.outcome in {"created", "linked", "recreated"}:
            latecomers.ring(tx, self._context, delivery, now)
        if leaving.members is not None and leaving.members.omitted:
            latecomers.ring_group(tx, self._context, delivery, leaving.members.omitted, now)
        if leaving.entity_type == "group" and leaving.settings is not None and result.outcome != "unchanged":
            connector = self._context.connector(delivery.connector_type)
            if nesting(connector, leaving.settings) == "flatten":
                latecomers.ring_outer(tx, self._context, delivery, now)
        log.info("delivered", delivery=delivery.id, target=delivery.identity_provider, outcome=result.outcome)

    def _went_wrong(self, tx: Transaction, flight: Flight, error: Exception, now: datetime) -> None:
        delivery = flight.departure.delivery
        recorded = retry.describe(error)
        if flight.request.secrets:
            recorded = {
                k: mask_text(v, flight.request.secrets) if isinstance(v, str) else v for k, v in recorded.items()
            }
        after = retry.after(
            error,
            attempts=delivery.attempts,
            tried_since=journal.tried_since(tx, delivery, now),
            now=now,
            settings=flight.departure.target.delivery,
            source=self._context.random,
        )
        after = self._blame(tx, flight, error, after, now)
        state = "retrying" if isinstance(after, retry.Later) else "failed"
        journal.end_attempt(tx, flight.attempt_id, outcome=state, error=recorded, now=now)
        if isinstance(after, retry.Later):
            transitions.retry_later(tx, delivery, due_at=after.due_at, reason=recorded["message"], error=recorded)
        else:
            transitions.fail(tx, delivery, reason=recorded["message"], error=recorded, now=now)
        log.warning("attempt failed", delivery=delivery.id, target=delivery.identity_provider, state=state, **recorded)

    def _blame(
        self, tx: Transaction, flight: Flight, error: Exception, after: retry.Later | retry.Never, now: datetime
    ) -> retry.Later | retry.Never:
        """What the error says of the target itself; a delivery of a quarantined target waits for its next probe."""
        target, settings = flight.departure.delivery.identity_provider_id, flight.departure.target.delivery
        probe: datetime | None = None
        if isinstance(error, CredentialsRejected):
            reason = f"the credentials are not accepted: {error.message}"
            probe = targets.rejected_credentials(tx, target, reason=reason, now=now)
        elif isinstance(error, TargetThrottled):
            if (patience := retry.patience(error, settings)) is not None:
                targets.block(tx, target, now + patience, f"asked for patience: {error.message}")
        elif isinstance(error, TargetUnavailable | NoReply):
            probe = targets.failed(tx, target, settings, reason=str(error), now=now)
        elif flight.number and isinstance(error, TargetRefused | TargetConflict):
            self._answers(tx, flight.departure.delivery, now)
        if probe is None:
            return after
        log.warning("target is quarantined", target=flight.departure.target.name, next_probe=probe.isoformat())
        return retry.Later(probe) if isinstance(after, retry.Later) else after

    def _answers(self, tx: Transaction, delivery: DeliveryRow, now: datetime) -> None:
        if targets.answered(tx, delivery.identity_provider_id, now):
            log.info("target answers again", target=delivery.identity_provider)


def _rest(tx: Transaction, lease: Lease, now: datetime) -> Head:
    return "released" if leases.release(tx, lease, now) else "worked"


_NOTHING = Request(method="", url="", safe=True, purpose="")


def _as_conflict(error: Exception) -> Exception:
    return TargetConflict(str(error)) if isinstance(error, links.LinkTaken) else error


def _intent(request: Request) -> journal.Intent:
    """The request as it may be recorded."""
    kind: Any = next((v for k, v in request.headers.items() if k.lower() == "content-type"), None)
    return journal.Intent(
        purpose=request.purpose,
        method=request.method,
        url=mask_text(request.url, request.secrets),
        safe=request.safe,
        headers=mask_headers(request.headers, request.secrets),
        body=mask_body(request.body, kind, request.secrets) if request.body is not None else None,
    )


__all__ = ["LEASE", "Courier", "LeaseLost"]
