"""What a process counts for Prometheus. In a registry of the application's own: two in one process do not mix.

Counters are of this process alone, as Prometheus expects; what all processes share is read from the database when it is
asked for (`service.store.gauges`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
"""Upper bounds of the histogram's buckets, in seconds: from a target next door to one that times out."""

Gauge = tuple[str, str, tuple[str, ...], Iterable[tuple[tuple[str, ...], float]]]
"""Name, help, names of the labels, and each combination of their values with its number."""


class Metrics:
    """The counters of one process. Thread-safe."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._deliveries = Counter(
            "sluice_deliveries", "deliveries that reached a final state", ("target", "state"), registry=self._registry
        )
        self._attempts = Counter(
            "sluice_attempts", "attempts by the state they led to", ("target", "state"), registry=self._registry
        )
        self._exchanges = Histogram(
            "sluice_exchange_seconds",
            "time until a target answered, or did not",
            ("target", "answer"),
            buckets=LATENCIES,
            registry=self._registry,
        )
        self._decisions = Counter(
            "sluice_gate_decisions", "answers of the policies", ("target", "decision", "gate"), registry=self._registry
        )

    def ended(self, target: str, state: str) -> None:
        """A delivery is final."""
        self._deliveries.labels(target, state).inc()

    def attempted(self, target: str, state: str) -> None:
        """A delivery was looked at or sent, and is in that state now."""
        self._attempts.labels(target, state).inc()

    def exchanged(self, target: str, status: int | None, seconds: float) -> None:
        """A target answered with a status, or (None) not at all."""
        self._exchanges.labels(target, "none" if status is None else f"{status // 100}xx").observe(seconds)

    def decided(self, target: str, decision: str, gate: str) -> None:
        """The policies were asked."""
        self._decisions.labels(target, decision, gate).inc()

    def text(self, gauges: Callable[[], Iterable[Gauge]]) -> bytes:
        """Everything in Prometheus' text format, the gauges read now."""
        whole = CollectorRegistry()
        whole.register(_Counted(self._registry))
        whole.register(_Read(gauges))
        return generate_latest(whole)


class _Counted(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()


class _Read(Collector):
    def __init__(self, gauges: Callable[[], Iterable[Gauge]]) -> None:
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not read the database."""
        return ()

    def collect(self) -> Iterable[Metric]:
        for name, words, labels, values in self._gauges():
            family = GaugeMetricFamily(name, words, labels=labels)
            for combination, number in values:
                family.add_metric(combination, number)
            yield family
