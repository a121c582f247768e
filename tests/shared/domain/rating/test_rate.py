from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.meters import METERS
from shared.domain.money import CURRENCY_EXPONENTS, round_to_currency
from shared.domain.period import Period
from shared.domain.plan import Plan
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import LineItem, exact_total, total
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.rate import rate

MONTH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
CURRENCIES = ["JPY", "USD", "KWD", "CLF"]
NAMES = ["invocations", "gb_hours", "egress_gib"]

_amounts = st.decimals(0, 1_000, places=9)
_prices = st.builds(
    PerUnit,
    meter=st.sampled_from(NAMES),
    amount=_amounts,
    per=st.sampled_from([Decimal(1), Decimal(3), Decimal(1_000_000), Decimal("0.125")]),
    included=st.sampled_from([Decimal(0), Decimal(10), Decimal("0.5"), Decimal(1_000_000)]),
)
plans = st.builds(
    Plan,
    id=st.just(UUID(int=1)),
    name=st.just("any"),
    currency=st.sampled_from(CURRENCIES),
    prices=st.lists(_prices, min_size=1, max_size=4).map(tuple),
    created_at=st.just(MONTH.start),
)
_growth = st.fractions(0, 3_000_000, max_denominator=3_600 * 1_024)
growths = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, _growth)), min_size=1, max_size=8)
"""How much each meter grows, step by step through the month."""


def steps(growths: Sequence[dict[str, Fraction]]) -> list[Cumulative]:
    """Cumulative usage at the start of the month and after each growth, the last at the month's end."""
    reached = {name: Fraction(0) for name in METERS}
    points = [Cumulative(MONTH, MONTH.start, dict(reached))]
    for number, growth in enumerate(growths, start=1):
        reached |= {name: reached[name] + grown for name, grown in growth.items()}
        at = MONTH.end if number == len(growths) else MONTH.start + number * timedelta(minutes=5)
        points.append(Cumulative(MONTH, at, dict(reached)))
    return points


@given(plans, growths)
def test_any_split_of_a_month_sums_to_the_month_line_by_line(
    plan: Plan, growths: list[dict[str, Fraction]]
) -> None:
    points = steps(growths)
    whole = rate(plan, points[0], points[-1])
    parts = [rate(plan, before, after) for before, after in pairwise(points)]
    for index, line in enumerate(whole):
        assert total((part[index] for part in parts), plan.currency) == line.amount
        assert exact_total(part[index] for part in parts) == line.exact_amount
        assert sum(part[index].billable_quantity for part in parts) == line.billable_quantity


@given(plans, growths)
def test_lines_are_what_a_hand_would_compute(plan: Plan, growths: list[dict[str, Fraction]]) -> None:
    for before, after in pairwise(steps(growths)):
        for price, line in zip(plan.prices, rate(plan, before, after), strict=True):
            assert isinstance(price, PerUnit)
            cumulative = [
                max(Fraction(0), point.quantities[price.meter] - Fraction(price.included))
                * Fraction(price.amount)
                / Fraction(price.per)
                for point in (before, after)
            ]
            was, now = (round_to_currency(amount, plan.currency) for amount in cumulative)
            assert line.amount == now - was
            assert line.exact_amount == cumulative[1] - cumulative[0]
            assert (line.quantity_before, line.quantity_after) == (
                before.quantities[price.meter],
                after.quantities[price.meter],
            )


@given(plans, growths)
def test_per_unit_lines_are_never_negative_and_grow_with_usage(
    plan: Plan, growths: list[dict[str, Fraction]]
) -> None:
    points = steps(growths)
    bills = [total(rate(plan, points[0], point), plan.currency) for point in points]
    assert bills == sorted(bills)
    assert bills[0] == 0


@given(plans, growths)
def test_the_total_is_the_sum_of_the_lines(plan: Plan, growths: list[dict[str, Fraction]]) -> None:
    points = steps(growths)
    lines = rate(plan, points[0], points[-1])
    summed = sum(Fraction(line.amount) for line in lines)
    assert Fraction(total(lines, plan.currency)) == summed
    smallest = Fraction(1, 10 ** CURRENCY_EXPONENTS[plan.currency])
    assert abs(exact_total(lines) - summed) <= len(lines) * smallest / 2


def test_a_free_month_has_a_line_of_zero_for_every_price() -> None:
    plan = Plan(
        UUID(int=1), "two", "RUB", (PerUnit("errors", Decimal(1)), PerUnit("errors", Decimal(2))), MONTH.start
    )
    (points, *_) = steps([{}])
    lines = rate(plan, points, points)
    assert [(line.meter, str(line.amount)) for line in lines] == [("errors", "0.00")] * 2
    assert exact_total(lines) == 0


def test_a_price_sees_the_charges_of_the_prices_before_it() -> None:
    seen: list[Sequence[str]] = []

    class Watching(PerUnit):
        def charges(self, usage: Cumulative):  # type: ignore[no-untyped-def]
            seen.append([charge.meter for charge in usage.charges])
            return PerUnit.charges(self, usage)

    prices = (PerUnit("errors", Decimal(1)), Watching("invocations", Decimal(1)))
    plan = Plan(UUID(int=1), "watched", "RUB", prices, MONTH.start)
    (points, *_) = steps([{}])
    rate(plan, points, points)
    assert seen == [["errors"], ["errors"]]


def test_lines_say_which_span_of_which_counting_period_they_are_for() -> None:
    plan = Plan(UUID(int=1), "one", "RUB", (PerUnit("errors", Decimal(1)),), MONTH.start)
    start, end = steps([{}, {}])[:2]
    line: LineItem
    (line,) = rate(plan, start, end)
    assert (line.counting, line.start, line.end) == (MONTH, start.at, end.at)
    assert (line.plan_id, line.plan_name, line.currency) == (plan.id, "one", "RUB")
