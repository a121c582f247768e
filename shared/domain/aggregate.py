"""From records to windows: what one part adds, and how small windows make up large ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shared.domain.facts import WindowFacts
from shared.domain.usage import UsageRecord
from shared.domain.usage_columns import Rows, UsageColumns
from shared.domain.windows import GRID, WindowSize, floor, window_number, window_start

Dimensions = tuple[tuple[str, str], ...]
"""Declared labels and their values, in order of the labels; none whose value is empty."""


class SeriesName(NamedTuple):
    """A revision of a service, as a sender names it, together with values of its tenant's dimensions."""

    namespace: str
    service_name: str
    revision: str
    dimensions: Dimensions = ()


class Series(NamedTuple):
    """A revision of a service with its dimensions, as it is registered. Windows are kept per series."""

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


Grouped = dict[tuple[int, SeriesName], Sequence[UsageRecord]]
"""Records by 5-minute window, as `window_number` has it, and by who sent them."""


def group(records: Iterable[UsageRecord], dimensions: Iterable[Dimensions] | None = None) -> Grouped:
    """`dimensions` are those of each record, where the tenant has declared any."""
    if dimensions is not None:
        return _group_apart(records, dimensions)
    groups: dict[tuple[int, str, str, str], Any] = {}
    if isinstance(records, UsageColumns):
        groups = records.rows_by_key()
    else:
        for record in records:
            key = window_number(record.ended_at), record.namespace, record.service_name, record.revision
            groups.setdefault(key, []).append(record)
    return {(key[0], SeriesName(key[1], key[2], key[3])): of for key, of in groups.items()}


def _group_apart(records: Iterable[UsageRecord], dimensions: Iterable[Dimensions]) -> Grouped:
    apart: dict[Dimensions, list[UsageRecord]] = {}
    for record, of in zip(records, dimensions, strict=True):
        apart.setdefault(of, []).append(record)
    return {
        (window, name._replace(dimensions=of)): grouped
        for of, some in apart.items()
        for (window, name), grouped in group(some).items()
    }


def names_of(groups: Grouped) -> set[SeriesName]:
    return {name for _, name in groups}


def with_revisions(names: Iterable[SeriesName]) -> set[SeriesName]:
    """The names, and those of the revisions as such, which custom meters are kept by."""
    names = set(names)
    return names | {name._replace(dimensions=()) for name in names if name.dimensions}


def aggregate(groups: Grouped, series: Mapping[SeriesName, Series]) -> Windows:
    """The 5-minute windows that records add to."""
    starts = {window: window_start(window) for window, _ in groups}
    keys = [WindowKey(WindowSize.M5, starts[window], series[name]) for window, name in groups]
    windows: Windows = dict(zip(keys, WindowFacts.of_groups(list(groups.values())), strict=True))
    for (_, name), records in groups.items():
        if isinstance(records, Rows):
            continue
        for record in records:
            if record.started_at is not None:
                for instant, provisioned_ms in _provisioned(record, record.started_at):
                    _facts(windows, instant, series[name]).provisioned_ms += provisioned_ms
    return windows


def roll_up(windows: Windows) -> Windows:
    """5-minute windows, those given, with the hours and days they make up."""
    hours = _wider(windows, WindowSize.H1)
    return {**windows, **hours, **_wider(hours, WindowSize.D1)}


def _wider(windows: Windows, size: WindowSize) -> Windows:
    sums: Windows = {}
    starts = {start: floor(start, size) for start in {key.start for key in windows}}
    for key, facts in windows.items():
        of = WindowKey(size, starts[key.start], key.series)
        if (total := sums.get(of)) is None:
            sums[of] = facts.copy()
        else:
            total.add(facts)
    return sums


def merge(into: Windows, windows: Windows) -> None:
    """Adds the windows; facts of a window that is new to `into` become its own, and may change."""
    for key, facts in windows.items():
        if (total := into.get(key)) is None:
            into[key] = facts
        else:
            total.add(facts)


def _facts(windows: Windows, instant: datetime, series: Series) -> WindowFacts:
    return windows.setdefault(WindowKey(WindowSize.M5, floor(instant, WindowSize.M5), series), WindowFacts())


def _provisioned(record: UsageRecord, started_at: datetime) -> Iterator[tuple[datetime, int]]:
    """A record's capacity split at window bounds, in ms; the shares sum to the whole, rounded half up."""
    if record.provisioned_ns == 0:
        return
    total_ms = (record.provisioned_ns + 500_000) // 1_000_000
    end = started_at + timedelta(milliseconds=total_ms)
    start, done_ms = started_at, 0
    while start < end:
        bound = min(end, floor(start, WindowSize.M5) + GRID)
        reached_ms = total_ms if bound == end else (bound - started_at) // timedelta(milliseconds=1)
        yield start, reached_ms - done_ms
        start, done_ms = bound, reached_ms
