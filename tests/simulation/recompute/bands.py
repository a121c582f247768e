"""Which 5 minutes lie in a band and are of a dimension's values, found by looking at the clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.simulation.recompute.months import EPOCH, GRID

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
SET_BACK_MAX = 24
"""Clocks are set back by two hours at most: so many times 5 minutes."""


def is_in(band: Mapping[str, Any], zone: str, number: int) -> bool:
    """A time that clocks have shown before is of the band of the latest that they have shown."""
    start, end = _minutes(band["from"]), _minutes(band["to"])
    length = end - start if end > start else end - start + DAY_MINUTES
    minute = _shown(zone, number)
    days = [DAYS.index(day) for day in band.get("weekdays", DAYS)]
    return any((minute - day * DAY_MINUTES - start) % WEEK_MINUTES < length for day in days)


def is_of(value: str, price: Mapping[str, Any], label: str) -> bool:
    wanted, unwanted = price.get("where", {}).get(label), price.get("except", {}).get(label)
    return (wanted is None or value in _listed(wanted)) and (
        unwanted is None or value not in _listed(unwanted)
    )


@cache
def _shown(zone: str, number: int) -> int:
    """In minutes since Monday."""
    latest = max(_local(zone, number - back) for back in range(SET_BACK_MAX + 1))
    return latest.weekday() * DAY_MINUTES + latest.hour * 60 + latest.minute


@cache
def _local(zone: str, number: int) -> datetime:
    shown = (EPOCH + number * GRID).astimezone(ZoneInfo(zone))
    return EPOCH + (shown.replace(tzinfo=EPOCH.tzinfo) - EPOCH)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes)) // timedelta(minutes=1)


def _listed(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values
