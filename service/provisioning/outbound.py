"""The way in: accepts provisioning requests, and what is done to their deliveries by hand.

Accepting is one transaction: the entity's new image, the request, its deliveries in their lanes, and the decisions.
Nobody is told yes before it is committed.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import structlog

from service.providers import ServiceProvider
from service.provisioning import fanout, tasks
from service.provisioning.context import Context
from service.provisioning.lanes import Lanes
from service.provisioning.runner import Runner
from service.provisioning.submission import Change, RequestRefused, Submission, resolve
from service.store import configuration, entities, idempotency, ledger, rows, transitions
from service.store.announcements import announce
from service.store.database import Collision, Transaction
from service.store.ids import new_id
from service.store.models import FINAL_STATES, DeliveryRow, EntityRow, RequestRow

log = structlog.get_logger(__name__)

COLLISIONS = 3
"""How often a request that collided with another one is looked at again."""

POLL = 0.05
"""Seconds between looks at Blocking deliveries; those that this process has in hand are looked at when they end."""


class Outbound:
    """Accepts requests and waits for Blocking deliveries. Thread-safe."""

    def __init__(self, context: Context, lanes: Lanes, runner: Runner) -> None:
        self._context = context
        self._lanes = lanes
        self._runner = runner
        self._seats = threading.BoundedSemaphore(max(1, context.web_threads * 3 // 4))

    def accept(self, submission: Submission) -> str:
        """Store the request with all that follows from it. Answers its id; the same Idempotency-Key, the first one's.

        Raises `RequestRefused`: nothing was stored.
        """
        for _ in range(COLLISIONS):
            try:
                return self._accept(submission)
            except Collision:
                # Someone else made the same entity, lane or key meanwhile; now it is there to be found.
                log.info("two requests collided", principal=submission.principal)
        return self._accept(submission)

    def _accept(self, submission: Submission) -> str:
        with self._context.database.transaction() as tx:
            known = _already_accepted(tx, submission, self._context.clock())
            if known is not None:
                return known
            request, stored = self.store(tx, submission)
            lanes = [one.lane_id for one in stored if one.state not in FINAL_STATES]
            if lanes:
                announce(tx)
        for one in stored:
            if one.state in FINAL_STATES:
                self._context.metrics.ended(one.identity_provider, one.state)
        for lane_id in lanes:
            self._runner.ring(lane_id)
        log.info("accepted", operation=request.operation, entity=request.entity_id)
        return request.id

    def change(self, tx: Transaction, submission: Submission, provider: ServiceProvider) -> tuple[Change, EntityRow]:
        """Write the entity's new image. Raises `RequestRefused`."""
        change = resolve(tx, submission, submission.domain or provider.inbound.user_store_domain)
        return change, _write_entity(tx, change, self._context.clock())

    def store(self, tx: Transaction, submission: Submission) -> tuple[RequestRow, list[DeliveryRow]]:
        """Write the entity, the request and its deliveries. Raises `RequestRefused`."""
        now = self._context.clock()
        provider = service_provider(tx, submission)
        change, entity = self.change(tx, submission, provider)
        request_id = new_id()
        structlog.contextvars.bind_contextvars(request=request_id)
        request = RequestRow(
            id=request_id,
            service_provider=provider.name,
            operation=change.operation,
            channel=submission.channel,
            jit=submission.jit,
            entity_id=entity.id,
            entity_name=change.name,
            entity_type=change.type,
            patch=change.patch,
            image=change.image,
            membership_sequence=entity.membership_sequence,
            sealed_password=self._sealed(change, request_id),
            state="pending",
            created_at=now,
            created_by=submission.principal,
        )
        planned, skipped = fanout.plan(tx, provider, change, entity, jit=submission.jit)
        request.skipped = [one.as_json() for one in skipped]
        rows.store(tx, request)
        acceptance = fanout.Acceptance(tx=tx, context=self._context, request=request, entity=entity, now=now)
        stored = acceptance.enqueue(planned)
        if change.operation == "delete":
            entities.delete(tx, entity, now)
        if not stored:
            transitions.settle(tx, request.id, now)
        if submission.idempotency_key is not None:
            hashed = submission.body_hash or ""
            key = idempotency.Key(submission.principal, submission.idempotency_key)
            waits = any(one.blocking and one.state not in FINAL_STATES for one in stored)
            until = now + self._context.blocking_timeout if waits else None
            idempotency.keep(tx, key, body_hash=hashed, request_id=request.id, now=now, answering_until=until)
        return request, stored

    def _sealed(self, change: Change, request_id: str) -> bytes | None:
        if change.password is None:
            return None
        return self._context.vault.seal(change.password, tasks.password_place(request_id))

    def wait(self, request_id: str, submission: Submission | None = None) -> None:
        """Deliver, or wait for, the request's Blocking deliveries: at most the blocking timeout.

        Returns at once when too many threads wait already: a dead target must not starve the service. From then on the
        Idempotency-Key of the submission that made it answers with the request.
        """
        try:
            self._wait(request_id)
        finally:
            if submission is not None and submission.idempotency_key is not None:
                with self._context.database.transaction() as tx:
                    idempotency.answered(tx, idempotency.Key(submission.principal, submission.idempotency_key))

    def _wait(self, request_id: str) -> None:
        deadline = time.monotonic() + self._context.blocking_timeout.total_seconds()
        if not self._seats.acquire(blocking=False):
            log.warning("too many requests wait for Blocking deliveries", request=request_id)
            return
        try:
            lane_ids = self._blocking_lanes(request_id)
            for lane_id in lane_ids:
                self._lanes.drain_beside(lane_id, lambda: time.monotonic() >= deadline)
            let_go = threading.Event()
            self._lanes.watch(lane_ids, let_go)
            while self._under_way(request_id, deadline) and time.monotonic() < deadline:
                let_go.wait(POLL)
                let_go.clear()
                self._lanes.watch(lane_ids, let_go)
        finally:
            self._seats.release()

    def _blocking_lanes(self, request_id: str) -> list[str]:
        with self._context.database.read() as tx:
            return ledger.due_lanes(tx, request_id, blocking=True)

    def _under_way(self, request_id: str, deadline: float) -> bool:
        """Whether a Blocking delivery may still end in time."""
        left = timedelta(seconds=max(0.0, deadline - time.monotonic()))
        with self._context.database.read() as tx:
            now = self._context.clock()
            return ledger.ends_before(tx, request_id, now, now + left)


