"""The quantity of a custom meter from the sums over its windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

from shared.domain.errors import Fault, Rejected
from shared.domain.meter_definition import COUNT, LATEST, MAX, SUM, TOTAL, MeterDefinition, MeterVersion
from shared.domain.metering.values import rounded
from shared.domain.period import Period
from shared.domain.windows import GRID

_MICROSECOND: Final = timedelta(microseconds=1)


class Uncomputed(Rejected):
    """A meter's quantity is not known yet: what it counts from payloads is not there for all of the time."""


@dataclass(frozen=True, slots=True)
class VersionTotal:
    """What the windows of one version hold together; it has at least one value."""

    version: int
    sum: Fraction
    count: int
    max: Fraction
    latest_at: datetime
    latest: Fraction


@dataclass(frozen=True, slots=True)
class MeterTotal:
    """Over a span of time: a total for each version with values in it, and how many unique ones."""

    versions: Sequence[VersionTotal]
    unique: int = 0


class Ranked(NamedTuple):
    """Of `n` values, in order, the two between which a percentile lies."""

    n: int
    low: Fraction
    high: Fraction


def quantity(meter: MeterDefinition, total: MeterTotal) -> Fraction:
    """In the meter's unit. Zero where nothing counted.

    What versions count adds up; the greatest value is that of all of them, the latest that of the last.
    """
    if not total.versions:
        return Fraction(0)
    by_number = {version.number: version for version in meter.versions}

    def read(value: Fraction, number: int) -> Fraction:
        return _read(by_number[number], value)

    nothing = Fraction(0)
    if meter.aggregation == SUM:
        return sum((read(of.sum, of.version) for of in total.versions), nothing)
    if meter.aggregation == COUNT:
        return sum((read(Fraction(of.count), of.version) for of in total.versions), nothing)
    if meter.aggregation == MAX:
        return max(read(of.max, of.version) for of in total.versions)
    last = max(total.versions, key=lambda of: (of.latest_at, of.latest))
    if meter.aggregation == LATEST:
        return read(last.latest, last.version)
    return read(Fraction(total.unique), max(of.version for of in total.versions))


def percentile(meter: MeterDefinition, values: Ranked, end: datetime) -> Fraction:
    """By linear interpolation at rank p(n - 1), as the version in force before `end` reads it."""
    version = _last(meter, end)
    assert version.percentile is not None
    rank = Fraction(version.percentile) * (values.n - 1) / 100
    return _read(version, values.low + (rank - floor(rank)) * (values.high - values.low))


def held(meter: MeterDefinition, unit_ns: Fraction, counting: Period, end: datetime) -> Fraction:
    """The level that comes to so many units times ns, held for all of the counting period; never negative."""
    length_ns = (counting.end - counting.start) // _MICROSECOND * 1_000
    return _read(_last(meter, end), max(unit_ns, Fraction(0)) / length_ns)


def _last(meter: MeterDefinition, end: datetime) -> MeterVersion:
    version = meter.version_at(end - GRID)
    assert version is not None, "something was counted"
    return version


def _read(version: MeterVersion, value: Fraction) -> Fraction:
    return rounded(version, value) if version.rounding == TOTAL else value


def uncomputed(meter: MeterDefinition, why: str) -> Fault:
    return Fault("meter", f"{meter.price_name} is not known for all of the period: {why}")
