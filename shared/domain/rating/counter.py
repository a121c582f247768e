"""What a price counts: one meter, or the sum of several meters of the same unit."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from shared.domain.document import Document
from shared.domain.errors import Fault
from shared.domain.meters import CUSTOM, METERS, Meter, find_meter
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.fields import read_texts, repeated
from shared.domain.rating.selection import ALL, Key, Selection, key_of


@dataclass(frozen=True, slots=True)
class Counter:
    """Meters that are counted together, all or the same part of each; their units are the same."""

    meters: tuple[Meter, ...]
    selection: Selection = ALL

    @classmethod
    def of(cls, meter: str, meters: tuple[str, ...] = (), selection: Selection = ALL) -> "Counter":
        found = (find_meter(name) for name in meters or (meter,))
        return cls(tuple(meter for meter in found if meter is not None), selection)

    @property
    def keys(self) -> tuple[Key, ...]:
        """What quantities are asked by."""
        return tuple(key_of(meter.name, self.selection) for meter in self.meters)

    @property
    def name(self) -> str:
        return " + ".join(meter.name for meter in self.meters)

    @property
    def unit(self) -> str:
        return self.meters[0].unit

    def quantity(self, usage: Cumulative) -> Fraction:
        return sum((usage.quantities[key] for key in self.keys), Fraction(0))

    def part(self, tier: str = "") -> str:
        """What tells lines of one price apart: its band, and the tier."""
        band = self.selection.band
        return ", ".join(filter(None, (band.name if band else "", tier)))

    def each(self, per: Decimal) -> str:
        """What an amount for `per` units is for, in words."""
        return self.unit if per == 1 else self.many(per)

    def many(self, quantity: Decimal) -> str:
        return f"{quantity:,f} {self.meters[0].units}"

    @property
    def details(self) -> str:
        """What the quantity has rounded already, in brackets, and which part of the meters it is; "" where
        neither."""
        roundings = dict.fromkeys(meter.rounding for meter in self.meters if meter.rounding)
        rounding = f" ({', '.join(roundings)})" if roundings else ""
        return f"{rounding}{self.selection}"


def read_meters(document: Document) -> tuple[str, tuple[str, ...]]:
    """The fields `meter` and `meters`, of which a price has one."""
    if document.value("meters") is None:
        return document.text("meter"), ()
    if document.value("meter") is not None:
        document.fault("meter", "is one field too many beside meters")
    meters = read_texts(document, "meters")
    # With a fault of its own, it reads as some meter, which is none.
    return "" if meters else next(iter(METERS)), meters


def write_meters(meter: str, meters: tuple[str, ...]) -> dict[str, object]:
    return {"meters": list(meters)} if meters else {"meter": meter}


def meter_faults(meter: str, meters: tuple[str, ...] = ()) -> Iterator[Fault]:
    named = [(f"meters[{index}]", name) for index, name in enumerate(meters)] or [("meter", meter)]
    for field, name in named:
        if find_meter(name) is None:
            yield Fault(field, f"no such meter; known are {', '.join(METERS)}, {CUSTOM}<name>")
    yield from repeated("meters", meters)
    # What units custom meters have is known where they are defined.
    units = {name: METERS[name].unit for _, name in named if name in METERS}
    for field, name in named:
        first = next(iter(units.values()), "")
        if units.get(name, first) != first:
            yield Fault(field, f"counts another unit ({units[name]}) than the first meter ({first})")
