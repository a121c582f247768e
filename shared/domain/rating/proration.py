"""How much of a counting period has passed, in the ways that fees are prorated by."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from shared.domain.rating.charge import Cumulative

_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND_US: Final = 10**6
_DAY_S: Final = 86_400
_MONTH_DAYS: Final = 30


class Share(NamedTuple):
    """`passed` of `whole` units of time; nothing at the start of a counting period, all at its end."""

    passed: Fraction
    whole: int
    unit: str


def by_seconds(usage: Cumulative) -> Share:
    """The seconds of the month, which is as long as it is."""
    return Share(_seconds(usage.at - usage.period.start), _length_s(usage), "second")


def by_days(usage: Cumulative) -> Share:
    """The days of the calendar that are over: who starts within a day pays it, who ends within it does not.

    Cut at midnights, it is exact. In a month in which the clock changes, a day may be over as long before
    its midnight as the clock changes by.
    """
    length_s = _length_s(usage)
    days = (length_s + _DAY_S // 2) // _DAY_S
    missing_s = max(0, days * _DAY_S - length_s)
    over = (_seconds(usage.at - usage.period.start) + missing_s) // _DAY_S
    return Share(Fraction(over), days, "day")


def by_fixed_30(usage: Cumulative) -> Share:
    """Days of a month of 30, from its end: what is left of the month costs its days of 30, at most all.

    So the first of 31 days is free, and what shorter months lack of 30 counts from their start.
    """
    if not usage.has_begun:
        return Share(Fraction(0), _MONTH_DAYS, "day")
    over, days, unit = by_days(usage)
    left = min(days - over, Fraction(_MONTH_DAYS))
    return Share(_MONTH_DAYS - left, _MONTH_DAYS, unit)


PRORATIONS: Final[Mapping[str, Callable[[Cumulative], Share]]] = {
    "seconds": by_seconds,
    "days": by_days,
    "fixed_30": by_fixed_30,
}


def _length_s(usage: Cumulative) -> int:
    return (usage.period.end - usage.period.start) // timedelta(seconds=1)


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // _MICROSECOND, _SECOND_US)
