"""Windows of time: half-open, UTC, of three sizes; and the periods that are made of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from shared.domain.errors import Fault, Rejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PERIOD_MAX = timedelta(days=3660)


class WindowSize(Enum):
    M5 = "5m"
    H1 = "1h"
    D1 = "1d"

    # By identity: Enum's own hashes the name in Python, with every look-up of a window.
    __hash__ = object.__hash__

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]


_LENGTHS = {
    WindowSize.M5: timedelta(minutes=5),
    WindowSize.H1: timedelta(hours=1),
    WindowSize.D1: timedelta(days=1),
}
GRID = _LENGTHS[WindowSize.M5]
"""Every bound of a period, a plan or a price lies on a multiple of this."""


_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
_A_DAY, _AN_HOUR = timedelta(days=1) // GRID, timedelta(hours=1) // GRID
_MINUTES = GRID // timedelta(minutes=1)


class WindowRange(NamedTuple):
    """All windows of one size from `start` up to `end`."""

    size: WindowSize
    start: datetime
    end: datetime


def floor(instant: datetime, size: WindowSize) -> datetime:
    """The start of the window of `size` that holds `instant`."""
    return instant - (instant - EPOCH) % _LENGTHS[size]


def window_number(instant: datetime) -> int:
    """Of the 5-minute window that holds a UTC instant, counted from the year 1."""
    # By whole numbers: spans of time divided by spans of time take twice as long.
    return (instant.toordinal() - 1) * _A_DAY + instant.hour * _AN_HOUR + instant.minute // _MINUTES


def window_start(number: int) -> datetime:
    return _YEAR_1 + number * GRID


def cover(start: datetime, end: datetime) -> Iterator[WindowRange]:
    """[start, end), both on the grid, as at most five ranges of the fewest disjoint windows, in order."""
    hours = _within(start, end, WindowSize.H1)
    days = _within(*hours, WindowSize.D1)
    for size, range_start, range_end in (
        (WindowSize.M5, start, hours[0]),
        (WindowSize.H1, hours[0], days[0]),
        (WindowSize.D1, *days),
        (WindowSize.H1, days[1], hours[1]),
        (WindowSize.M5, hours[1], end),
    ):
        if range_start < range_end:
            yield WindowRange(size, range_start, range_end)


def read_period(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The half-open period that was meant, in UTC.

    An end in the last second of a window (`23:59:59Z`) reads as the next bound. Raises Rejected where a
    bound lies off the 5-minute grid (naming the nearest), or the period is empty or too long.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    next_bound = _ceiling(end, WindowSize.M5)
    if next_bound - end <= timedelta(seconds=1):
        end = next_bound
    faults = [
        Fault(name, f"must lie on a 5-minute instant; the nearest is {_nearest(bound):%Y-%m-%dT%H:%M:%SZ}")
        for name, bound in (("period_start", start), ("period_end", end))
        if bound != floor(bound, WindowSize.M5)
    ]
    if not faults and end <= start:
        faults = [Fault("period_end", "must be after period_start")]
    if not faults and end - start > PERIOD_MAX:
        faults = [Fault("period_end", f"must be at most {PERIOD_MAX.days} days after period_start")]
    if faults:
        raise Rejected(*faults)
    return start, end


def _within(start: datetime, end: datetime, size: WindowSize) -> tuple[datetime, datetime]:
    """The whole windows of `size` inside [start, end); empty at `end` where there are none."""
    first, last = _ceiling(start, size), floor(end, size)
    return (first, last) if first < last else (end, end)


def _ceiling(instant: datetime, size: WindowSize) -> datetime:
    start = floor(instant, size)
    return start if start == instant else start + _LENGTHS[size]


def _nearest(instant: datetime) -> datetime:
    return floor(instant + GRID / 2, WindowSize.M5)
