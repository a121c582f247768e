"""What holds for every kind of price, whatever the plan and the usage."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.money import CURRENCY_EXPONENTS, round_to_currency
from shared.domain.plan import Plan
from shared.domain.plan_document import plan_from_dict, plan_to_dict
from shared.domain.rating.free_value import FreeValue
from shared.domain.rating.graduated import Graduated
from shared.domain.rating.kinds import PRICE_KINDS, Price
from shared.domain.rating.line import exact_total, total
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.rate import rate
from shared.domain.rating.tiers import Tier, spans
from shared.domain.rating.volume import Volume
from tests.shared.domain.rating.any_plan import (
    CURRENCIES,
    allowances,
    amounts,
    growths,
    metered,
    plans,
    steps,
    tiers,
)
from tests.shared.domain.rating.entered import (
    CALLS,
    MONTH,
    usage,
)

EPSILON = Fraction(1, 10**9)


def only(price: Price, currency: str = "USD") -> Plan:
    return Plan(UUID(int=1), "only", currency, (price,), MONTH.start)


def charged(price: Price, quantity: Fraction) -> Fraction:
    return sum((charge.amount for charge in price.charges(usage({CALLS: str(quantity)}))), Fraction(0))


@given(plans())
def test_any_plan_has_every_kind(plan: Plan) -> None:
    assert {price.kind for price in plan.prices} | {"per_unit", "graduated", "volume"} == set(PRICE_KINDS)


@given(plans())
def test_prices_of_every_kind_are_read_back_as_they_were_written(plan: Plan) -> None:
    assert plan_from_dict(plan_to_dict(plan)) == plan


@given(plans(), growths)
def test_any_split_of_a_month_sums_to_the_month_line_by_line(
    plan: Plan, growths: list[dict[str, Fraction]]
) -> None:
    points = steps(growths)
    whole = rate(plan, points[0], points[-1])
    pieces = [rate(plan, before, after) for before, after in pairwise(points)]
    for index, line in enumerate(whole):
        assert total((piece[index] for piece in pieces), plan.currency) == line.amount
        assert exact_total(piece[index] for piece in pieces) == line.exact_amount
        assert sum(piece[index].flat_amount for piece in pieces) == line.flat_amount
        assert sum(piece[index].billable_quantity for piece in pieces) == line.billable_quantity


@given(plans(), growths)
def test_every_line_is_its_quantity_at_its_price_and_its_fees(
    plan: Plan, growths: list[dict[str, Fraction]]
) -> None:
    for before, after in pairwise(steps(growths)):
        for line in rate(plan, before, after):
            by_quantity = line.billable_quantity * Fraction(line.unit_amount) / Fraction(line.per)
            assert line.exact_amount == by_quantity + Fraction(line.flat_amount)
            was, now = (
                round_to_currency(exact, plan.currency) for exact in (line.exact_before, line.exact_after)
            )
            assert line.amount == now - was


@given(plans(), growths)
def test_the_total_is_the_sum_of_lines_in_whole_minor_units(
    plan: Plan, growths: list[dict[str, Fraction]]
) -> None:
    points = steps(growths)
    lines = rate(plan, points[0], points[-1])
    owed = total(lines, plan.currency)
    assert Fraction(owed) == sum(Fraction(line.amount) for line in lines)
    assert owed.as_tuple().exponent == -CURRENCY_EXPONENTS[plan.currency]


@given(plans(), growths)
def test_nothing_is_owed_before_the_month_begins(plan: Plan, growths: list[dict[str, Fraction]]) -> None:
    start = steps(growths)[0]
    for line in rate(plan, start, start):
        assert line.exact_before == line.exact_after == 0


@given(plans(), growths)
def test_a_maximum_of_everything_is_never_exceeded_by_a_cent(
    plan: Plan, growths: list[dict[str, Fraction]]
) -> None:
    cap = plan.prices[-1]
    assert isinstance(cap, MaximumSpend)
    points = steps(growths)
    for point in points:
        lines = rate(plan, points[0], point)
        assert 0 <= total(lines, plan.currency) <= round_to_currency(Fraction(cap.maximum), plan.currency)
        assert lines[-1].amount <= 0


@given(plans(), growths, amounts)
def test_a_minimum_of_everything_is_reached_at_the_end_and_not_before(
    plan: Plan, growths: list[dict[str, Fraction]], minimum: Decimal
) -> None:
    least = Plan(plan.id, "least", plan.currency, (*plan.prices[:-2], MinimumSpend(minimum)), plan.created_at)
    points = steps(growths)
    for point in points:
        lines = rate(least, points[0], point)
        if point.at < MONTH.end:
            assert lines[-1].amount == 0
        else:
            wanted = round_to_currency(Fraction(minimum), plan.currency)
            assert total(lines, plan.currency) == max(wanted, total(lines[:-1], plan.currency))


@given(st.sampled_from(CURRENCIES), metered("a"), allowances, growths)
def test_free_value_gives_back_what_is_charged_and_no_cent_more(
    currency: str, price: Price, included: Decimal, growths: list[dict[str, Fraction]]
) -> None:
    free = FreeValue(included, ("a",))
    plan = Plan(UUID(int=1), "free", currency, (price, free), MONTH.start)
    points = steps(growths)
    for point in points:
        lines = rate(plan, points[0], point)
        given_back = lines[-1]
        value = given_back.included * given_back.unit_amount / given_back.per
        assert -round_to_currency(Fraction(value), currency) <= given_back.amount <= 0
        assert total(lines, currency) >= 0


@given(st.sampled_from(CURRENCIES), metered("a"), growths)
def test_per_unit_and_graduated_prices_never_fall_with_usage(
    currency: str, price: Price, growths: list[dict[str, Fraction]]
) -> None:
    assume(not isinstance(price, Volume))
    plan, points = only(price, currency), steps(growths)
    for point in points:
        assert all(line.amount >= 0 for line in rate(plan, points[0], point))
    bills = [total(rate(plan, points[0], point), currency) for point in points]
    assert bills == sorted(bills)


@given(tiers(flat=st.just(Decimal(0))))
def test_graduated_prices_without_fees_do_not_jump(tiers: tuple[Tier, ...]) -> None:
    price = Graduated(CALLS, tiers)
    for after, tier in spans(tiers):
        at = Fraction(after)
        assert charged(price, at + EPSILON) - charged(price, at) == EPSILON * Fraction(
            tier.amount
        ) / Fraction(tier.per)


@given(tiers())
def test_fees_of_graduated_tiers_are_due_above_the_bound_and_not_at_it(tiers: tuple[Tier, ...]) -> None:
    price = Graduated(CALLS, tiers)
    for after, tier in list(spans(tiers))[1:]:
        at = Fraction(after)
        step = charged(price, at + EPSILON) - charged(price, at)
        assert step == Fraction(tier.flat) + EPSILON * Fraction(tier.amount) / Fraction(tier.per)


@given(tiers())
def test_volume_prices_jump_to_the_next_tier_above_the_bound_and_not_at_it(tiers: tuple[Tier, ...]) -> None:
    price = Volume(CALLS, tiers)

    def by(tier: Tier, quantity: Fraction) -> Fraction:
        return quantity * Fraction(tier.amount) / Fraction(tier.per) + Fraction(tier.flat)

    for (_, tier), (after, following) in pairwise(spans(tiers)):
        at = Fraction(after)
        assert charged(price, at) == by(tier, at)
        assert charged(price, at + EPSILON) == by(following, at + EPSILON)


@given(tiers(), st.fractions(0, 5_000))
def test_one_tier_at_most_of_a_volume_price_charges(tiers: tuple[Tier, ...], quantity: Fraction) -> None:
    charges = Volume(CALLS, tiers).charges(usage({CALLS: str(quantity)}))
    assert sum(charge.billable != 0 or charge.flat != 0 for charge in charges) <= 1
    assert len(charges) == len(tiers)
