"""What a function counts of its events, and how Prometheus reads it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from eventing import types

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
KNOWN_TYPES: Final = frozenset(
    value for value in vars(types).values() if isinstance(value, str) and value.startswith("dev.faasbilling.")
)
OTHER: Final = "other"
"""Stands for every type that is not ours: senders choose types, and each label value costs memory."""


@dataclass(slots=True)
class _Durations:
    total_s: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))


class Tally:
    """What a process counts beside its events, since it started. Thread-safe."""

    def __init__(self, described: Mapping[str, str]) -> None:
        self._described = described
        self._counts = dict.fromkeys(described, 0)
        self._lock = Lock()

    def add(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counts[name] += by

    def collect(self) -> Iterable["Metric"]:
        from prometheus_client.core import CounterMetricFamily

        with self._lock:
            counts = dict(self._counts)
        for name, text in self._described.items():
            yield CounterMetricFamily(name, text, value=counts[name])


CONFLICTS: Final = "faas_billing_usage_conflicts"
BATCHES_MISSED: Final = "faas_billing_usage_batches_missed"
BATCHES_FOUND: Final = "faas_billing_usage_batches_found"
tally: Final = Tally(
    {
        CONFLICTS: "Times an identity was used again for other records.",
        BATCHES_MISSED: "Numbered batches found missing, since a later one came.",
        BATCHES_FOUND: "Batches that were missing and have come.",
    }
)
"""Of this process."""


class Levels:
    """What a process found there to be when it last looked; nothing where it has not. Thread-safe."""

    def __init__(self, described: Mapping[str, str]) -> None:
        self._described = described
        self._found: dict[str, int] = {}

    def set(self, name: str, value: int) -> None:
        assert name in self._described
        self._found[name] = value

    def collect(self) -> Iterable["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        for name, value in list(self._found.items()):
            yield GaugeMetricFamily(name, self._described[name], value=value)


UNRATED_TENANTS: Final = "faas_billing_unrated_tenants"
levels: Final = Levels({UNRATED_TENANTS: "Tenants with usage for which no pricing plan is in force."})
"""Of this process."""


class EventMetrics:
    """Events by type and outcome, and how long they took, of this process since it started.

    Counting needs no library; prometheus-client is imported by the first scrape, not by a cold start.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, _Durations] = {}

    def observe(self, event_type: str, outcome: str, duration_s: float) -> None:
        label = event_type if event_type in KNOWN_TYPES else OTHER
        with self._lock:
            self._outcomes[label, outcome] += 1
            durations = self._durations.setdefault(label, _Durations())
            durations.total_s += duration_s
            durations.counts[bisect_left(BUCKETS_S, duration_s)] += 1

    def exposition(self) -> bytes:
        """All metrics of the process, those of prometheus-client's own registry included."""
        from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

        own = CollectorRegistry()
        own.register(self)
        own.register(tally)
        own.register(levels)
        return generate_latest(REGISTRY) + generate_latest(own)

    def collect(self) -> Iterable["Metric"]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        events = CounterMetricFamily(
            "faas_billing_events", "Events received, by what became of them.", labels=("type", "outcome")
        )
        durations = HistogramMetricFamily(
            "faas_billing_event_duration_seconds", "From request to answer.", labels=("type",)
        )
        with self._lock:
            for labels, count in self._outcomes.items():
                events.add_metric(labels, count)
            for label, seen in self._durations.items():
                durations.add_metric((label,), _cumulative(seen.counts), seen.total_s)
        return events, durations


def _cumulative(counts: list[int]) -> list[tuple[str, int]]:
    bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
    return [(bound, sum(counts[: position + 1])) for position, bound in enumerate(bounds)]
