"""What holds for every kind of price and every ready plan in any month of any zone.

Laws of one kind, and of a month in UTC, stand in tests/shared/domain/rating/test_price_properties.py.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.meters import METERS
from shared.domain.money import CURRENCY_EXPONENTS, round_to_currency
from shared.domain.period import Period, month_of
from shared.domain.plan import Plan
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.licensed import Licensed
from shared.domain.rating.line import exact_total, total
from shared.domain.rating.proration import PRORATIONS
from shared.domain.rating.rate import rate
from shared.domain.rating.reserved import Reserved
from shared.domain.windows import GRID
from shared.service.catalogue import catalogue
from tests.shared.domain.rating.any_plan import CURRENCIES, amounts, licensed, plans, reserved

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    # Offsets of 45 and 30 minutes, a change of 30 minutes, changes at midnight.
    "Asia/Kathmandu",
    "Australia/Eucla",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/Havana",
]
EPSILON = Fraction(1, 10**9)
quantities = st.fractions(0, 5_000, max_denominator=3_600)


class Cut(NamedTuple):
    """A counting period and instants in it, from its start to its end."""

    period: Period
    instants: Sequence[datetime]


@st.composite
def months(draw: st.DrawFn) -> Period:
    instant = datetime(2024, 1, 15, tzinfo=UTC) + timedelta(days=30) * draw(st.integers(0, 60))
    return month_of(instant, ZoneInfo(draw(st.sampled_from(ZONES))))


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    period = draw(months())
    steps = (period.end - period.start) // GRID
    inner = draw(st.sets(st.integers(1, steps - 1), max_size=5))
    return Cut(period, [period.start, *(period.start + step * GRID for step in sorted(inner)), period.end])


@st.composite
def used_over(draw: st.DrawFn, cut: Cut) -> list[Cumulative]:
    """Any usage of every meter, growing from instant to instant."""
    names = draw(st.sets(st.sampled_from(sorted(METERS)), max_size=4))
    reached = dict.fromkeys(METERS, Fraction(0))
    points = [Cumulative(cut.period, cut.instants[0], dict(reached))]
    for at in cut.instants[1:]:
        reached |= {name: reached[name] + draw(quantities) for name in sorted(names)}
        points.append(Cumulative(cut.period, at, dict(reached)))
    return points


def check_parts_sum_to_the_month(plan: Plan, points: Sequence[Cumulative]) -> None:
    whole = rate(plan, points[0], points[-1])
    parts = [rate(plan, before, after) for before, after in pairwise(points)]
    for index, line in enumerate(whole):
        assert total((part[index] for part in parts), plan.currency) == line.amount
        assert exact_total(part[index] for part in parts) == line.exact_amount
    owed = total(whole, plan.currency)
    assert owed == sum(total(part, plan.currency) for part in parts) == sum(line.amount for line in whole)
    assert owed.as_tuple().exponent == -CURRENCY_EXPONENTS[plan.currency]


def plan_of(price: Licensed | Reserved, currency: str = "USD") -> Plan:
    return Plan(UUID(int=1), "one", currency, (price,), datetime(2024, 1, 1, tzinfo=UTC))


def at(period: Period, instant: datetime, used: Fraction = Fraction(0)) -> Cumulative:
    return Cumulative(period, instant, dict.fromkeys(METERS, used))


def test_currencies_of_every_exponent_are_tried() -> None:
    assert {CURRENCY_EXPONENTS[currency] for currency in CURRENCIES} == {0, 2, 3, 4}


@given(plans(), cuts(), st.data())
def test_any_split_of_any_month_sums_to_the_month(plan: Plan, cut: Cut, data: st.DataObject) -> None:
    check_parts_sum_to_the_month(plan, data.draw(used_over(cut)))


@given(st.sampled_from(sorted(catalogue())), cuts(), st.data())
def test_any_split_of_any_month_by_a_ready_plan_sums_to_the_month(
    name: str, cut: Cut, data: st.DataObject
) -> None:
    check_parts_sum_to_the_month(catalogue()[name], data.draw(used_over(cut)))


@given(st.sampled_from(sorted(catalogue())), cuts(), st.data())
def test_more_usage_never_costs_less_by_a_ready_plan(name: str, cut: Cut, data: st.DataObject) -> None:
    plan, points = catalogue()[name], data.draw(used_over(cut))
    bills = [total(rate(plan, points[0], point), plan.currency) for point in points]
    assert bills == sorted(bills)
    assert bills[0] == 0


@given(st.sampled_from(CURRENCIES), licensed(), months())
def test_a_whole_month_of_seats_costs_their_fee(currency: str, price: Licensed, month: Period) -> None:
    lines = rate(plan_of(price, currency), at(month, month.start), at(month, month.end))
    fee = Fraction(price.quantity) * Fraction(price.amount)
    assert exact_total(lines) == fee
    assert total(lines, currency) == round_to_currency(fee, currency)


@given(licensed(), cuts())
def test_seats_accrue_and_never_give_back(price: Licensed, cut: Cut) -> None:
    plan = plan_of(price)
    for a, b in pairwise(cut.instants):
        (line,) = rate(plan, at(cut.period, a), at(cut.period, b))
        assert line.amount >= 0


@given(months(), st.sampled_from(sorted(PRORATIONS)))
def test_what_has_passed_of_a_month_goes_from_nothing_to_all(month: Period, prorated_by: str) -> None:
    passed = PRORATIONS[prorated_by]
    assert passed(at(month, month.start)).passed == 0
    share = passed(at(month, month.end))
    assert share.passed == share.whole


@given(months(), st.integers(1, 31 * 288))
def test_by_days_a_month_is_at_most_a_day_and_an_hour_behind_its_seconds_and_an_hour_ahead(
    month: Period, steps: int
) -> None:
    instant = min(month.start + steps * GRID, month.end)
    days, seconds = (PRORATIONS[by](at(month, instant)) for by in ("days", "seconds"))
    behind = seconds.passed / seconds.whole - days.passed / days.whole
    assert -Fraction(1, 24 * 28) <= behind <= Fraction(25, 24 * 28)


@given(st.sampled_from(CURRENCIES), reserved(), cuts(), quantities)
def test_a_reservation_is_owed_in_full_at_the_end_of_the_month_whatever_is_used(
    currency: str, price: Reserved, cut: Cut, used: Fraction
) -> None:
    kept, over = rate(
        plan_of(price, currency), at(cut.period, cut.period.start), at(cut.period, cut.period.end, used)
    )
    fee = Fraction(price.quantity) * Fraction(price.amount) / Fraction(price.per)
    assert kept.exact_amount == fee
    assert (over.amount == 0) or used > 0
    for instant in cut.instants:
        (accrued, _) = rate(
            plan_of(price, currency), at(cut.period, cut.period.start), at(cut.period, instant)
        )
        assert 0 <= accrued.exact_amount <= fee


@given(reserved(), months())
def test_a_reservation_does_not_jump_where_it_is_used_up(price: Reserved, month: Period) -> None:
    meters = len(price.meters or (price.meter,))

    def charged(quantity: Fraction) -> Fraction:
        usage = at(month, month.end, quantity / meters)
        return sum((charge.amount for charge in price.charges(usage)), Fraction(0))

    bound = Fraction(price.quantity)
    assert charged(bound) == charged(Fraction(0))
    assert charged(bound + EPSILON) - charged(bound) == EPSILON * Fraction(price.overage) / Fraction(
        price.per
    )


@given(amounts, st.sampled_from(sorted(PRORATIONS)), cuts())
def test_as_many_seats_as_there_are_cost_as_much_as_one_and_one(
    amount: Decimal, prorated_by: str, cut: Cut
) -> None:
    one, two = (plan_of(Licensed(Decimal(number), amount, prorated_by)) for number in (1, 2))
    for a, b in pairwise(cut.instants):
        points = at(cut.period, a), at(cut.period, b)
        assert exact_total(rate(two, *points)) == 2 * exact_total(rate(one, *points))
