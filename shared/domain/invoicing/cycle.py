"""Billing periods: months or weeks of a tenant's time zone, as UTC instants, half-open."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from shared.domain.period import Period, instant_of

_WEEK_DAYS: Final = 7
_MONDAY: Final = date(1970, 1, 5)


@dataclass(frozen=True, slots=True)
class BillingCycle:
    """A new period begins with every month or week, counted from `anchor`, before it as after it.

    Months begin on the anchor's day, shorter ones on their last day; without an anchor on the 1st. Weeks
    begin on the anchor's weekday, else on Monday. Counting periods, of tiers and allowances, stay calendar
    months.
    """

    interval: Literal["month", "week"] = "month"
    anchor: date | None = None


def period_holding(cycle: BillingCycle, instant: datetime, zone: ZoneInfo) -> Period:
    """The whole period that `instant` lies in."""
    near = instant.astimezone(zone).date()
    bounds = [instant_of(datetime.combine(day, time(), zone)) for day in _days_near(cycle, near)]
    start = max(bound for bound in bounds if bound <= instant)
    return Period(start, min(bound for bound in bounds if bound > instant))


def period_after(cycle: BillingCycle, start: datetime, zone: ZoneInfo) -> Period:
    """The period that begins at `start`, the end of the one before, and ends where the cycle has its next
    bound: shorter than a whole one where the cycle or the zone was changed."""
    return Period(start.astimezone(UTC), period_holding(cycle, start, zone).end)


def _days_near(cycle: BillingCycle, near: date) -> Iterator[date]:
    """The days on which periods begin, from one before `near` to one after the next."""
    anchor = cycle.anchor or _MONDAY
    for step in (-1, 0, 1, 2):
        if cycle.interval == "week":
            weeks = (near - anchor).days // _WEEK_DAYS + step
            yield anchor + timedelta(weeks=weeks)
        else:
            yield _day_of_month(near, step, cycle.anchor.day if cycle.anchor else 1)


def _day_of_month(near: date, months: int, day: int) -> date:
    """`day` of the month so many after that of `near`, or its last where it is shorter."""
    year, index = divmod(near.year * 12 + near.month - 1 + months, 12)
    return date(year, index + 1, min(day, monthrange(year, index + 1)[1]))
