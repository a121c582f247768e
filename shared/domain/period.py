"""Counting periods: the calendar months of a tenant's time zone, as UTC instants, half-open."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.domain.errors import Rejected
from shared.domain.windows import GRID, WindowSize, floor

_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})


class Period(NamedTuple):
    """[start, end), both UTC."""

    start: datetime
    end: datetime


class Term(NamedTuple):
    """The part [start, end) of a counting period in which one version of a plan is in force.

    `charged_from`: when the first plan of the counting period came into force.
    """

    start: datetime
    end: datetime
    charged_from: datetime


class PeriodSlice(NamedTuple):
    """The part [start, end) of a counting period."""

    counting: Period
    start: datetime
    end: datetime


def read_zone(name: str) -> ZoneInfo:
    """The IANA time zone `name`. Raises Rejected where there is none."""
    # `right/` zones count leap seconds, which POSIX time does not.
    if name not in _NO_PLACES and not name.startswith(("right/", "posix/")):
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            pass
    raise Rejected.because("timezone", f"{name[:64]!r} is not an IANA time zone")


def month_of(instant: datetime, zone: ZoneInfo) -> Period:
    """The calendar month of `zone` that holds `instant`."""
    local = instant.astimezone(zone)
    month = _month(local.year, local.month, zone)
    # Where the clock is set back over midnight, the last local minutes of a month come once more.
    return month if instant < month.end else _month(*_following(local.year, local.month), zone)


def next_month_start(instant: datetime, zone: ZoneInfo) -> datetime:
    """When the next calendar month of `zone` begins; later than `instant`."""
    return month_of(instant, zone).end


def period_start_from(instant: datetime, zone: ZoneInfo) -> datetime:
    """When the first calendar month of `zone` begins that begins at `instant` or later."""
    month = month_of(instant, zone)
    return month.start if month.start == instant else month.end


def grid_instant(field: str, instant: datetime) -> datetime:
    """`instant` in UTC. Raises Rejected where it lies off the 5-minute grid, naming the nearest."""
    instant = instant.astimezone(UTC)
    if instant != floor(instant, WindowSize.M5):
        nearest = floor(instant + GRID / 2, WindowSize.M5)
        raise Rejected.because(
            field, f"must lie on a 5-minute instant; the nearest is {nearest:%Y-%m-%dT%H:%M:%SZ}"
        )
    return instant


def next_grid_instant(instant: datetime) -> datetime:
    """The first 5-minute instant at `instant` or later."""
    start = floor(instant, WindowSize.M5)
    return start if start == instant else start + GRID


def counting_periods(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[PeriodSlice, ...]:
    """[start, end) cut at the month bounds of `zone`, in order. Empty where start is not before end."""
    slices: list[PeriodSlice] = []
    while start < end:
        month = month_of(start, zone)
        slices.append(PeriodSlice(month, start, min(end, month.end)))
        start = month.end
    return tuple(slices)


def instant_of(wall: datetime) -> datetime:
    """The first instant at which clocks of its zone show `wall`; where it does not exist, that at which they
    were set forward over it. On the 5-minute grid where `wall` is, as all offsets are since 1972."""
    instant = wall.astimezone(UTC)
    if instant.astimezone(wall.tzinfo).replace(tzinfo=None) != wall.replace(tzinfo=None):
        return _end_of_gap(wall)
    return instant


def _following(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)


def _month(year: int, month: int, zone: ZoneInfo) -> Period:
    return Period(_month_start(year, month, zone), _month_start(*_following(year, month), zone))


def _month_start(year: int, month: int, zone: ZoneInfo) -> datetime:
    """The first instant whose local date is the 1st."""
    return instant_of(datetime(year, month, 1, tzinfo=zone))


def _end_of_gap(missing: datetime) -> datetime:
    """The instant at which the clock was set forward over the local time `missing`."""
    zone = missing.tzinfo
    assert zone is not None
    earlier, later = (missing.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
    offset = later.astimezone(zone).utcoffset()
    while later - earlier > timedelta(seconds=1):
        middle = earlier + (later - earlier) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            later = middle
        else:
            earlier = middle
    return later.replace(microsecond=0)
