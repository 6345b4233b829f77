"""`/metrics`, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from service.metrics import Gauge
from service.store import gauges
from service.web.operations import Answer, Call, operation
from service.web.services import Services

TEXT = "text/plain"
VERSION = f"{TEXT}; version=0.0.4; charset=utf-8"


class MetricsApi:
    """The numbers of this process and of the database."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation("GET", "/metrics", tag="health", scopes=("read",), answers={200: None})
    def metrics(self, _call: Call) -> Answer:
        """Counters of this process, and queues and targets as the database has them, in Prometheus' text format."""
        return Answer(self._services.metrics.text(self._gauges), media_type=VERSION)

    def _gauges(self) -> Iterator[Gauge]:
        now = self._services.clock()
        with self._services.database.read() as tx:
            depth = gauges.queue_depth(tx)
            oldest = gauges.oldest_seconds(tx, now)
            targets = gauges.targets(tx)
            kept = gauges.kept_accounts(tx)
        yield "sluice_queue_deliveries", "deliveries that are not final", ("target", "state"), depth
        yield "sluice_oldest_undelivered_seconds", "age of the oldest of them", ("target",), oldest
        failures = [((name,), float(count)) for name, count, _, _ in targets]
        yield "sluice_target_failures", "consecutive failures", ("target",), failures
        quarantined = [((name,), float(yes)) for name, _, yes, _ in targets]
        yield "sluice_target_quarantined", "1 while the breaker is open", ("target",), quarantined
        paused = [((name,), float(yes)) for name, _, _, yes in targets]
        yield "sluice_target_paused", "1 while paused by hand", ("target",), paused
        yield "sluice_kept_accounts", "accounts whose removal was refused", ("target",), kept
