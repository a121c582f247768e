"""What was found, as it is measured part by part."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.cells import Cell, Measured
from benchmarks.closing import Close
from benchmarks.cold_start import ColdStart
from benchmarks.flat import Flat
from benchmarks.fold import Rate
from benchmarks.through_broker import Latency, Stay

INGEST_GOALS: Final = {
    Cell("uniform", 1, 8): 0.15,
    Cell("hot", 1, 8): 0.15,
    Cell("uniform", 1, 32): 0.22,
    Cell("uniform", 100): 0.6,
    Cell("hot", 100): 0.75,
    Cell("uniform", 1_000): 0.8,
    Cell("hot", 1_000): 0.8,
}
"""Of the floor of the same batch."""
BROKER_GOALS: Final = {
    Cell("uniform", 1, 8): 0.4,
    Cell("uniform", 1, 32): 0.4,
    Cell("hot", 1, 8): 0.4,
    Cell("uniform", 1_000): 0.5,
    Cell("hot", 1_000): 0.5,
}
"""Of the same load without a Broker."""
COLD_START_GOALS: Final = {
    "billing-aggregator": 2.5,
    "billing-dead-letter": 2.5,
    "billing-pricing": 3.5,
    "billing-api": 3.5,
}
"""Times the bare function, at most."""
FLAT_GOAL: Final = 0.8
"""Of the same load with an empty inbox."""
MEMORY_GOAL_MB: Final = 80.0
WINDOW_GOAL_S: Final = 2.0
COST_GOAL_S: Final = 5.0


@dataclass(slots=True)
class Memory:
    """Of the aggregator's worker process, in bytes."""

    idle: int = 0
    after: int = 0
    peak: int = 0


@dataclass(slots=True)
class Results:
    """`postgres` is the server's version; `wrong` names every sum that is not what was sent."""

    floors: dict[int, list[float]] = field(default_factory=dict)
    direct: dict[Cell, list[Measured]] = field(default_factory=dict)
    through_broker: dict[Cell, list[Measured]] = field(default_factory=dict)
    latency: Latency | None = None
    cold_starts: dict[str, ColdStart] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    folds: dict[str, Rate] = field(default_factory=dict)
    stay: Stay | None = None
    flat: Flat | None = None
    close: Close | None = None
    postgres: str = ""
    wrong: list[str] = field(default_factory=list)

    def floor(self, batch: int) -> float | None:
        return median(found) if (found := self.floors.get(batch)) else None

    def ratio(self, cell: Cell) -> float | None:
        """Of a load to its floor, records against rows."""
        floor = self.floor(cell.batch)
        return middle(found).records_per_s / floor if floor and (found := self.direct.get(cell)) else None

    def broker_ratio(self, cell: Cell) -> float | None:
        """Of a load through the Broker to the same without one."""
        direct, through = self.direct.get(cell), self.through_broker.get(cell)
        return middle(through).events_per_s / middle(direct).events_per_s if direct and through else None


def middle(found: Sequence[Measured]) -> Measured:
    """The one with the median rate."""
    return sorted(found, key=lambda measured: measured.events_per_s)[(len(found) - 1) // 2]
