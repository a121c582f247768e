"""Counters of the broker, one registry per broker."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest

_PREFIX: Final = "faasbilling_broker"


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.accepted = Counter(
            f"{_PREFIX}_accepted_events", "Events answered with 202", registry=self._registry
        )
        self.delivered = self._by_trigger("delivered_events", "Events a subscriber took")
        self.failed = self._by_trigger("failed_attempts", "Attempts that a subscriber or sink did not take")
        self.retried = self._by_trigger("retried_attempts", "Attempts after the first")
        self.dead_lettered = self._by_trigger("dead_lettered_events", "Events a dead-letter sink took")
        self.parked = self._by_trigger("parked_events", "Events that neither subscriber nor sink took")

    def text(self) -> bytes:
        """In Prometheus's exposition format."""
        return generate_latest(self._registry)

    def _by_trigger(self, name: str, help_text: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", help_text, ["trigger"], registry=self._registry)
