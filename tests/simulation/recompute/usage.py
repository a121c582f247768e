"""What was used: sums over records as they were sent, by 5 minutes, and the meters of the price lists."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from itertools import accumulate
from typing import Any

from tests.simulation.recompute.months import EPOCH, GRID, bin_of

MS, S, HOUR = 10**6, 10**9, 3600 * 10**9
MIB, GIB = 2**20, 2**30
(
    CALLS,
    ERRORS,
    COLD,
    CPU_NS,
    TIME_NS,
    TIME_1,
    TIME_100,
    MEMORY_NS,
    MEMORY_1,
    MEMORY_100,
    STEPS_1,
    STEPS_100,
    EGRESS,
    HELD_MS,
) = range(14)
SUMS = 14
_GRID_MS = int(GRID.total_seconds()) * 1000

METERS: Mapping[str, tuple[int, int]] = {
    "invocations": (CALLS, 1),
    "errors": (ERRORS, 1),
    "cold_starts": (COLD, 1),
    "cpu_ms": (CPU_NS, MS),
    "cpu_seconds": (CPU_NS, S),
    "duration_ms": (TIME_NS, MS),
    "duration_seconds": (TIME_NS, S),
    "duration_ms_1ms": (TIME_1, 1),
    "duration_ms_100ms": (TIME_100, 1),
    "mb_ms": (MEMORY_NS, MIB * MS),
    "gb_seconds": (MEMORY_NS, GIB * S),
    "gb_seconds_1ms": (MEMORY_1, GIB * 1000),
    "gb_seconds_100ms": (MEMORY_100, GIB * 1000),
    "gb_seconds_1ms_128mb": (STEPS_1, 1024 * 1000),
    "gb_seconds_100ms_128mb": (STEPS_100, 1024 * 1000),
    "gb_hours": (MEMORY_NS, GIB * HOUR),
    "gb_hours_1ms": (MEMORY_1, GIB * 3600 * 1000),
    "gb_hours_100ms": (MEMORY_100, GIB * 3600 * 1000),
    "egress_gib": (EGRESS, GIB),
    "egress_gb": (EGRESS, 10**9),
    "provisioned_seconds": (HELD_MS, 1000),
}
"""Which sum a meter is, and how much of it is one unit."""

Record = Mapping[str, Any]
Used = Callable[[str], Fraction]
"""The quantity of a meter."""
LABEL = "capacity"
"""The label that is declared for pricing."""
Place = tuple[int, str]
Bins = dict[Place, list[int]]
"""Sums by the number of the 5 minutes and the value of the label, "" where there is none."""
Holds = Callable[[int, str], bool]
"""Whether a price counts what is there."""


def records_of(body: bytes) -> list[Record]:
    """The records of a body, numbers as they are written; each request once."""
    sent = json.loads(body, parse_float=Decimal)
    records: list[Record] = sent["records"] if isinstance(sent, dict) and "records" in sent else sent
    return records if isinstance(records, list) else [records]


def once(records: Iterable[Record]) -> Iterator[Record]:
    """Each request once."""
    seen: set[str] = set()
    for record in records:
        request = record.get("request_id")
        if request is None or request not in seen:
            yield record
        if request is not None:
            seen.add(request)


def summed(records: Iterable[Record], recorded_at: datetime) -> Bins:
    """`recorded_at` is the time of a record without one."""
    bins: Bins = {}
    for record in records:
        at = datetime.fromisoformat(record["timestamp"]) if "timestamp" in record else recorded_at
        value = record.get("labels", {}).get(LABEL, "")
        sums = _bin(bins, (bin_of(at), value))
        for index, number in enumerate(_sums_of(record)):
            sums[index] += number
        if "started_at" in record:
            for number, held_ms in _held(record):
                _bin(bins, (number, value))[HELD_MS] += held_ms
    return bins


def _bin(bins: Bins, place: Place) -> list[int]:
    if place not in bins:
        bins[place] = [0] * SUMS
    return bins[place]


def _sums_of(record: Record) -> tuple[int, ...]:
    n = record.get("invocations", 1)
    memory, steps_mib = _memory(record.get("memory_mb", 0))
    if "durations_ns" in record:
        calls = record["durations_ns"]
        time_ns = sum(calls)
        time_1 = sum(-(-d // MS) for d in calls)
        time_100 = sum(-(-d // (100 * MS)) for d in calls) * 100
    else:
        time_ns = record["duration_ns"] if "duration_ns" in record else _ns(record.get("duration_seconds", 0))
        time_1 = n * -(-time_ns // (n * MS)) if n else 0
        time_100 = n * -(-time_ns // (n * 100 * MS)) * 100 if n else 0
    return (
        n,
        record.get("errors", 0),
        record["cold_starts"] if "cold_starts" in record else int(record.get("cold_start", False)),
        _ns(record.get("cpu_seconds", 0)),
        time_ns,
        time_1,
        time_100,
        time_ns * memory,
        time_1 * memory,
        time_100 * memory,
        time_1 * steps_mib,
        time_100 * steps_mib,
        record.get("egress_bytes", 0),
    )


def _ns(seconds: Decimal | int) -> int:
    return int((seconds * Decimal(S)).to_integral_value(ROUND_HALF_UP))


@cache
def _memory(mebibytes: Decimal | int) -> tuple[int, int]:
    """In bytes, a fraction rounded up; and in MiB, rounded up to steps of 128."""
    size = int((mebibytes * Decimal(MIB)).to_integral_value(ROUND_CEILING))
    return size, -(-size // (128 * MIB)) * 128


def _held(record: Record) -> Iterator[tuple[int, int]]:
    """The ms of capacity in each 5 minutes that it was held in."""
    start = (datetime.fromisoformat(record["started_at"]) - EPOCH) // timedelta(milliseconds=1)
    end = start + int(record["provisioned_seconds"] * 1000)
    while start < end:
        number = start // _GRID_MS
        upto = min(end, (number + 1) * _GRID_MS)
        yield number, upto - start
        start = upto


class Usage:
    """What a tenant used, by time."""

    def __init__(self, parts: Iterable[Bins]) -> None:
        self._bins: Bins = {}
        for part in parts:
            for place, sums in part.items():
                into = _bin(self._bins, place)
                for index, value in enumerate(sums):
                    into[index] += value
        self._places = sorted(self._bins)
        nothing = (0,) * SUMS
        self._reached = list(accumulate((self._bins[p] for p in self._places), _added, initial=nothing))
        self._parts: dict[str, Usage] = {}

    def part(self, name: str, holds: Holds) -> "Usage":
        """What a price counts that counts a part only; of a name it is always the same."""
        if name not in self._parts:
            held = {place: sums for place, sums in self._bins.items() if holds(*place)}
            self._parts[name] = Usage([held])
        return self._parts[name]

    def between(self, start: datetime, end: datetime) -> Used:
        was, now = self._at(start), self._at(end)

        def quantity(meter: str) -> Fraction:
            index, unit = METERS[meter]
            return Fraction(now[index] - was[index], unit)

        return quantity

    def is_there(self, start: datetime, end: datetime) -> bool:
        return self._at(start) != self._at(end)

    def _at(self, instant: datetime) -> tuple[int, ...]:
        return self._reached[bisect_left(self._places, (bin_of(instant), ""))]


def _added(sums: tuple[int, ...], more: Iterable[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(sums, more, strict=True))
