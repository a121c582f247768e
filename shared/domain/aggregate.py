"""From records to windows: what one part adds, and how small windows make up large ones."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from shared.domain.facts import WindowFacts
from shared.domain.usage import UsageRecord
from shared.domain.windows import GRID, WindowSize, floor


class SeriesName(NamedTuple):
    """A revision of a service, as a sender names it."""

    namespace: str
    service_name: str
    revision: str


class Series(NamedTuple):
    """A revision of a service, as it is registered. Windows are kept per series."""

    service_id: UUID
    revision_id: UUID


class WindowKey(NamedTuple):
    size: WindowSize
    start: datetime
    series: Series

    @property
    def end(self) -> datetime:
        return self.start + self.size.length


Windows = dict[WindowKey, WindowFacts]
"""Facts of one tenant by window."""


def series_name(record: UsageRecord) -> SeriesName:
    return SeriesName(record.namespace, record.service_name, record.revision)


def aggregate(records: Iterable[UsageRecord], series: Mapping[SeriesName, Series]) -> Windows:
    """The 5-minute windows that `records` add to."""
    windows: Windows = {}
    for record in records:
        of = series[series_name(record)]
        _facts(windows, record.ended_at, of).add_record(record)
        for instant, provisioned_ms in _provisioned(record):
            _facts(windows, instant, of).provisioned_ms += provisioned_ms
    return windows


def roll_up(windows: Windows) -> Windows:
    """5-minute windows with the hours and days they make up."""
    sums: Windows = {}
    for key, facts in windows.items():
        for size in WindowSize:
            of = WindowKey(size, floor(key.start, size), key.series)
            sums.setdefault(of, WindowFacts()).add(facts)
    return sums


def merge(into: Windows, windows: Windows) -> None:
    for key, facts in windows.items():
        into.setdefault(key, WindowFacts()).add(facts)


def _facts(windows: Windows, instant: datetime, series: Series) -> WindowFacts:
    return windows.setdefault(WindowKey(WindowSize.M5, floor(instant, WindowSize.M5), series), WindowFacts())


def _provisioned(record: UsageRecord) -> Iterator[tuple[datetime, int]]:
    """A record's capacity split at window bounds, in ms; the shares sum to the whole, rounded half up."""
    if record.started_at is None or record.provisioned_ns == 0:
        return
    total_ms = (record.provisioned_ns + 500_000) // 1_000_000
    end = record.started_at + timedelta(milliseconds=total_ms)
    start, done_ms = record.started_at, 0
    while start < end:
        bound = min(end, floor(start, WindowSize.M5) + GRID)
        reached_ms = total_ms if bound == end else (bound - record.started_at) // timedelta(milliseconds=1)
        yield start, reached_ms - done_ms
        start, done_ms = bound, reached_ms
