"""Usage that nobody had, to be rated: quantities by meter, evenly over a period."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.meters import CUSTOM, METERS, find_meter
from shared.domain.period import Period, PeriodSlice
from shared.domain.quantities import Quantities, nothing
from shared.domain.rating.fields import negative

_MICROSECOND: Final = timedelta(microseconds=1)

QUANTITIES: Final = "quantities"


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
    nothing at all."""

    period: Period
    quantities: Mapping[str, Fraction]

    def used_until(self, part: PeriodSlice, at: datetime) -> Mapping[str, Fraction]:
        """The quantity of every meter from the start of the counting period of `part` up to `at`."""
        start, end = self.period
        begin = max(start, part.counting.start)
        passed = max(timedelta(0), min(at, end) - begin)
        share = Fraction(passed // _MICROSECOND, (end - start) // _MICROSECOND)
        used = {**dict.fromkeys(METERS, Fraction(0)), **self.quantities}
        return Quantities({name: quantity * share for name, quantity in used.items()}, nothing)


def scaled(quantities: Mapping[str, Fraction], factor: Fraction) -> Mapping[str, Fraction]:
    known = {name: quantity * factor for name, quantity in quantities.items()}
    return Quantities(known, lambda name: quantities[name] * factor)
