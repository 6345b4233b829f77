"""Whether the process lives, and whether it can do its work; for load balancers, without credentials."""

from __future__ import annotations

import json
from typing import Any

import structlog
from flask import Response

from service.pap import CurrentSnapshot, error_json
from service.web.services import Services

log = structlog.get_logger(__name__)


class Health:
    """`/healthz` and `/readyz`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def alive(self) -> Response:
        """The process answers."""
        return _answer(200, {"status": "ok"})

    def ready(self) -> Response:
        """200 while requests can be stored and decided: `ok`, or `degraded` while a last good snapshot decides.

        503 without a database or without any snapshot.
        """
        policies = self._services.policies.current()
        database = self._database()
        usable = database == "ok" and policies.snapshot is not None
        status = policies.state if usable else "unavailable"
        body = {"status": status, "database": database, "policies": policy_state(policies)}
        errors = [error_json(error) for error in policies.errors]
        return _answer(200 if usable else 503, body | {"errors": errors})

    def _database(self) -> str:
        try:
            self._services.database.ping()
        except Exception:  # whatever the driver raises, the answer is that it is not there
            log.exception("the database cannot be reached")
            return "unreachable"
        return "ok"


def policy_state(policies: CurrentSnapshot) -> dict[str, Any]:
    """Which snapshot decides, and whether newer policies wait for being mended."""
    return {"snapshot": policies.hash, "sequence": policies.sequence, "state": policies.state}


def _answer(status: int, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body, ensure_ascii=False) + "\n", status, content_type="application/json")
