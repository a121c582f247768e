"""Random price lists, of amounts that matter for the usage to be expected."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import Any, Final

from tests.simulation.recompute.bands import DAYS
from tests.simulation.recompute.usage import LABEL, METERS, Usage, records_of, summed
from tests.simulation.records import Delivery

Price = dict[str, Any]
Expected = Mapping[str, Fraction]
"""The quantity of each meter that a tenant is to use in a month."""

COUNTED: Final = "invocations"
"""By a price of every version: no usage of a tenant goes unnoticed."""
TOGETHER: Final = (
    ("invocations",),
    ("gb_seconds", "gb_seconds_1ms_128mb"),
    ("duration_ms", "duration_ms_100ms", "duration_ms_1ms"),
)
"""Meters of one unit, that are counted together."""
PRORATIONS: Final = ("seconds", "days", "fixed_30")
VALUES: Final = ("spot", "", ["spot", "burst"])
_SAMPLE: Final = 3_000


def expected_of(records: int, seed: int) -> Expected:
    """Of so many records, by a sample."""
    noon = datetime(2025, 1, 2, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    delivery = Delivery(0, "event", "", ("any",), _SAMPLE, noon, noon + hour, noon, (noon,))
    used = Usage([summed(records_of(delivery.body(seed)), noon)]).between(noon - 24 * hour, noon + 24 * hour)
    return {meter: max(used(meter) * records / _SAMPLE, Fraction(1)) for meter in METERS}


def prices_of(drawn: random.Random, expected: Expected, *, by_days: bool) -> Sequence[Price]:
    """The prices of a version; `by_days`: also such as are prorated by days."""
    metered = [_metered(drawn, expected, COUNTED)]
    for _ in range(drawn.randint(1, 4)):
        metered.append(_metered(drawn, expected, drawn.choice(tuple(METERS))))
    for number, price in enumerate(metered):
        price["name"] = f"price-{number}"
    _divide(random.Random(str(metered)), metered[1:])
    drawn.shuffle(metered)
    prices = metered + [make(drawn, by_days) for make in (_flat, _licensed) if drawn.random() < 0.4]
    names = [price["name"] for price in metered]
    discounted: list[str] = []
    for price in metered:
        if drawn.random() < 0.25 and price["kind"] in ("per_unit", "graduated", "volume"):
            discounted.append(price["name"])
            worth = _text(expected[_meters(price)[0]] * Fraction(drawn.randint(1, 90), 100))
            prices.append({"kind": "free_value", "included": worth, "of": [price["name"]]})
    if drawn.random() < 0.4:
        percent = _text(Fraction(drawn.randint(1, 400), drawn.choice((10, 16))))
        prices.append({"kind": "percentage", "percent": percent, **_some(drawn, names), "name": "support"})
    return prices + _limits(drawn, [name for name in names if name not in discounted])


def _divide(drawn: random.Random, prices: Sequence[Price]) -> None:
    """Some count a part only: a band, which none overlaps, some values of the label, or both."""
    at = sorted(drawn.sample(range(288), 3))
    clocks = [f"{step // 12:02}:{step % 12 * 5:02}" for step in at]
    days = list(DAYS)
    drawn.shuffle(days)
    bands = [
        {"name": f"band-{n}", "from": clocks[n % 3], "to": clocks[(n + 1) % 3], "weekdays": some}
        for n, some in enumerate([days[:4]] * 3 + [days[4:]] * 3)
    ]
    for price, band in zip(prices, bands, strict=False):
        if price["kind"] == "reserved":
            continue
        if drawn.random() < 0.6:
            price["band"] = band
        if drawn.random() < 0.4:
            price[drawn.choice(("where", "except"))] = {LABEL: drawn.choice(VALUES)}


def _metered(drawn: random.Random, expected: Expected, meter: str) -> Price:
    kind = drawn.choice((_per_unit, _graduated, _volume, _package, _reserved))
    together = [meters for meters in TOGETHER if meters[0] == meter and kind is not _package]
    counted = (
        {"meters": list(drawn.choice(together))} if together and drawn.random() < 0.5 else {"meter": meter}
    )
    return kind(drawn, expected[meter]) | counted


def _per_unit(drawn: random.Random, used: Fraction) -> Price:
    included = (
        {"included": _bound(drawn, used * Fraction(drawn.randint(0, 60), 100))}
        if drawn.random() < 0.6
        else {}
    )
    return {"kind": "per_unit", **_rate(drawn, used), **included}


def _graduated(drawn: random.Random, used: Fraction) -> Price:
    return {"kind": "graduated", "tiers": _tiers(drawn, used)}


def _volume(drawn: random.Random, used: Fraction) -> Price:
    return {"kind": "volume", "tiers": _tiers(drawn, used)}


def _package(drawn: random.Random, used: Fraction) -> Price:
    size = _bound(drawn, used / drawn.randint(2, 60) + Fraction(1, 100))
    return {"kind": "package", "size": size, "amount": _money(drawn, 40), "included": _bound(drawn, used / 7)}


def _reserved(drawn: random.Random, used: Fraction) -> Price:
    rate, overage = _rate(drawn, used), _rate(drawn, used)
    per = rate.get("per", "1")
    over = Fraction(overage["amount"]) / Fraction(overage.get("per", "1")) * Fraction(per)
    quantity = _bound(drawn, used * Fraction(drawn.randint(10, 150), 100))
    return {"kind": "reserved", "quantity": quantity, **rate, "overage": _short(over)}


def _tiers(drawn: random.Random, used: Fraction) -> list[Price]:
    steps = [used * Fraction(drawn.randint(3, 60), 100) + 1 for _ in range(drawn.randint(0, 3))]
    tiers: list[Price] = [{"up_to": _bound(drawn, bound)} for bound in accumulate(steps)] + [{}]
    for tier in tiers:
        tier.update(_rate(drawn, used) if drawn.random() < 0.9 else {"amount": "0"})
        if drawn.random() < 0.5:
            tier["flat"] = _money(drawn, 30)
    return tiers


def _flat(drawn: random.Random, by_days: bool) -> Price:
    return {"kind": "flat", "amount": _money(drawn, 100)}


def _licensed(drawn: random.Random, by_days: bool) -> Price:
    way = {"prorated_by": drawn.choice(PRORATIONS)} if by_days else {}
    return {"kind": "licensed", "quantity": str(drawn.randint(1, 20)), "amount": _money(drawn, 30), **way}


def _limits(drawn: random.Random, names: Sequence[str]) -> list[Price]:
    """A minimum, a maximum, or both, the greater one the maximum."""
    minimum = Fraction(_money(drawn, 600))
    limits: list[Callable[[], Price]] = []
    if drawn.random() < 0.4:
        scope = _some(drawn, names) if names else {}
        limits.append(lambda: {"kind": "minimum_spend", "minimum": _text(minimum), **scope})
    if drawn.random() < 0.4:
        limits.append(lambda: {"kind": "maximum_spend", "maximum": _text(minimum * drawn.randint(1, 9))})
    drawn.shuffle(limits)
    return [limit() for limit in limits]


def _some(drawn: random.Random, names: Sequence[str]) -> Price:
    """The scope of a price about others: some of them, or all."""
    return {"of": sorted(drawn.sample(names, drawn.randint(1, len(names))))} if drawn.random() < 0.5 else {}


def _rate(drawn: random.Random, used: Fraction) -> Price:
    """About so much money for what is to be used."""
    per = drawn.choice((1, 1, 1000, 3600, 10**6))
    amount = _short(used and Fraction(_money(drawn, 300)) / used * per)
    return {"amount": amount, **({"per": str(per)} if per > 1 else {})}


def _meters(price: Price) -> list[str]:
    return list(price.get("meters") or [price["meter"]])


def _money(drawn: random.Random, most: int) -> str:
    return f"{most ** drawn.random():.{drawn.choice((0, 1, 2, 4))}f}"


def _bound(drawn: random.Random, quantity: Fraction) -> str:
    """A whole number, or one with a few digits."""
    return (
        f"{Decimal(float(quantity)):.{drawn.choice((0, 0, 0, 1, 3))}f}" if quantity >= 1 else _short(quantity)
    )


def _short(number: Fraction) -> str:
    """Three digits that count, as prices are published."""
    return _text(Fraction(f"{float(number):.3g}"))


def _text(number: Fraction) -> str:
    return (
        f"{round(Decimal(number.numerator) / Decimal(number.denominator), 15):f}".rstrip("0").rstrip(".")
        or "0"
    )
