"""Bands of a week, by wall time: the part of a meter that a price counts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.domain.document import TEXT_MAX, Document
from shared.domain.errors import Fault, Rejected
from shared.domain.period import Period, instant_of
from shared.domain.rating.fields import read_texts, repeated
from shared.domain.windows import GRID

FIELD: Final = "band"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = frozenset(range(len(WEEKDAYS)))
_DAY_MINUTES: Final = 1_440
_WEEK_MINUTES: Final = len(WEEKDAYS) * _DAY_MINUTES
_GRID_MINUTES: Final = GRID // timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_CLOCK_WANTED: Final = "must be a time of day from 00:00 to 23:59, such as 22:00"


@dataclass(frozen=True, slots=True)
class Band:
    """From `start_minute` of a day up to `end_minute`, of the next day where that is not later: a whole day
    where both are the same. `weekdays` (0 is Monday) are those on which it begins.

    By wall time: one that does not exist is the instant at which the clock was set forward over it, one
    that comes twice is its first occurrence. So bands neither overlap nor leave holes where their wall times
    do not. Raises Rejected for a bound off the 5-minute grid, naming the nearest, and where it has no name or
    no weekday.
    """

    name: str
    start_minute: int
    end_minute: int
    weekdays: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> "Band":
        name = document.text("name")
        start_minute, end_minute = _read_clock(document, "from"), _read_clock(document, "to")
        weekdays = _read_weekdays(document)
        return document.finish(lambda: cls(name, start_minute, end_minute, weekdays))

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "from": _clock_text(self.start_minute),
            "to": _clock_text(self.end_minute),
            "weekdays": [WEEKDAYS[day] for day in sorted(self.weekdays)],
        }

    def __str__(self) -> str:
        """In words, such as `night (22:00 to 06:00, mon, tue)`."""
        days = (
            "" if self.weekdays == EVERY_DAY else f", {', '.join(WEEKDAYS[d] for d in sorted(self.weekdays))}"
        )
        return f"{self.name} ({_clock_text(self.start_minute)} to {_clock_text(self.end_minute)}{days})"

    def spans(self, start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Period]:
        """What of [start, end) lies in the band where clocks show the time of `zone`: spans in order, apart
        from each other."""
        held: Period | None = None
        for occurrence in self._occurrences(start, end, zone):
            span = Period(max(occurrence.start, start), min(occurrence.end, end))
            if span.start >= span.end:
                continue
            if held is not None and held.end == span.start:
                span = Period(held.start, span.end)
            elif held is not None:
                yield held
            held = span
        if held is not None:
            yield held

    def overlaps(self, other: "Band") -> bool:
        """Whether any time of any week lies in both."""
        return any(
            (theirs - mine) % _WEEK_MINUTES < self._length_minutes
            or (mine - theirs) % _WEEK_MINUTES < other._length_minutes
            for mine in self._starts()
            for theirs in other._starts()
        )

    @property
    def _length_minutes(self) -> int:
        return (self.end_minute - self.start_minute) % _DAY_MINUTES or _DAY_MINUTES

    def _starts(self) -> list[int]:
        """In minutes of the week."""
        return [day * _DAY_MINUTES + self.start_minute for day in self.weekdays]

    def _occurrences(self, start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Period]:
        """Every one that may touch [start, end): the first has begun up to a day before, by wall time, and
        the clock may have been set over a whole day meanwhile."""
        day, last = start.astimezone(zone).date() - 2 * _DAY, end.astimezone(zone).date() + _DAY
        while day <= last:
            if day.weekday() in self.weekdays:
                begins, ends = self.start_minute, self.start_minute + self._length_minutes
                yield Period(_instant(day, begins, zone), _instant(day, ends, zone))
            day += _DAY

    def _faults(self) -> Iterator[Fault]:
        if not (0 < len(self.name) <= TEXT_MAX):
            yield Fault("name", f"must be 1 to {TEXT_MAX} printable characters")
        for field, minute in (("from", self.start_minute), ("to", self.end_minute)):
            if not 0 <= minute < _DAY_MINUTES:
                yield Fault(field, _CLOCK_WANTED)
            elif minute % _GRID_MINUTES:
                nearest = round(minute / _GRID_MINUTES) * _GRID_MINUTES % _DAY_MINUTES
                yield Fault(field, f"must lie on a 5-minute instant; the nearest is {_clock_text(nearest)}")
        if not self.weekdays:
            yield Fault("weekdays", f"names no day; known are {', '.join(WEEKDAYS)}")
        elif not self.weekdays <= EVERY_DAY:
            yield Fault("weekdays", f"no such day; known are {', '.join(WEEKDAYS)}")


def read_band(price: Document) -> Band | None:
    """The field `band` of a price, None where it has none; its faults become those of the price."""
    value = price.value(FIELD)
    if value is None:
        return None
    try:
        return Band.read(Document(value, FIELD))
    except Rejected as refusal:
        for fault in refusal.faults:
            price.fault(*fault)
        return None


def write_band(band: Band | None) -> dict[str, object]:
    return {} if band is None else {FIELD: band.to_dict()}


def _read_clock(document: Document, field: str) -> int:
    """In minutes since midnight."""
    value = document.value(field)
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        document.fault(field, "is missing" if value is None else _CLOCK_WANTED)
        return 0
    return int(found[1]) * 60 + int(found[2])


def _clock_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _read_weekdays(document: Document) -> frozenset[int]:
    if document.value("weekdays") == []:
        return frozenset()
    names = read_texts(document, "weekdays")
    for index, name in enumerate(names):
        if name not in WEEKDAYS:
            document.fault(f"weekdays[{index}]", f"no such day; known are {', '.join(WEEKDAYS)}")
    for fault in repeated("weekdays", names):
        document.fault(*fault)
    return frozenset(WEEKDAYS.index(name) for name in names if name in WEEKDAYS) or EVERY_DAY


def _instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """When clocks first show `minute` of `day`, which may lie on the next, or what comes after it."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    return instant_of(wall.replace(tzinfo=zone))
