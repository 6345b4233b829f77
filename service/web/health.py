"""Whether the process lives, and whether it can do its work; for load balancers, without credentials."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from pydantic import Field

from service.pap import error_json
from service.store import gauges
from service.web.fields import View
from service.web.operations import Answer, Call, operation
from service.web.policy_schemas import PolicyErrorView
from service.web.services import Services

TAG = "health"

log = structlog.get_logger(__name__)


class AliveView(View):
    """The process answers."""

    status: str


class ReadyView(View):
    """`status`: `ok`; `degraded` while a last good snapshot decides; `unavailable`."""

    status: str
    database: str
    errors: list[PolicyErrorView]
    queue: QueueView | None = None


class QueueView(View):
    """What is not delivered yet."""

    deliveries: int
    oldest_seconds: Annotated[float, Field(description="age of the oldest; 0 when there is none")]


class HealthApi:
    """`/healthz` and `/readyz`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation("GET", "/healthz", tag=TAG, open_to_all=True, answers={200: AliveView})
    def healthz(self, _call: Call) -> Answer:
        """Whether the process answers."""
        return Answer({"status": "ok"})

    @operation("GET", "/readyz", tag=TAG, open_to_all=True, answers={200: ReadyView, 503: ReadyView})
    def readyz(self, _call: Call) -> Answer:
        """Whether requests can be stored and decided.

        `degraded` while errors keep newer policies from being used and the last good snapshot decides. 503 without a
        database or without any snapshot.
        """
        policies = self._services.policies.current()
        database = self._database()
        usable = database == "ok" and policies.snapshot is not None
        body: dict[str, Any] = {
            "status": policies.state if usable else "unavailable",
            "database": database,
            "policies": {"snapshot": policies.hash, "sequence": policies.sequence, "state": policies.state},
            "errors": [error_json(error) for error in policies.errors],
        }
        if database == "ok":
            with self._services.database.read() as tx:
                count, oldest = gauges.queue(tx, self._services.clock())
            body["queue"] = {"deliveries": count, "oldestSeconds": round(oldest, 3)}
        return Answer(body, 200 if usable else 503)

    def _database(self) -> str:
        try:
            self._services.database.ping()
        except Exception:  # whatever the driver raises, the answer is that it is not there
            log.exception("the database cannot be reached")
            return "unreachable"
        return "ok"
