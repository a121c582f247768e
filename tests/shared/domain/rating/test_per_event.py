"""Prices per event: which events are free, and what the others pay."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.plan import Plan
from shared.domain.quantities import Quantities, nothing
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import total
from shared.domain.rating.rate import rate
from shared.domain.what_if import scaled
from tests.shared.domain.rating.entered import MONTH, plan_of

PAYMENTS = {"kind": "per_event", "meter": "custom.payments", "percent": "1.2", "fixed": "0.10"}
FREE = {"free_events": 3, "free_amount": "500"}


def used(*values: Any) -> Quantities:
    return Quantities({}, nothing, lambda _: [Fraction(value) for value in values])


def owed(*values: Any, **fields: object) -> Decimal:
    return total(_lines(plan_of({**PAYMENTS, **fields}), (), values), "USD")


def _lines(plan: Plan, before: Any, after: Any) -> Any:
    """Of what comes after `before`."""
    start, end = MONTH
    at = start if not before else start + (end - start) / 2
    return rate(plan, Cumulative(MONTH, at, used(*before)), Cumulative(MONTH, end, used(*after)))


@pytest.mark.parametrize(
    ("values", "amount"),
    [
        ((), "0.00"),
        ((200, 100, 100), "0.00"),
        ((200, 100, 100, 50), "0.70"),
        ((500,), "0.00"),
        ((500, 100), "1.30"),
        ((600,), "1.30"),
        ((600, 100), "2.60"),
        ((0, 0, 0, 0), "0.10"),
        ((1, 1, 498, 1000), "12.10"),
    ],
)
def test_events_are_free_until_so_many_or_so_much_whichever_comes_first(
    values: tuple[int, ...], amount: str
) -> None:
    assert owed(*values, **FREE) == Decimal(amount)


def test_either_of_the_two_may_be_left_out() -> None:
    assert owed(200, 100, 100, 50, free_events=3) == Decimal("0.70")
    assert owed(200, 100, 100, 100, 50, free_amount="500") == Decimal("0.70")
    assert owed(50, 50) == Decimal("1.40")
    assert owed(50, free_events=0) == Decimal("0.70")
    assert owed(50, free_amount="0") == Decimal("0.70")


def test_no_event_pays_less_than_the_minimum_or_more_than_the_maximum() -> None:
    limits = {"minimum": "0.50", "maximum": "2"}
    assert [owed(value, **limits) for value in (1, 50, 10_000)] == [
        Decimal("0.50"),
        Decimal("0.70"),
        Decimal("2.00"),
    ]
    assert owed(1, 50, 10_000, **limits) == Decimal("3.20")
    assert owed(1, 50, free_events=1, **limits) == Decimal("0.70")


def test_a_line_says_what_is_counted_and_what_pays() -> None:
    (line,) = _lines(plan_of({**PAYMENTS, **FREE, "maximum": "9"}), (), (200, 100, 100, 50, 10_000))
    assert (line.quantity_after, line.billable_quantity, line.flat_amount) == (10_450, 50, Decimal("9.10"))
    assert line.description == "1.2% and 0.10 per event, at most 9, after 3 events or 500 free per month"


values = st.decimals(0, 400, places=2)
prices = st.fixed_dictionaries(
    {},
    optional={
        "percent": st.sampled_from(("0", "0.333333333333333333", "3")),
        "fixed": st.sampled_from(("0", "0.005")),
        "free_events": st.integers(0, 5),
        "free_amount": values.map(str),
        "minimum": st.sampled_from(("0", "0.015")),
        "maximum": st.sampled_from(("0.5", "1.111")),
    },
)


@given(prices, st.lists(values, max_size=12), st.integers(0, 12))
def test_two_parts_of_a_month_come_to_the_month(
    fields: dict[str, object], sent: list[Decimal], cut: int
) -> None:
    plan = plan_of({**PAYMENTS, **fields})
    earlier = sent[:cut]
    first = total(_lines(plan, (), earlier), "USD")
    second = total(_lines(plan, earlier, sent), "USD") if earlier else total(_lines(plan, (), sent), "USD")
    assert (first if earlier else 0) + second == total(_lines(plan, (), sent), "USD")


@given(prices, st.lists(values, max_size=12))
def test_what_is_due_is_that_of_each_event_by_itself(fields: dict[str, Any], sent: list[Decimal]) -> None:
    price = {"percent": "1.2", "fixed": "0.10", **fields}
    exact, so_far = Fraction(0), Fraction(0)
    for number, value in enumerate(map(Fraction, sent)):
        so_far += value
        pays: Fraction | None = value
        if ("free_events" in price or "free_amount" in price) and number < price.get("free_events", 99):
            beyond = so_far - Fraction(price.get("free_amount", 10**9))
            pays = min(value, beyond) if beyond > 0 else None
        if pays is not None:
            due = pays * Fraction(price["percent"]) / 100 + Fraction(price["fixed"])
            due = max(due, Fraction(price.get("minimum", 0)))
            exact += min(due, Fraction(price.get("maximum", 10**9)))
    (line,) = _lines(plan_of({**PAYMENTS, **fields}), (), sent)
    assert line.exact_after == exact


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"meter": "invocations"}, {"meter"}),
        ({"meter": "custom.No"}, {"meter"}),
        ({"percent": "-1", "fixed": "-1"}, {"percent", "fixed"}),
        ({"percent": None}, {"percent"}),
        ({"free_events": "1.5", "free_amount": "-1"}, {"free_events", "free_amount"}),
        ({"free_events": "-2"}, {"free_events"}),
        ({"minimum": "2", "maximum": "1"}, {"maximum"}),
        ({"colour": "red", "minimum": "x"}, {"colour", "minimum"}),
    ],
)
def test_every_fault_is_named(fields: dict[str, object], faulty: set[str]) -> None:
    with pytest.raises(Rejected) as refused:
        plan_of({**PAYMENTS, **fields})
    assert {fault.field for fault in refused.value.faults} == {f"prices[0].{field}" for field in faulty}


def test_a_quantity_without_its_events_cannot_be_priced_per_event() -> None:
    plan = plan_of(PAYMENTS)
    supposed = Cumulative(MONTH, MONTH[1], Quantities({"custom.payments": Fraction(7)}, nothing))
    with pytest.raises(Rejected, match=r"custom\.payments is priced per event"):
        rate(plan, Cumulative(MONTH, MONTH[0], used()), supposed)
    unused = Cumulative(MONTH, MONTH[1], Quantities({}, nothing))
    assert total(rate(plan, Cumulative(MONTH, MONTH[0], used()), unused), "USD") == 0


def test_a_factor_makes_events_worth_more_and_not_more_of_them() -> None:
    twice = scaled(used(50, 50), Fraction(2))
    lines = rate(plan_of(PAYMENTS), Cumulative(MONTH, MONTH[0], used()), Cumulative(MONTH, MONTH[1], twice))
    assert total(lines, "USD") == Decimal("2.60")
