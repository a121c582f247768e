"""The bundled trace of real invocations (see data/README.md), read exactly."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

TRACE: Final = Path(__file__).resolve().parent.parent / "data" / "azure-functions-2021-sample.csv"
BEGIN: Final = "2021-01-31T00:00:00Z"
"""The trace counts its seconds from here; all of it happened on this day."""
END: Final = "2021-02-01T00:00:00Z"
MEMORY_MB: Final = 256
"""The trace has no memory figures; this is what every function is taken to hold."""
_BEGIN_NS: Final = 1_612_051_200 * 10**9


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of a function of an app, both named by their hashes.

    `ended_at_ns` is Unix time, truncated to microseconds; `duration_ns` is exact.
    """

    app: str
    function: str
    ended_at_ns: int
    duration_ns: int

    @property
    def tenant(self) -> str:
        return self.app[:8]

    @property
    def revision(self) -> str:
        return f"{self.function[:8]}-00001"


def read_trace(path: Path = TRACE) -> Mapping[str, list[Invocation]]:
    """The invocations of each app in the order of the file, the apps in order of their tenants' slugs."""
    found: dict[str, list[Invocation]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["app"], []).append(_invocation(row))
    return dict(sorted(found.items()))


def _invocation(row: Mapping[str, str]) -> Invocation:
    duration_ns = Decimal(row["duration"]).scaleb(9)
    if duration_ns != int(duration_ns):
        raise ValueError(f"a duration of {row['duration']} s is not whole nanoseconds")
    ended_at_us = int(Decimal(row["end_timestamp"]).scaleb(6))
    return Invocation(row["app"], row["func"], _BEGIN_NS + ended_at_us * 1_000, int(duration_ns))
