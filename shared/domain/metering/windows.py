"""What custom meters add to windows: from records to facts that add up, in any order."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple
from uuid import UUID

from shared.domain.aggregate import Series, SeriesName
from shared.domain.dimensions import OTHER
from shared.domain.meter_definition import (
    PERCENTILE,
    UNIQUE,
    WEIGHTED_SUM,
    MeterDefinition,
    MeterVersion,
)
from shared.domain.metering.record import MeteredRecord
from shared.domain.metering.values import change, is_counted, key_of, values
from shared.domain.windows import WindowSize, floor

_MICROSECOND: Final = timedelta(microseconds=1)

Dimensions = tuple[str | None, ...]
"""The values of a version's dimensions, in its order; None where a record has no such label."""


class MeterKey(NamedTuple):
    """A window of one version of a meter."""

    meter_id: UUID
    version: int
    size: WindowSize
    start: datetime
    series: Series
    dimensions: Dimensions


class ValuesKey(NamedTuple):
    """Where values are kept, unique ones or with how often they come: for all series together."""

    meter_id: UUID
    version: int
    size: WindowSize
    start: datetime
    dimensions: Dimensions


class Origin(NamedTuple):
    """A payload: which one of the part with this key."""

    event_key: UUID
    seq: int


class Entry(NamedTuple):
    """An entry of a ledger, in the order of ledgers: by time, and then by part and place in it."""

    at: datetime
    event_key: UUID
    seq: int
    position: int


@dataclass(slots=True)
class MeterFacts:
    """`sum`, `count` and `max` of values; `latest` is the value of the last instant that has one, the
    greatest of several. `values` are what a unique count tells apart, whose other facts are but `count`.

    `counts` are the values of a percentile, each with how often it comes. `held_ns` of a weighted sum is the
    sum of each change times the ns from then to the end of the window. `entries` of a ledger are kept with
    windows of 5 minutes only.
    """

    sum: Fraction
    count: int
    max: Fraction
    latest_at: datetime
    latest: Fraction
    values: set[str] = field(default_factory=set)
    counts: dict[Fraction, int] = field(default_factory=dict)
    held_ns: Fraction | None = None
    entries: dict[Entry, Fraction] = field(default_factory=dict)

    def add(self, other: "MeterFacts") -> None:
        self.sum += other.sum
        self.count += other.count
        self.max = max(self.max, other.max)
        self.latest_at, self.latest = max((self.latest_at, self.latest), (other.latest_at, other.latest))
        self.values |= other.values
        _add_counts(self.counts, other.counts)
        if other.held_ns is not None:
            self.held_ns = other.held_ns + (self.held_ns or 0)
        self.entries |= other.entries

    def until(self, later_ns: int) -> "MeterFacts":
        """Of a window that ends so much later."""
        held_ns = None if self.held_ns is None else self.held_ns + self.sum * later_ns
        numbers = self.sum, self.count, self.max, self.latest_at, self.latest
        return MeterFacts(*numbers, set(self.values), dict(self.counts), held_ns)


MeterWindows = dict[MeterKey, MeterFacts]
"""Of one tenant."""


class Measured(NamedTuple):
    """A record's part in a window, before its series and its dimensions are registered."""

    meter: MeterDefinition
    version: MeterVersion
    start: datetime
    name: SeriesName
    dimensions: Dimensions
    facts: MeterFacts


Admit = Callable[[UUID, str, Collection[str]], Mapping[str, str]]
"""Of a meter and a label: what each of these values is kept under, itself or OTHER."""


def measure(
    records: Iterable[MeteredRecord], meters: Sequence[MeterDefinition], origin: Origin
) -> list[Measured]:
    """What the records of a payload add to windows of 5 minutes, by every meter in force when they ended."""
    return [
        measured
        for record in records
        for meter in meters
        if (measured := _measured(record, meter, origin)) is not None
    ]


def settle(measured: Iterable[Measured], series: Mapping[SeriesName, Series], admit: Admit) -> MeterWindows:
    """The windows of 5 minutes, with dimensions as they are kept."""
    measured = list(measured)
    admitted = {
        of: admit(*of, values) for of, values in sorted(_seen(measured).items(), key=lambda seen: seen[0])
    }
    windows: MeterWindows = {}
    for meter, version, start, name, dimensions, facts in measured:
        kept = tuple(
            None if value is None else admitted[meter.id, label][value]
            for label, value in zip(version.dimensions, dimensions, strict=True)
        )
        _add(windows, MeterKey(meter.id, version.number, WindowSize.M5, start, series[name], kept), facts)
    return windows


