"""Usage that nobody had, to be rated: quantities by meter, evenly over a period."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.meters import CUSTOM, METERS, find_meter
from shared.domain.period import Period, PeriodSlice
from shared.domain.quantities import Quantities, entries_of
from shared.domain.rating.fields import negative
from shared.domain.rating.selection import Key, Selected

_MICROSECOND: Final = timedelta(microseconds=1)

QUANTITIES: Final = "quantities"
_UTC: Final = ZoneInfo("UTC")
_NO_VALUES: Final[Mapping[str, str]] = {}


def read_quantities(value: object) -> Mapping[str, Fraction]:
    """Decimal strings by name of meter, at least one. Raises Rejected with every fault by path."""
    document = Document(value, QUANTITIES)
    names = list(value) if isinstance(value, Mapping) else []
    quantities: dict[str, Fraction] = {}
    for name in names:
        if not isinstance(name, str) or find_meter(name) is None:
            document.value(name)
            document.fault(str(name)[:64], f"no such meter; known are {', '.join(METERS)}, {CUSTOM}<name>")
            continue
        quantity = document.decimal(name)
        for fault in negative(name, quantity):
            document.fault(*fault)
        quantities[name] = Fraction(quantity)
    if not names and not document.faults:
        raise Rejected.because(QUANTITIES, "names no meter")
    return document.finish(lambda: quantities)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """These quantities are used evenly over `period`, by its seconds; nothing before it, and of other meters
    nothing at all. A band of `zone` has its share of the seconds; of dimensions, no value is given."""

    period: Period
    quantities: Mapping[str, Fraction]
    zone: ZoneInfo = _UTC

    def used_until(self, part: PeriodSlice, at: datetime) -> Mapping[str, Fraction]:
        """The quantity of every meter from the start of the counting period of `part` up to `at`."""
        start, end = self.period
        begin, until = max(start, part.counting.start), min(at, end)

        def look_up(key: Key) -> Fraction:
            if not isinstance(key, Selected) or not key.where.holds(_NO_VALUES):
                return Fraction(0)
            spans = [Period(begin, until)] if key.band is None else key.band.spans(begin, until, self.zone)
            return self.quantities.get(key.meter, Fraction(0)) * self._share(spans)

        share = self._share([Period(begin, until)])
        used = {**dict.fromkeys(METERS, Fraction(0)), **self.quantities}
        return Quantities({name: quantity * share for name, quantity in used.items()}, look_up)

    def _share(self, spans: Iterable[Period]) -> Fraction:
        passed = sum((max(timedelta(0), end - start) for start, end in spans), timedelta(0))
        return Fraction(passed // _MICROSECOND, (self.period.end - self.period.start) // _MICROSECOND)


def scaled(quantities: Mapping[Any, Fraction], factor: Fraction) -> Mapping[str, Fraction]:
    known = {name: quantity * factor for name, quantity in quantities.items()}

    def entries(meter: str) -> Sequence[Fraction]:
        """As many, each of so much more."""
        return [value * factor for value in entries_of(quantities, meter)]

    return Quantities(known, lambda name: quantities[name] * factor, entries)
