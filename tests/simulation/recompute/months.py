"""Calendar months of a time zone, found by looking at every instant of the grid."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

GRID = timedelta(minutes=5)
DAY = timedelta(days=1)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Month = tuple[datetime, datetime]
"""From and up to, in UTC."""


def bin_of(instant: datetime) -> int:
    """The number of the 5 minutes that an instant lies in."""
    return (instant - EPOCH) // GRID


def next_on_grid(instant: datetime) -> datetime:
    return EPOCH - (EPOCH - instant) // GRID * GRID


@cache
def month_start(zone: str, year: int, month: int) -> datetime:
    """The first instant whose local date lies in the month, or after it."""
    instant = datetime(year, month, 1, tzinfo=UTC) - DAY
    while _local_month(instant, zone) < (year, month):
        instant += GRID
    return instant


@cache
def month_at(zone: str, instant: datetime) -> Month:
    """The month that holds an instant."""
    year, number = (instant - 40 * DAY).year, (instant - 40 * DAY).month
    while True:
        following = _following(year, number)
        if instant < month_start(zone, *following):
            return month_start(zone, year, number), month_start(zone, *following)
        year, number = following


def first_month_from(zone: str, instant: datetime) -> datetime:
    """When the first month begins that begins at an instant or later."""
    start, end = month_at(zone, instant)
    return instant if instant == start else end


def months_between(zone: str, start: datetime, end: datetime) -> Iterator[Month]:
    while start < end:
        month = month_at(zone, start)
        yield month
        start = month[1]


@cache
def midnights(zone: str, start: datetime, end: datetime) -> int:
    """How many days end in (start, end]: only for zones whose clock does not change meanwhile."""
    first, last = start.astimezone(ZoneInfo(zone)), end.astimezone(ZoneInfo(zone))
    return (last.date() - first.date()).days


def _local_month(instant: datetime, zone: str) -> tuple[int, int]:
    local = instant.astimezone(ZoneInfo(zone))
    return local.year, local.month


def _following(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)
