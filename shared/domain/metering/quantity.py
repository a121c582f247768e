"""The quantity of a custom meter from the sums over its windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from shared.domain.errors import Fault, Rejected
from shared.domain.meter_definition import COUNT, LATEST, MAX, SUM, TOTAL, MeterDefinition, MeterVersion
from shared.domain.metering.values import rounded


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


def _read(version: MeterVersion, value: Fraction) -> Fraction:
    return rounded(version, value) if version.rounding == TOTAL else value


def uncomputed(meter: MeterDefinition, why: str) -> Fault:
    return Fault("meter", f"{meter.price_name} is not known for all of the period: {why}")
