"""Cron schedules as Knative reads them, and only those that croniter reads alike."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter
from croniter.croniter import DOW_ALPHAS, M_ALPHAS

_VALUE: Final = "[0-9]{1,2}|[a-z]{3}"
_PART: Final = re.compile(
    rf"(?:[*?]|(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?)(?:/[0-9]{{1,2}})?", re.ASCII | re.IGNORECASE
)
_NAMES: Final = {**M_ALPHAS, **DOW_ALPHAS}
_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ticks on whole seconds of the wall clock of `zone`; `read` makes one of a text.

    A tick in the hour that summer time skips comes just after it; Knative's does not come that day.
    """

    text: str
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.text} ({self.zone.key})"

    def after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`, in UTC."""
        ticks = croniter(self.text, instant.astimezone(self.zone), second_at_beginning=True)
        return ticks.get_next(datetime).astimezone(UTC)


def read(text: str, zone: ZoneInfo) -> Schedule:
    """Five fields, or six with the seconds first. Raises ValueError saying what is wrong."""
    fields = text.split()
    if len(fields) not in (5, 6):
        raise ValueError(f"expected 5 to 6 fields, found {len(fields)}: [{text}]")
    for number, field in enumerate(fields, start=1):
        for part in field.split(","):
            _check(part, is_weekday=number == len(fields))
    days = {fields[-3], fields[-1]}
    steps = [part for field in days for part in field.split(",") if part[0] in "*?" and "/" in part]
    if steps and not days & {"*", "?"}:
        raise ValueError(f"a step over all days means both day fields to Knative, either to us: [{text}]")
    schedule = Schedule(" ".join(fields), zone)
    try:
        schedule.after(_ANY_TIME)
    except CroniterBadDateError as error:
        raise ValueError(f"never comes: [{text}]") from error
    except CroniterError as error:
        raise ValueError(str(error)) from error
    return schedule


def _check(part: str, *, is_weekday: bool) -> None:
    """Raises ValueError for what croniter takes and Knative does not, or not as the same."""
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"is not a value, a range or a step: {part}")
    low, high = _number(match["low"]), _number(match["high"])
    if is_weekday and 7 in (low, high):
        raise ValueError(f"end of range (7) above maximum (6): {part}")
    if high is not None and low is not None and low >= high:
        raise ValueError(f"beginning of range ({low}) not before its end ({high}): {part}")


def _number(text: str | None) -> int | None:
    """None where there is none, or a name that croniter will refuse."""
    if text is None:
        return None
    return int(text) if text.isdecimal() else _NAMES.get(text.lower())
