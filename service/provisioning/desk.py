"""Everything that can be asked of provisioning, in one place for the interfaces that ask."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.provisioning.bulk import Action, Bulk, Outcome
from service.provisioning.context import Context
from service.provisioning.lanes import Lanes
from service.provisioning.outbound import Outbound
from service.provisioning.runner import Runner
from service.provisioning.steering import Steering
from service.provisioning.submission import Submission
from service.provisioning.trial import Trial
from service.store.database import Transaction


class Desk:
    """Hands each question to the file that answers it. Thread-safe; raises `RequestRefused`."""

    def __init__(self, context: Context, lanes: Lanes, runner: Runner) -> None:
        self._outbound = Outbound(context, lanes, runner)
        self._steering = Steering(
            database=context.database, clock=context.clock, metrics=context.metrics, ring=runner.ring
        )
        self._bulk = Bulk(context.database, self._steering)
        self._trial = Trial(context, self._outbound)
        self._runner = runner

    def accept(self, submission: Submission) -> str:
        """See `Outbound.accept`."""
        return self._outbound.accept(submission)

    def wait(self, request_id: str, submission: Submission | None = None) -> None:
        """See `Outbound.wait`."""
        self._outbound.wait(request_id, submission)

    def dry_run(self, submission: Submission) -> dict[str, Any]:
        """See `Trial.dry_run`."""
        return self._trial.dry_run(submission)

    def decide(self, submission: Submission, identity_provider: str, now: datetime | None = None) -> dict[str, Any]:
        """See `Trial.decide`."""
        return self._trial.decide(submission, identity_provider, now)

    def test_connection(self, identity_provider: str, connector_type: str) -> dict[str, Any]:
        """See `Trial.test_connection`."""
        return self._trial.test_connection(identity_provider, connector_type)

    def retry(self, delivery_id: str) -> None:
        """See `Steering.retry`."""
        self._steering.retry(delivery_id)

    def cancel(self, delivery_id: str, principal: str = "an administrator") -> None:
        """See `Steering.cancel`."""
        self._steering.cancel(delivery_id, principal)

    def approve(self, delivery_id: str, principal: str, comment: str | None = None) -> None:
        """See `Steering.approve`."""
        self._steering.approve(delivery_id, principal, comment or "")

    def reject(self, delivery_id: str, principal: str, comment: str | None = None) -> None:
        """See `Steering.reject`."""
        self._steering.reject(delivery_id, principal, comment or "")

    def count_bulk(self, action: Action, filters: Mapping[str, Any]) -> Outcome:
        """See `Bulk.count`."""
        return self._bulk.count(action, filters)

    def bulk(self, action: Action, filters: Mapping[str, Any], *, after: str, principal: str, comment: str) -> Outcome:
        """See `Bulk.run`."""
        return self._bulk.run(action, filters, after=after, principal=principal, comment=comment)

    def pause(self, identity_provider: str) -> None:
        """See `Steering.pause`."""
        self._steering.pause(identity_provider)

    def resume(self, identity_provider: str) -> None:
        """See `Steering.resume`."""
        self._steering.resume(identity_provider)

    def configuration_changed(
        self, tx: Transaction, *, service_provider: str | None = None, identity_provider_id: int | None = None
    ) -> int:
        """Bring what is under way in line with a change that `tx` made. Answers how many deliveries it cancelled."""
        cancelled = 0
        if service_provider is not None:
            cancelled = self._steering.service_provider_changed(tx, service_provider)
        if identity_provider_id is not None:
            self._steering.identity_provider_changed(tx, identity_provider_id)
            self._runner.ring()
        return cancelled
