"""What of a line falls to whom, kind by kind."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from shared.domain.meters import METERS
from shared.domain.money import round_to_currency, total
from shared.domain.plan import Plan
from shared.domain.rating.breakdown import PricedLine, Share, Used, allot, breakdowns, largest, line_prices
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.flat import Flat
from shared.domain.rating.free_value import FreeValue
from shared.domain.rating.graduated import Graduated
from shared.domain.rating.kinds import Price
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage
from shared.domain.rating.rate import rate
from shared.domain.rating.reserved import Reserved
from shared.domain.rating.tiers import Tier
from shared.domain.rating.volume import Volume
from tests.shared.domain.rating.entered import MONTH

D = Decimal
CALLS = PerUnit("invocations", D(1), name="calls")
Amounts = dict[object, str]


def used(**calls: int) -> Used:
    """So many calls and as many GB-seconds of each user."""
    return {
        (user,): dict.fromkeys(METERS, Fraction(0)) | {"invocations": Fraction(n), "gb_seconds": Fraction(n)}
        for user, n in calls.items()
    }


def broken_down(
    *prices: Price, before: int = 0, currency: str = "USD", until: datetime = MONTH.end, **calls: int
) -> list[Amounts]:
    """Of each line what falls to whom, after so much usage in the month before."""
    plan = Plan(UUID(int=1), "any", currency, prices, MONTH.start)
    growth = Fraction(sum(calls.values()))
    start = MONTH.start + timedelta(days=1)

    def at(instant: datetime, quantity: Fraction) -> Cumulative:
        return Cumulative(MONTH, instant, dict.fromkeys(METERS, quantity))

    lines = rate(plan, at(start, Fraction(before)), at(until, before + growth))
    priced = [PricedLine(*pair) for pair in zip(lines, line_prices(plan.versions[0], MONTH), strict=True)]
    return [amounts(shares) for shares in breakdowns(priced, used(**calls))]


def amounts(shares: tuple[Share, ...]) -> Amounts:
    return {share.key: f"{share.amount:f}" for share in shares}


def test_c24_two_lines_are_raised_by_a_cent_and_the_credit_is_whole() -> None:
    whole = [Fraction(28484 + number % 7, 100) for number in range(77)]
    one = Fraction(1)
    last = Fraction("23072.51") - sum(whole, 3 * one)
    parts = [
        *whole,
        *(
            cents + Fraction(rest)
            for cents, rest in zip(
                (one, one, one, last), ("0.0049", "0.0048", "0.00495", "0.00495"), strict=True
            )
        ),
    ]
    assert (len(parts), sum(parts)) == (81, Fraction("23072.5296"))
    rounded = [round_to_currency(part, "USD") for part in parts]
    assert total(rounded, "USD") == D("23072.51")

    shares = allot(D("23072.53"), parts, "USD")

    assert total(shares, "USD") == D("23072.53")
    raised = [after - before for before, after in zip(rounded, shares, strict=True) if after != before]
    assert raised == [D("0.01"), D("0.01")]
    credit = allot(D("-100.00"), parts, "USD")
    assert total(credit, "USD") == D("-100.00")
    assert total([*shares, *credit], "USD") == D("22972.53")


def test_c24_two_halves_of_a_cent_are_one() -> None:
    assert allot(D("16.33"), [Fraction("8.165")] * 2, "USD") == [D("8.17"), D("8.16")]


@pytest.mark.parametrize(
    ("currency", "amount", "parts"),
    [
        ("JPY", "100", ["34", "33", "33"]),
        ("USD", "0.01", ["0.01", "0.00", "0.00"]),
        ("KWD", "-1.000", ["-0.334", "-0.333", "-0.333"]),
        ("CLF", "0.0002", ["0.0001", "0.0001", "0.0000"]),
    ],
)
def test_units_that_are_missing_go_to_the_first_of_equal_ones(
    currency: str, amount: str, parts: list[str]
) -> None:
    assert [f"{part:f}" for part in allot(D(amount), [Fraction(1)] * 3, currency)] == parts


def test_a_unit_price_is_shared_by_quantity_also_where_some_is_included() -> None:
    (line,) = broken_down(PerUnit("invocations", D(1), included=D(10)), a=30, b=10)
    assert line == {"a": "22.50", "b": "7.50"}


def test_who_used_nothing_has_no_share() -> None:
    (line,) = broken_down(CALLS, a=3, b=0)
    assert line == {"a": "3.00"}


def test_each_tier_is_shared_by_all_that_was_used() -> None:
    tiers = (Tier(D(10), D(1)), Tier(None, D("0.5"), flat=D(8)))
    assert broken_down(Graduated("invocations", tiers), a=15, b=5) == [
        {"a": "7.50", "b": "2.50"},
        {"a": "9.75", "b": "3.25"},
    ]


def test_c21_what_a_tier_gives_back_is_shared_too() -> None:
    tiers = (Tier(D(15), D(10)), Tier(None, D(5)))
    assert broken_down(Volume("invocations", tiers), before=15, a=1) == [{"a": "-150.00"}, {"a": "80.00"}]


def test_fees_by_time_and_fees_without_usage_are_the_accounts_own() -> None:
    first = Graduated("invocations", (Tier(D(5), D(0), flat=D(100)), Tier(None, D(1))))
    assert broken_down(Flat(D(31)), first) == [{None: "30.00"}, {None: "0.00"}, {None: "0.00"}]


def test_a_commitment_is_shared_by_who_used_it() -> None:
    kept, over = broken_down(Reserved("invocations", D(31), D(1), D(2)), a=30, b=10)
    assert (kept, over) == ({"a": "22.50", "b": "7.50"}, {"a": "13.50", "b": "4.50"})


def test_a_percentage_falls_to_who_owes_what_it_is_of() -> None:
    *_, line = broken_down(CALLS, Flat(D(31)), Percentage(D(10)), a=50, b=20)
    assert line == {"a": "5.00", "b": "2.00", None: "3.00"}
    *_, line = broken_down(CALLS, Flat(D(31)), Percentage(D(10), ("calls",)), a=50, b=20)
    assert line == {"a": "5.00", "b": "2.00"}


def test_a_minimum_falls_to_who_owes_what_is_below_it() -> None:
    *_, line = broken_down(CALLS, MinimumSpend(D(150)), a=4, b=1)
    assert line == {"a": "116.00", "b": "29.00"}


def test_a_minimum_of_nothing_is_the_accounts_own() -> None:
    *_, line = broken_down(CALLS, MinimumSpend(D(29)))
    assert line == {None: "29.00"}


def test_a_maximum_gives_back_to_who_owes_what_is_over_it() -> None:
    *_, line = broken_down(CALLS, MaximumSpend(D(10)), a=30, b=10)
    assert line == {"a": "-22.50", "b": "-7.50"}


def test_a_free_value_is_given_to_who_owes_what_it_is_off() -> None:
    other = PerUnit("gb_seconds", D(100))
    *_, line = broken_down(CALLS, other, FreeValue(D(8), ("calls",)), a=3, b=1)
    assert line == {"a": "-3.00", "b": "-1.00"}


def test_what_is_about_charges_of_either_sign_is_the_accounts_own() -> None:
    cheaper = Volume("invocations", (Tier(D(15), D(10)), Tier(None, D(1))))
    *_, line = broken_down(cheaper, Flat(D(31)), MinimumSpend(D(500)), before=15, a=1)
    assert line.keys() == {None}


def test_revisions_share_what_their_service_has() -> None:
    plan = Plan(UUID(int=1), "any", "USD", (CALLS,), MONTH.start)
    quantities: Used = {
        path: {"invocations": Fraction(1, 3)} for path in (("a", "a1"), ("a", "a2"), ("b", "b1"))
    }
    nothing = Cumulative(MONTH, MONTH.start, {"invocations": Fraction(0)})
    (line,) = rate(plan, nothing, Cumulative(MONTH, MONTH.end, {"invocations": Fraction(1)}))
    ((a, b),) = breakdowns([PricedLine(line, CALLS)], quantities)
    assert (a.key, a.amount, amounts(a.shares)) == ("a", D("0.67"), {"a1": "0.34", "a2": "0.33"})
    assert (b.key, b.amount, amounts(b.shares)) == ("b", D("0.33"), {"b1": "0.33"})


def test_the_smallest_are_put_together() -> None:
    shares = [Share(name, Fraction(n), D(n)) for name, n in (("a", 1), ("b", -9), ("c", 5), ("d", 2))]
    told = largest(shares, 2, "USD")
    assert [(share.key, share.amount, share.quantity, share.merged) for share in told] == [
        ("b", D(-9), Fraction(-9), 0),
        ("c", D(5), Fraction(5), 0),
        (None, D(3), Fraction(3), 2),
    ]


def test_each_line_is_of_the_price_that_makes_it() -> None:
    tiers = (Tier(D(1), D(1)), Tier(None, D(2)))
    prices: tuple[Price, ...] = (
        Graduated("invocations", tiers, name="calls"),
        Reserved("gb_seconds", D(1), D(1), D(1)),
        FreeValue(D(1), ("calls",)),
        MinimumSpend(D(1)),
    )
    plan = Plan(UUID(int=1), "any", "USD", prices, MONTH.start)
    kinds = [price.kind for price in line_prices(plan.versions[0], MONTH)]
    assert kinds == ["graduated", "graduated", "reserved", "reserved", "free_value", "minimum_spend"]


def test_what_is_counted_but_not_told_apart_is_the_accounts_own() -> None:
    plan = Plan(UUID(int=1), "any", "USD", (CALLS,), MONTH.start)
    nothing = Cumulative(MONTH, MONTH.start, {"invocations": Fraction(0)})
    (line,) = rate(plan, nothing, Cumulative(MONTH, MONTH.end, {"invocations": Fraction(7)}))
    (shares,) = breakdowns([PricedLine(line, CALLS)], {("a",): {"errors": Fraction(1)}})
    assert shares == (Share(None, Fraction(7), D("7.00")),)


def test_a_service_shares_what_it_has_even_where_its_revisions_are_of_either_sign() -> None:
    plan = Plan(
        UUID(int=1),
        "any",
        "USD",
        (
            Volume("invocations", (Tier(D(15), D(10)), Tier(None, D(1)))),
            PerUnit("gb_seconds", D(100)),
            Percentage(D(10)),
        ),
        MONTH.start,
    )
    nothing = dict.fromkeys(METERS, Fraction(0))
    before = Cumulative(MONTH, MONTH.start, nothing | {"invocations": Fraction(15)})
    after = Cumulative(MONTH, MONTH.end, nothing | {"invocations": Fraction(16), "gb_seconds": Fraction(2)})
    prices = line_prices(plan.versions[0], MONTH)
    lines = [PricedLine(*pair) for pair in zip(rate(plan, before, after), prices, strict=True)]
    calls, memory = nothing | {"invocations": Fraction(1)}, nothing | {"gb_seconds": Fraction(2)}
    by_revision: Used = {("a", "a1"): calls, ("a", "a2"): memory}
    by_service: Used = {("a",): {meter: calls[meter] + memory[meter] for meter in METERS}}
    for of in (by_revision, by_service):
        (share,) = breakdowns(lines, of)[-1]
        assert (share.key, share.amount, share.shares) == ("a", D("6.60"), ())
