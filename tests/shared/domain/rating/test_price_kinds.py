"""What each kind of price does."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.plan import Plan
from shared.domain.plan_document import plan_from_dict, plan_to_dict
from shared.domain.rating.kinds import Price
from shared.domain.rating.per_unit import PerUnit
from tests.shared.domain.rating.entered import (
    CALLS,
    MONTH,
    month,
    month_total,
    parts,
    plan_of,
    tiered,
    totals,
)
from tests.shared.domain.rating.entered import amounts as lines_of


def only(price: Price, currency: str = "USD") -> Plan:
    return Plan(UUID(int=1), "only", currency, (price,), MONTH.start)


def test_a_tier_is_a_line_with_its_name_also_where_it_is_not_reached() -> None:
    lines = month(plan_of(tiered("graduated", ("5", "7"), ("10", "6.50"), (None, "6"), name="seats")), 3)
    assert [(line.price, line.part, str(line.amount)) for line in lines] == [
        ("seats", "tier 1", "21.00"),
        ("seats", "tier 2", "0.00"),
        ("seats", "tier 3", "0.00"),
    ]
    assert [line.description for line in lines] == [
        "7 per invocation, for what is up to 5",
        "6.50 per invocation, for what is over 5 up to 10",
        "6 per invocation, for what is over 10",
    ]


def test_the_fee_of_the_first_tier_is_due_once_with_the_first_part_of_the_month() -> None:
    for kind in ("graduated", "volume"):
        plan = plan_of(tiered(kind, ("5", "0", "100"), (None, "1", "0")))
        assert totals(plan, 0, 0, 3) == ["100.00", "0.00", "0.00"]


@pytest.mark.parametrize("kind", ["per_unit", "graduated", "volume"])
def test_the_sum_of_several_meters_chooses_the_tier(kind: str) -> None:
    meters = ["gb_seconds", "gb_seconds_1ms"]
    price = (
        {"kind": kind, "meters": meters, "amount": "2", "included": "10"}
        if kind == "per_unit"
        else tiered(kind, ("10", "0"), (None, "2"), meters=meters)
    )
    lines = month(plan_of(price), {"gb_seconds": "7", "gb_seconds_1ms": "5"})
    assert sum(line.amount for line in lines) == (Decimal(24) if kind == "volume" else Decimal(4))
    assert lines[-1].meter == "gb_seconds + gb_seconds_1ms"
    assert lines[-1].quantity_after == 12
    assert lines[-1].unit == "GB-second"


def test_a_package_that_is_started_is_used_up_before_the_next() -> None:
    package = {"kind": "package", "meter": CALLS, "amount": "1", "size": "10"}
    assert totals(plan_of(package), 0, 1, 10, 11, 30) == ["0.00", "1.00", "0.00", "1.00", "1.00"]


def test_a_flat_fee_accrues_by_the_seconds_of_the_month() -> None:
    fee = plan_of({"kind": "flat", "name": "seat", "amount": "31"})
    assert totals(fee, 0, 0, 0) == ["1.00", "1.00", "29.00"]
    (line,) = month(fee, 0)
    assert line.unit == "second"
    assert line.quantity_after == line.per == 2_678_400


def test_a_percentage_is_of_what_is_not_rounded_yet() -> None:
    half_a_cent = {"kind": "per_unit", "meter": CALLS, "amount": "0.004", "name": "calls"}
    other = {"kind": "per_unit", "meter": "errors", "amount": "1", "name": "errors"}
    for of, owed in (({}, "100.40"), ({"of": ["calls"]}, "0.40"), ({"of": ["calls", "errors"]}, "100.40")):
        plan = plan_of(half_a_cent, other, {"kind": "percentage", "percent": "10000", **of})
        lines = month(plan, {CALLS: "1", "errors": "1"})
        assert lines_of(lines) == ["0.00", "1.00", owed]
        assert lines[-1].unit == "USD"


def test_limits_hold_to_the_cent_though_lines_round_up() -> None:
    calls = {"kind": "per_unit", "meter": CALLS, "amount": "85.006"}
    capped = plan_of(calls, calls, {"kind": "maximum_spend", "maximum": "170"})
    assert lines_of(month(capped, 1)) == ["85.01", "85.01", "-0.02"]
    trued_up = plan_of(calls, calls, {"kind": "minimum_spend", "minimum": "170.05"})
    assert lines_of(month(trued_up, 1)) == ["85.01", "85.01", "0.03"]


def test_a_limit_is_about_the_prices_that_it_names() -> None:
    prices: list[dict[str, Any]] = [
        {"kind": "per_unit", "name": "calls", "meter": CALLS, "amount": "10"},
        {"kind": "per_unit", "name": "errors", "meter": "errors", "amount": "10"},
    ]
    used = {CALLS: "1", "errors": "2"}
    least = plan_of(*prices, {"kind": "minimum_spend", "minimum": "15", "of": ["calls"]})
    assert lines_of(month(least, used)) == ["10.00", "20.00", "5.00"]
    most = plan_of(*prices, {"kind": "maximum_spend", "maximum": "15", "of": ["errors"]})
    assert lines_of(month(most, used)) == ["10.00", "20.00", "-5.00"]


def test_a_minimum_is_trued_up_only_in_the_part_that_ends_the_month() -> None:
    calls = {"kind": "per_unit", "meter": CALLS, "amount": "10"}
    plan = plan_of(calls, {"kind": "minimum_spend", "minimum": "100"})
    assert [lines_of(lines) for lines in parts(plan, 1, 2, 3)] == [
        ["10.00", "0.00"],
        ["10.00", "0.00"],
        ["10.00", "70.00"],
    ]


def test_free_value_is_no_more_than_what_is_charged() -> None:
    price = tiered("graduated", ("10", "2"), (None, "1"), name="calls")
    plan = plan_of(price, {"kind": "free_value", "of": ["calls"], "included": "15"})
    assert [str(month_total(plan, used)) for used in (4, 10, 15, 20, 25)] == [
        "0.00",
        "0.00",
        "0.00",
        "0.00",
        "5.00",
    ]


def test_what_is_free_comes_to_nothing_though_lines_round() -> None:
    price = tiered("graduated", ("1", "0.006"), (None, "0.006"), name="calls")
    plan = plan_of(price, {"kind": "free_value", "of": ["calls"], "included": "15"})
    assert lines_of(month(plan, 2)) == ["0.01", "0.01", "-0.02"]


def test_free_value_of_a_first_tier_without_a_price_is_nothing() -> None:
    price = tiered("graduated", ("10", "0"), (None, "1"), name="calls")
    plan = plan_of(price, {"kind": "free_value", "of": ["calls"], "included": "15"})
    assert lines_of(month(plan, 20)) == ["0.00", "10.00", "0.00"]


def test_a_price_with_a_name_is_not_said_in_the_flat_columns() -> None:
    price = PerUnit(CALLS, Decimal("0.1"), name="calls")
    assert plan_to_dict(only(price))["price_per_invocation"] is None
    assert plan_from_dict(plan_to_dict(only(price))).prices == (price,)
