"""What every price charges from the start of the month up to an instant, by the formulas of docs/prices.md.

Lines of a graduated or volume price are those of its tiers; a fee of a tier is charged in its line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from tests.simulation.recompute.months import Month, midnights
from tests.simulation.recompute.numbers import rounded
from tests.simulation.recompute.usage import Used

Price = Mapping[str, Any]


class Moment(NamedTuple):
    """An instant of a month, and all that a price may look at."""

    at: datetime
    month: Month
    term: tuple[datetime, datetime]
    first_plan_from: datetime
    used: Callable[[Price], Used]
    zone: str

    @property
    def passed(self) -> Fraction:
        return _share((self.month[0], self.at), self.month)

    @property
    def share_of_month(self) -> Fraction:
        return _share(self.term, self.month)


class Charged(NamedTuple):
    """A line in the making: cumulative, exact and rounded. `quantity` where it counts a meter."""

    price: str
    part: str
    quantity: Fraction | None
    exact: Fraction
    owed: Fraction


class Before(NamedTuple):
    """What the prices before one charge now, and did when its version came into force."""

    charged: Sequence[Charged]
    opening: Sequence[Charged]

    def of(self, price: Price) -> list[int]:
        names = price.get("of", ())
        return [n for n, one in enumerate(self.charged) if not names or one.price in names]

    def exact(self, price: Price) -> Fraction:
        return sum((self.charged[n].exact for n in self.of(price)), Fraction(0))

    def owed(self, price: Price) -> Fraction:
        return sum((self.charged[n].owed for n in self.of(price)), Fraction(0))

    def owed_in_term(self, price: Price) -> Fraction:
        return self.owed(price) - sum((self.opening[n].owed for n in self.of(price)), Fraction(0))


Part = tuple[str, Fraction | None, Fraction]
"""Its name, what it counts, and what it charges."""


def charged(
    prices: Sequence[Price], now: Moment, digits: int, opening: Sequence[Charged] | None = None
) -> list[Charged]:
    """What each price charges up to now; `opening` is that at the start of the term, where it is not now."""
    so_far: list[Charged] = []
    for price in prices:
        before = Before(so_far, so_far if opening is None else opening)
        so_far = so_far + [
            Charged(price.get("name", ""), _part(price, part), quantity, exact, rounded(exact, digits))
            for part, quantity, exact in KINDS[price["kind"]](price, now, before, prices)
        ]
    return so_far


def _per_unit(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    q = _quantity(price, now)
    yield "", q, max(Fraction(0), q - _number(price, "included", 0)) * _unit(price)


def _graduated(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    q, above = _quantity(price, now), Fraction(0)
    for number, tier in enumerate(price["tiers"], start=1):
        upto = Fraction(tier["up_to"]) if "up_to" in tier else None
        amount = Fraction(0)
        if number == 1 or q > above:
            amount = ((q if upto is None else min(q, upto)) - above) * _unit(tier)
            amount += _fee(tier, number, now)
        yield f"tier {number}", q, amount
        above = upto or above


def _volume(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    q, above = _quantity(price, now), Fraction(0)
    for number, tier in enumerate(price["tiers"], start=1):
        upto = Fraction(tier["up_to"]) if "up_to" in tier else None
        holds = (number == 1 or q > above) and (upto is None or q <= upto)
        amount = q * _unit(tier) + _fee(tier, number, now) if holds else Fraction(0)
        yield f"tier {number}", q, amount
        above = upto or above


def _package(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    q, size = _quantity(price, now), _number(price, "size")
    beyond = max(Fraction(0), q - _number(price, "included", 0))
    yield "", q, ceil(beyond / size) * _number(price, "amount")


def _reserved(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    q, committed, per = _quantity(price, now), _number(price, "quantity"), _number(price, "per", 1)
    yield "reserved", None, committed * _number(price, "amount") / per * now.passed
    yield "overage", q, max(Fraction(0), q - committed) * _number(price, "overage") / per


def _flat(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    yield "", None, _number(price, "amount") * now.passed


def _licensed(price: Price, now: Moment, *_: object) -> Iterator[Part]:
    start, end = now.month
    over, days = midnights(now.zone, start, now.at), midnights(now.zone, start, end)
    way = price.get("prorated_by", "seconds")
    if way == "seconds":
        passed = now.passed
    elif way == "days":
        passed = Fraction(over, days)
    else:
        passed = Fraction(30 - min(days - over, 30), 30) if now.at > start else Fraction(0)
    yield "", None, _number(price, "quantity") * _number(price, "amount") * passed


def _percentage(price: Price, now: Moment, before: Before, *_: object) -> Iterator[Part]:
    yield "", None, before.exact(price) * _number(price, "percent") / 100


def _minimum(price: Price, now: Moment, before: Before, *_: object) -> Iterator[Part]:
    lacking = _number(price, "minimum") * now.share_of_month - before.owed_in_term(price)
    yield "", None, max(Fraction(0), lacking) if now.at == now.term[1] else Fraction(0)


def _maximum(price: Price, now: Moment, before: Before, *_: object) -> Iterator[Part]:
    left = _number(price, "maximum") * now.share_of_month - before.owed_in_term(price)
    yield "", None, min(Fraction(0), left)


def _free_value(price: Price, now: Moment, before: Before, prices: Sequence[Price]) -> Iterator[Part]:
    first = next(one for one in prices if one.get("name") == price["of"][0])
    worth = _number(price, "included") * _unit(first["tiers"][0] if "tiers" in first else first)
    yield "", None, -min(worth, before.owed(price))


KINDS: Mapping[str, Callable[[Price, Moment, Before, Sequence[Price]], Iterator[Part]]] = {
    "per_unit": _per_unit,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
    "reserved": _reserved,
    "flat": _flat,
    "licensed": _licensed,
    "percentage": _percentage,
    "minimum_spend": _minimum,
    "maximum_spend": _maximum,
    "free_value": _free_value,
}


def _part(price: Price, part: str) -> str:
    """A price of a band has its name before the tier's."""
    return ", ".join(filter(None, (price.get("band", {}).get("name", ""), part)))


def _quantity(price: Price, now: Moment) -> Fraction:
    return sum((now.used(price)(meter) for meter in price.get("meters") or [price["meter"]]), Fraction(0))


def _number(price: Price, name: str, otherwise: int | None = None) -> Fraction:
    return Fraction(price[name] if otherwise is None else price.get(name, otherwise))


def _unit(price: Price) -> Fraction:
    return _number(price, "amount", 0) / _number(price, "per", 1)


def _fee(tier: Price, number: int, now: Moment) -> Fraction:
    """Of a tier that is reached; the first is, without usage, when the month's first plan begins."""
    is_due = number > 1 or now.at > now.first_plan_from
    return _number(tier, "flat", 0) if is_due else Fraction(0)


def _share(part: tuple[datetime, datetime], whole: Month) -> Fraction:
    return Fraction(int((part[1] - part[0]).total_seconds()), int((whole[1] - whole[0]).total_seconds()))
