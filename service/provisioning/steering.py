"""What people do to deliveries and targets by hand, and what follows from a changed configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from service.metrics import Metrics
from service.provisioning import removals
from service.provisioning.submission import RequestRefused
from service.store import configuration, ledger, targets, transitions
from service.store.announcements import announce
from service.store.database import Database, Transaction
from service.store.models import FINAL_STATES, DeliveryRow

log = structlog.get_logger(__name__)

Change = Callable[[Transaction, DeliveryRow, datetime], None]


class Steering:
    """Retry, cancel, approve, reject; pause and resume. Raises `RequestRefused` with 404 or 409. Thread-safe.

    `ring` wakes who delivers: it takes the id of a lane, or nothing where it may be any.
    """

    def __init__(
        self, *, database: Database, clock: Callable[[], datetime], metrics: Metrics, ring: Callable[..., None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._ring = ring

    def retry(self, delivery_id: str) -> None:
        """A dead letter goes to the end of its lane with the state of now; one that waits for its time goes now."""

        def change(tx: Transaction, delivery: DeliveryRow, now: datetime) -> None:
            (transitions.try_now if delivery.state == "retrying" else transitions.revive)(tx, delivery, now=now)

        self._change(delivery_id, change)

    def cancel(self, delivery_id: str, principal: str) -> None:
        """Take back what was not sent; one that is being sent cannot be taken back."""

        def change(tx: Transaction, delivery: DeliveryRow, now: datetime) -> None:
            transitions.cancel(tx, delivery, reason=f"cancelled by {principal}", now=now)

        self._change(delivery_id, change)

    def approve(self, delivery_id: str, principal: str, comment: str = "") -> None:
        """Let go what waits for an approval; the policy is asked again, and its Deny still counts."""

        def change(tx: Transaction, delivery: DeliveryRow, now: datetime) -> None:
            policies = ledger.asking_policies(tx, delivery.id) or [removals.THRESHOLD]
            reason = _said(f"approved by {principal}", comment)
            transitions.approve(tx, delivery, policies=policies, reason=reason, now=now)

        self._change(delivery_id, change)

    def reject(self, delivery_id: str, principal: str, comment: str = "") -> None:
        """Refuse what waits for an approval."""

        def change(tx: Transaction, delivery: DeliveryRow, now: datetime) -> None:
            if delivery.state != "awaiting-approval":
                raise transitions.WrongState(delivery.id, ("awaiting-approval",), delivery.state)
            transitions.refuse(tx, delivery, reason=_said(f"rejected by {principal}", comment), now=now)

        self._change(delivery_id, change)

    def _change(self, delivery_id: str, change: Change) -> None:
        now = self._clock()
        with self._database.transaction() as tx:
            delivery = ledger.find_delivery(tx, delivery_id)
            if delivery is None:
                raise RequestRefused(404, [("id", f"there is no delivery `{delivery_id}`")])
            try:
                change(tx, delivery, now)
            except transitions.WrongState as wrong:
                raise RequestRefused(409, [("state", str(wrong))]) from wrong
            lane_id = delivery.lane_id
            announce(tx)
        about = {"request": delivery.request_id, "delivery": delivery.id}
        log.info("changed by hand", state=delivery.state, reason=delivery.reason, **about)
        if delivery.state in FINAL_STATES:
            self._metrics.ended(delivery.identity_provider, delivery.state)
        self._ring(lane_id)

    def pause(self, identity_provider: str) -> None:
        """Send nothing more to the target; what is due for it is held."""
        with self._database.transaction() as tx:
            configuration.set_paused(tx, identity_provider, paused=True, now=self._clock())

    def resume(self, identity_provider: str) -> None:
        """Let go on what was held for the target."""
        with self._database.transaction() as tx:
            configuration.set_paused(tx, identity_provider, paused=False, now=self._clock())
            self.identity_provider_changed(tx, configuration.identity_provider_id(tx, identity_provider))
        self._ring()

    def service_provider_changed(self, tx: Transaction, name: str) -> int:
        """Cancel what removed rows had not delivered, in the transaction that removes them. Answers how many."""
        provider = configuration.find_service_provider(tx, name)
        rows = {(r.identity_provider.casefold(), r.connector.lower()) for r in (provider.outbound if provider else ())}
        now, cancelled = self._clock(), 0
        for delivery in ledger.open_deliveries_of(tx, name, states=transitions.WAITING):
            if (delivery.identity_provider.casefold(), delivery.connector_type) not in rows:
                transitions.cancel(tx, delivery, reason="its row was removed from the configuration", now=now)
                cancelled += 1
        return cancelled

    def identity_provider_changed(self, tx: Transaction, number: int) -> None:
        """Look again at what is held for a target: it may have been enabled, mended or resumed."""
        now = self._clock()
        for delivery in ledger.open_deliveries(tx, states=("held",), identity_provider_id=number):
            transitions.resume(tx, delivery, now=now)
        targets.lift(tx, number, now)
        announce(tx)


def _said(what: str, comment: str) -> str:
    return f"{what}: {comment}" if comment else what
