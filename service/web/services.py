"""What the web room is handed by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from connectors.connector import Connector
from service.config import Settings
from service.metrics import Metrics
from service.pap import PolicyAdministration
from service.provisioning.bulk import Action, Outcome
from service.provisioning.submission import Submission
from service.store.database import Database, Transaction
from service.store.secrets import Vault

Json = dict[str, Any]


class Outbound(Protocol):
    """What is asked of provisioning (`service.provisioning.desk`).

    What cannot be taken or done raises `RequestRefused`; a provider that is not there `UnknownProvider`.
    """

    def accept(self, submission: Submission) -> str:
        """Store the request with all that follows from it; answers its id."""
        ...

    def wait(self, request_id: str, submission: Submission) -> None:
        """Wait for the Blocking deliveries of a submission's request, at most the blocking timeout."""
        ...

    def dry_run(self, submission: Submission) -> Json:
        """Decide and show the first exchanges; stores and sends nothing."""
        ...

    def decide(self, submission: Submission, identity_provider: str, now: datetime | None = None) -> Json:
        """What the policies say of the request's delivery to one identity provider; stores and sends nothing.

        `now` is the time that they see; None: the time that it is.
        """
        ...

    def test_connection(self, identity_provider: str, connector_type: str) -> Json:
        """Reach and authenticate at a target without changing anything."""
        ...

    def retry(self, delivery_id: str) -> None:
        """Try a delivery anew."""
        ...

    def cancel(self, delivery_id: str, principal: str) -> None:
        """Take a delivery back that was not sent."""
        ...

    def approve(self, delivery_id: str, principal: str, comment: str | None) -> None:
        """Let a delivery go that waits for approval."""
        ...

    def reject(self, delivery_id: str, principal: str, comment: str | None) -> None:
        """Refuse a delivery that waits for approval."""
        ...

    def count_bulk(self, action: Action, filters: Mapping[str, Any]) -> Outcome:
        """How many deliveries an action would be done to."""
        ...

    def bulk(self, action: Action, filters: Mapping[str, Any], *, after: str, principal: str, comment: str) -> Outcome:
        """Do an action to the next deliveries after an id that a filter means."""
        ...

    def pause(self, identity_provider: str) -> None:
        """Hold everything that would go to an identity provider."""
        ...

    def resume(self, identity_provider: str) -> None:
        """Let it go on."""
        ...

    def configuration_changed(
        self, tx: Transaction, *, service_provider: str | None = None, identity_provider_id: int | None = None
    ) -> int:
        """Bring what is under way in line with a change that `tx` made; answers how many deliveries it cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that endpoints work with; all of it is safe to share between threads.

    `connector` finds a connector by its type, in any spelling, and raises `LookupError` with a message for people.
    `broken_plugins` are the plug-ins that cannot be used, each as its name and the reason.
    """

    database: Database
    vault: Vault
    settings: Settings
    clock: Callable[[], datetime]
    connectors: Callable[[], Sequence[Connector]]
    broken_plugins: Callable[[], Sequence[tuple[str, str]]]
    connector: Callable[[str], Connector]
    outbound: Outbound
    policies: PolicyAdministration
    metrics: Metrics