def merge(into: MeterWindows, windows: MeterWindows) -> None:
    for key, facts in windows.items():
        _add(into, key, facts)


def roll_up(windows: MeterWindows) -> MeterWindows:
    """5-minute windows, those given, with the hours and days they make up."""
    wider: MeterWindows = {}
    for key, facts in windows.items():
        for size in (WindowSize.H1, WindowSize.D1):
            start = floor(key.start, size)
            later_ns = _ns(start + size.length - key.start - key.size.length)
            _add(wider, key._replace(size=size, start=start), facts.until(later_ns))
    return windows | wider


def unique_values(windows: MeterWindows) -> dict[ValuesKey, set[str]]:
    found: dict[ValuesKey, set[str]] = {}
    for key, facts in windows.items():
        if facts.values:
            found.setdefault(_values_key(key), set()).update(facts.values)
    return found


def value_counts(windows: MeterWindows) -> dict[ValuesKey, dict[Fraction, int]]:
    found: dict[ValuesKey, dict[Fraction, int]] = {}
    for key, facts in windows.items():
        if facts.counts:
            _add_counts(found.setdefault(_values_key(key), {}), facts.counts)
    return found


def ledgers(windows: MeterWindows) -> dict[UUID, dict[Entry, Fraction]]:
    """By meter."""
    found: dict[UUID, dict[Entry, Fraction]] = {}
    for key, facts in windows.items():
        if facts.entries:
            found.setdefault(key.meter_id, {}).update(facts.entries)
    return found


def _measured(record: MeteredRecord, meter: MeterDefinition, origin: Origin) -> Measured | None:
    usage = record.usage
    version = meter.version_at(usage.ended_at)
    if version is None or not is_counted(version, record):
        return None
    facts = _facts(version, record, origin)
    if facts is None:
        return None
    start = floor(usage.ended_at, WindowSize.M5)
    name = SeriesName(usage.namespace, usage.service_name, usage.revision)
    dimensions = tuple(record.labels.get(label) for label in version.dimensions)
    return Measured(meter, version, start, name, dimensions, facts)


def _facts(version: MeterVersion, record: MeteredRecord, origin: Origin) -> MeterFacts | None:
    nothing, ended_at = Fraction(0), record.usage.ended_at
    if version.aggregation == UNIQUE:
        key = key_of(version, record)
        return None if key is None else MeterFacts(nothing, 1, nothing, ended_at, nothing, {key})
    if version.aggregation == WEIGHTED_SUM:
        by = change(version, record)
        left_ns = _ns(floor(ended_at, WindowSize.M5) + WindowSize.M5.length - ended_at)
        return None if by is None else MeterFacts(by, 1, by, ended_at, by, held_ns=by * left_ns)
    counted = values(version, record)
    if not counted:
        return None
    greatest = max(value for value, _ in counted)
    total = sum((value * times for value, times in counted), nothing)
    facts = MeterFacts(total, sum(times for _, times in counted), greatest, ended_at, greatest)
    if version.aggregation == PERCENTILE and not version.of:
        for value, times in counted:
            _add_counts(facts.counts, {value: times})
    if version.ledger:
        facts.entries[Entry(ended_at, *origin, record.position)] = total
    return facts


def _seen(measured: Iterable[Measured]) -> dict[tuple[UUID, str], set[str]]:
    seen: dict[tuple[UUID, str], set[str]] = {}
    for meter, version, _, _, dimensions, _ in measured:
        for label, value in zip(version.dimensions, dimensions, strict=True):
            if value is not None:
                seen.setdefault((meter.id, label), set()).add(value)
    return seen


def _add(windows: MeterWindows, key: MeterKey, facts: MeterFacts) -> None:
    if (total := windows.get(key)) is None:
        windows[key] = facts
    else:
        total.add(facts)


def _add_counts(into: dict[Fraction, int], counts: Mapping[Fraction, int]) -> None:
    for value, times in counts.items():
        into[value] = into.get(value, 0) + times


def _values_key(key: MeterKey) -> ValuesKey:
    return ValuesKey(key.meter_id, key.version, key.size, key.start, key.dimensions)


def _ns(span: timedelta) -> int:
    return span // _MICROSECOND * 1_000


def admitted(kept: Collection[str], seen: Iterable[str]) -> Mapping[str, str]:
    """What each value seen is kept under, where these are kept apart."""
    return {value: value if value in kept else OTHER for value in seen}
