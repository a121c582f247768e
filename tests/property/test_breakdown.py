"""What falls to whom sums to the line, whatever the prices, the currency and the usage."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.meters import METERS
from shared.domain.money import CURRENCY_EXPONENTS, round_to_currency, total
from shared.domain.plan import Plan
from shared.domain.rating.breakdown import (
    Path,
    PricedLine,
    Share,
    Used,
    allot,
    breakdowns,
    line_prices,
    meters_of,
)
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.kinds import PRICE_KINDS
from shared.domain.rating.rate import rate
from tests.shared.domain.rating.any_plan import COUNTED, CURRENCIES, plans
from tests.shared.domain.rating.entered import MONTH

USERS: Sequence[Path] = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1"), ("c", "c2"), ("c", "c3")]
_quantities = st.one_of(
    st.just(Fraction(0)),
    st.integers(0, 3_000).map(Fraction),
    st.fractions(0, 3_000, max_denominator=3_600),
)
_by_user = st.dictionaries(st.sampled_from(USERS), st.fixed_dictionaries(dict.fromkeys(COUNTED, _quantities)))
growths = st.lists(_by_user, min_size=1, max_size=4)
"""What each user adds of each meter, step by step through the month."""
weights = st.lists(st.fractions(0, 1_000, max_denominator=97), min_size=1, max_size=90).filter(any)


def points(growths: Sequence[Mapping[Path, Mapping[str, Fraction]]]) -> list[Cumulative]:
    reached = dict.fromkeys(METERS, Fraction(0))
    found = [Cumulative(MONTH, MONTH.start, dict(reached))]
    for number, growth in enumerate(growths, start=1):
        for of_user in growth.values():
            reached |= {meter: reached[meter] + quantity for meter, quantity in of_user.items()}
        length = MONTH.end - MONTH.start
        found.append(Cumulative(MONTH, MONTH.start + length * number / len(growths), dict(reached)))
    return found


def all_meters(growth: Mapping[Path, Mapping[str, Fraction]]) -> Used:
    nothing = dict.fromkeys(METERS, Fraction(0))
    return {user: nothing | dict(quantities) for user, quantities in growth.items()}


def check_sums(amount: Decimal, currency: str, shares: Sequence[Share]) -> None:
    assert total((share.amount for share in shares), currency) == amount
    for share in shares:
        assert share.amount.as_tuple().exponent == -CURRENCY_EXPONENTS[currency]
        if share.shares:
            check_sums(share.amount, currency, share.shares)


def explained(
    plan: Plan, before: Cumulative, after: Cumulative, used: Used
) -> list[tuple[PricedLine, tuple[Share, ...]]]:
    lines = rate(plan, before, after)
    prices = line_prices(plan.versions[0], MONTH)
    priced = [PricedLine(*pair) for pair in zip(lines, prices, strict=True)]
    return list(zip(priced, breakdowns(priced, used), strict=True))


def test_currencies_of_every_exponent_are_tried() -> None:
    assert {CURRENCY_EXPONENTS[currency] for currency in CURRENCIES} == {0, 2, 3, 4}


@given(plans(), growths)
def test_the_breakdown_of_every_line_sums_to_it(
    plan: Plan, growths: list[dict[Path, dict[str, Fraction]]]
) -> None:
    for growth, (before, after) in zip(growths, pairwise(points(growths)), strict=True):
        for (line, price), shares in explained(plan, before, after, all_meters(growth)):
            assert price.kind in PRICE_KINDS
            assert line.price == price.name
            check_sums(line.amount, plan.currency, shares)
            if meters_of(line) and not hasattr(price, "of"):
                counted = sum((share.quantity or 0 for share in shares), Fraction(0))
                used = [growth[user].get(meter, Fraction(0)) for user in growth for meter in meters_of(line)]
                assert counted == sum(used, Fraction(0))


@given(plans(), growths, st.integers(1, 3))
def test_with_the_smallest_shares_put_together_it_still_sums(
    plan: Plan, growths: list[dict[Path, dict[str, Fraction]]], most: int
) -> None:
    before, *_, after = points(growths)
    lines = rate(plan, before, after)
    priced = [PricedLine(*pair) for pair in zip(lines, line_prices(plan.versions[0], MONTH), strict=True)]
    used = all_meters(growths[-1])
    for line, told, all_told in zip(
        lines, breakdowns(priced, used, most=most), breakdowns(priced, used), strict=True
    ):
        check_sums(line.amount, plan.currency, told)
        assert len(told) <= most + 1
        assert sum(share.merged or 1 for share in told) == len(all_told)


@given(plans(), growths)
def test_services_have_the_same_amounts_whether_their_revisions_are_told_apart_or_not(
    plan: Plan, growths: list[dict[Path, dict[str, Fraction]]]
) -> None:
    before, *_, after = points(growths)
    by_revision = all_meters(growths[-1])
    by_service: dict[Path, dict[str, Fraction]] = {}
    for (service, _), quantities in by_revision.items():
        sums = by_service.setdefault((service,), dict.fromkeys(METERS, Fraction(0)))
        by_service[(service,)] = {meter: sums[meter] + quantity for meter, quantity in quantities.items()}
    for (_, fine), (_, coarse) in zip(
        explained(plan, before, after, by_revision), explained(plan, before, after, by_service), strict=True
    ):
        assert [(share.key, share.amount, share.quantity) for share in fine] == [
            (share.key, share.amount, share.quantity) for share in coarse
        ]


@given(plans(), growths)
def test_what_nobody_used_is_the_accounts_own(
    plan: Plan, growths: list[dict[Path, dict[str, Fraction]]]
) -> None:
    before, *_, after = points(growths)
    for (line, _), shares in explained(plan, before, after, {}):
        assert [(share.key, share.amount) for share in shares] == [(None, line.amount)]


@given(st.integers(-(10**9), 10**9), weights, st.sampled_from(CURRENCIES))
@example(units=-10_000, weights=[Fraction(1)] * 81, currency="USD")
def test_an_amount_is_allotted_whole_and_nobody_is_a_unit_off(
    units: int, weights: list[Fraction], currency: str
) -> None:
    unit = Fraction(1, 10 ** CURRENCY_EXPONENTS[currency])
    amount = round_to_currency(units * unit, currency)
    parts = allot(amount, weights, currency)
    assert total(parts, currency) == amount
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(amount) * weight / sum(weights)
        assert abs(Fraction(part) - exact) < unit
        assert (part == 0) or (part < 0) == (amount < 0)
        assert weight or part == 0
    assert allot(-amount, weights, currency) == [-part for part in parts]


@given(st.integers(0, 10**6), weights)
def test_who_used_more_is_not_charged_less(units: int, weights: list[Fraction]) -> None:
    parts = allot(round_to_currency(Fraction(units, 100), "USD"), weights, "USD")
    ranked = sorted(zip(weights, parts, strict=True))
    for (less, small), (more, large) in pairwise(ranked):
        assert small <= large or less == more