def service_provider(tx: Transaction, submission: Submission) -> ServiceProvider:
    """The service provider that a submission names. Raises `RequestRefused`."""
    provider = configuration.cached_service_provider(tx, submission.service_provider)
    if provider is None:
        message = f"there is no service provider `{submission.service_provider}`"
        raise RequestRefused(422, [("serviceProvider", message)])
    return provider


def _already_accepted(tx: Transaction, submission: Submission, now: datetime) -> str | None:
    if submission.idempotency_key is None:
        return None
    known = idempotency.find(tx, idempotency.Key(submission.principal, submission.idempotency_key), now)
    if known is not None and known.body_hash != (submission.body_hash or ""):
        raise RequestRefused(422, [("Idempotency-Key", "was used for another body before: take a new key")])
    if known is not None and known.answering_until is not None and now < known.answering_until:
        raise RequestRefused(409, [("Idempotency-Key", "the first request with it is still in progress: repeat later")])
    return known.request_id if known is not None else None


def _write_entity(tx: Transaction, change: Change, now: datetime) -> EntityRow:
    entity = change.entity
    if entity is None:
        entity = entities.create(
            tx, type_=change.type, domain=change.domain, name=change.name, attributes=change.image, now=now
        )
    elif change.operation != "delete":
        taken = entities.find(tx, change.type, change.domain, change.name)
        if taken is not None and taken.id != entity.id:
            raise RequestRefused(409, [("entity.name", f"{change.type} `{change.name}` exists already")])
        entities.update(entity, name=change.name, attributes=change.image, now=now)
    if change.type == "group":
        entities.change_members(tx, entity, change.members)
    tx.flush()
    return entity
