"""Any plan with prices of every kind, and any month of usage."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import strategies as st

from shared.domain.meters import METERS
from shared.domain.plan import Plan
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.flat import Flat
from shared.domain.rating.free_value import FreeValue
from shared.domain.rating.graduated import Graduated
from shared.domain.rating.kinds import Price
from shared.domain.rating.licensed import Licensed
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.package import Package
from shared.domain.rating.per_event import PerEvent
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage
from shared.domain.rating.proration import PRORATIONS
from shared.domain.rating.reserved import Reserved
from shared.domain.rating.tiers import Tier
from shared.domain.rating.volume import Volume
from tests.shared.domain.rating.entered import MONTH

CURRENCIES = ["JPY", "USD", "KWD", "CLF"]
SECONDS = ["gb_seconds", "gb_seconds_1ms"]
"""Meters of one unit."""
COUNTED = ["invocations", *SECONDS]

amounts = st.decimals(0, 1_000, places=9)
pers = st.sampled_from([Decimal(1), Decimal(3), Decimal(1_000_000), Decimal("0.125")])
allowances = st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1_000)])
counted = st.sampled_from([("invocations", ()), ("gb_seconds", ()), ("", tuple(SECONDS))])


@st.composite
def tiers(draw: st.DrawFn, flat: st.SearchStrategy[Decimal] = amounts) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.decimals("0.001", 2_000, places=3), max_size=3)))
    return tuple(Tier(up_to, draw(amounts), draw(pers), draw(flat)) for up_to in (*bounds, None))


@st.composite
def metered(draw: st.DrawFn, name: str) -> PerUnit | Graduated | Volume:
    meter, meters = draw(counted)
    kind = draw(st.sampled_from([PerUnit, Graduated, Volume]))
    if kind is PerUnit:
        return PerUnit(meter, draw(amounts), draw(pers), draw(allowances), meters, name)
    return (Graduated if kind is Graduated else Volume)(meter, draw(tiers()), meters, name)


@st.composite
def reserved(draw: st.DrawFn) -> Reserved:
    meter, meters = draw(counted)
    committed = draw(st.decimals("0.001", 3_000, places=3))
    return Reserved(meter, committed, draw(amounts), draw(amounts), draw(pers), meters)


@st.composite
def licensed(draw: st.DrawFn) -> Licensed:
    return Licensed(draw(allowances), draw(amounts), draw(st.sampled_from(sorted(PRORATIONS))))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A price of every kind, in an order that makes sense, each perhaps about some prices only."""
    named = st.sampled_from([(), ("a",), ("b", "package")])
    cap = draw(amounts)
    prices: list[Price] = [
        draw(metered("a")),
        draw(metered("b")),
        Package("invocations", draw(amounts), draw(pers), draw(allowances), "package"),
        draw(reserved()),
        Flat(draw(amounts)),
        draw(licensed()),
        FreeValue(draw(allowances), ("a",), "free"),
        Percentage(draw(amounts), draw(named)),
        PerEvent("custom.payments", draw(amounts), draw(amounts), free_amount=draw(allowances)),
        MinimumSpend(min(cap, draw(amounts)), draw(named)),
        MaximumSpend(cap),
    ]
    return Plan(UUID(int=1), "any", draw(st.sampled_from(CURRENCIES)), tuple(prices), MONTH.start)


_quantities = st.one_of(st.integers(0, 3_000).map(Fraction), st.fractions(0, 3_000, max_denominator=3_600))
growths = st.lists(st.fixed_dictionaries(dict.fromkeys(COUNTED, _quantities)), min_size=1, max_size=6)
"""How much each meter grows, step by step through the month."""


def steps(growths: list[dict[str, Fraction]]) -> list[Cumulative]:
    """Cumulative usage at the start of the month and after each growth, the last at the month's end."""
    reached = dict.fromkeys(METERS, Fraction(0))
    points = [Cumulative(MONTH, MONTH.start, dict(reached))]
    for number, growth in enumerate(growths, start=1):
        reached |= {name: reached[name] + grown for name, grown in growth.items()}
        at = MONTH.end if number == len(growths) else MONTH.start + number * timedelta(minutes=5)
        points.append(Cumulative(MONTH, at, dict(reached)))
    return points
