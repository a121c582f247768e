"""The recomputation by itself: the published examples of docs/prices.md and docs/plans.md."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from tests.simulation.recompute.bands import is_in
from tests.simulation.recompute.ledger import Ledger
from tests.simulation.recompute.months import bin_of, month_at, month_start
from tests.simulation.recompute.numbers import rounded, written

NOVEMBER, DECEMBER = datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)
HALFWAY = datetime(2025, 11, 16, tzinfo=UTC)
CALLS = {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "1"}
GRADUATED = [
    {"up_to": "5", "flat": "100"},
    {"up_to": "10", "flat": "50"},
    {"up_to": "15", "amount": "10"},
    {"amount": "5"},
]
VOLUME = [{"up_to": "5", "amount": "7"}, {"up_to": "10", "amount": "6.50"}, {"amount": "6"}]


def ledger_with(*prices: dict[str, Any]) -> Ledger:
    ledger = Ledger()
    ledger.open("demo", "UTC", "USD")
    ledger.offer("first", prices)
    ledger.accounts["demo"].holding.take("first", now=NOVEMBER, starts_at=None, at_once=False)
    return ledger


def use(ledger: Ledger, at: datetime, **usage: Any) -> None:
    record = {"timestamp": at.isoformat(), "service_name": "f", **usage}
    ledger.sent("demo", f"{at}", json.dumps(record).encode(), at)


def total(ledger: Ledger, start: datetime = NOVEMBER, end: datetime = DECEMBER) -> Fraction:
    bill = ledger.bill("demo", start, end)
    assert bill is not None
    return bill.total


@pytest.mark.parametrize(
    ("price", "calls", "owed"),
    [
        ({"kind": "graduated", "tiers": GRADUATED}, 0, "100"),
        ({"kind": "graduated", "tiers": GRADUATED}, 5, "100"),
        ({"kind": "graduated", "tiers": GRADUATED}, 12, "170"),
        ({"kind": "graduated", "tiers": GRADUATED}, 22, "235"),
        ({"kind": "volume", "tiers": VOLUME}, 5, "35"),
        ({"kind": "volume", "tiers": VOLUME}, 6, "39"),
        ({"kind": "volume", "tiers": VOLUME}, 20, "120"),
        ({"kind": "package", "amount": "5", "size": "100", "included": "100"}, 201, "10"),
        ({"kind": "reserved", "quantity": "500", "amount": "2", "overage": "3"}, 300, "1000"),
        ({"kind": "reserved", "quantity": "500", "amount": "2", "overage": "3"}, 600, "1300"),
    ],
)
def test_prices_charge_what_their_publishers_say(price: dict[str, Any], calls: int, owed: str) -> None:
    ledger = ledger_with({"meter": "invocations", **price})
    use(ledger, HALFWAY, invocations=calls)
    assert total(ledger) == Fraction(owed)


def test_a_percentage_has_a_minimum_and_free_value_is_of_tier_1() -> None:
    support = {"kind": "percentage", "name": "support", "percent": "3", "of": ["calls"]}
    least = {"kind": "minimum_spend", "minimum": "29", "of": ["support"]}
    free = {"kind": "free_value", "included": "10", "of": ["calls"]}
    ledger = ledger_with(CALLS, support, least, free)
    use(ledger, HALFWAY, invocations=100)
    assert total(ledger) == 100 + 29 - 10


def test_rounding_is_per_invocation() -> None:
    ledger = ledger_with({**CALLS, "meter": "gb_seconds_1ms", "per": "3", "amount": "1000"})
    use(ledger, HALFWAY, invocations=3, duration_ns=3_000_001, memory_mb=1024)
    assert total(ledger) == 2


def test_allowances_carry_on_through_a_change() -> None:
    ledger = ledger_with({**CALLS, "included": "10"})
    changed = [{**CALLS, "amount": "2", "included": "15"}]
    ledger.plans["first"].add(changed, HALFWAY, at_once=True, now=NOVEMBER)
    use(ledger, NOVEMBER, invocations=12)
    use(ledger, HALFWAY, invocations=5)
    assert total(ledger, NOVEMBER, HALFWAY) == 2
    assert total(ledger, HALFWAY, DECEMBER) == 4
    assert total(ledger) == 6


def test_fees_are_those_of_the_time_in_force() -> None:
    ledger = ledger_with({"kind": "flat", "amount": "10"})
    ledger.offer("second", [{"kind": "flat", "amount": "20"}])
    ledger.accounts["demo"].holding.take("second", now=NOVEMBER, starts_at=HALFWAY, at_once=True)
    assert total(ledger) == 15


def test_void_usage_and_what_comes_again_do_not_count() -> None:
    ledger = ledger_with(CALLS)
    for _ in range(2):
        use(ledger, HALFWAY, invocations=7)
    use(ledger, NOVEMBER, invocations=100)
    ledger.voided("demo", f"{NOVEMBER}")
    assert total(ledger) == 7


def test_time_without_a_plan_has_no_bill() -> None:
    ledger = ledger_with(CALLS)
    ledger.accounts["demo"].holding.end(HALFWAY)
    use(ledger, HALFWAY, invocations=1)
    assert total(ledger, NOVEMBER, HALFWAY) == 0
    assert ledger.bill("demo", NOVEMBER, DECEMBER) is None
    assert ledger.bill("demo", HALFWAY + timedelta(days=1), DECEMBER) is None


def test_months_are_those_of_zones_that_skip_or_repeat_midnight() -> None:
    assert month_start("America/Havana", 2026, 11) == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert month_start("America/Asuncion", 2023, 10) == datetime(2023, 10, 1, 4, tzinfo=UTC)
    havana = month_start("America/Havana", 2026, 11)
    assert month_at("America/Havana", havana + timedelta(hours=1))[0] == havana
    assert month_at("America/Havana", havana - timedelta(seconds=1))[1] == havana


def test_money_rounds_half_away_from_zero_and_endless_amounts_to_18_digits() -> None:
    assert rounded(Fraction("0.125"), 2) == Fraction("0.13")
    assert rounded(Fraction("-0.125"), 2) == Fraction("-0.13")
    assert written(Fraction(1, 8)) == Fraction(1, 8)
    assert written(Fraction(2, 3)) == Fraction("0.666666666666666667")


NIGHT = {"name": "night", "from": "22:00", "to": "06:00"}


@pytest.mark.parametrize(
    ("part", "calls"),
    [
        ({}, 1_111),
        ({"band": NIGHT}, 1_110),
        # 15 November 2025 is a Saturday.
        ({"band": NIGHT | {"weekdays": ["sat"]}}, 1_100),
        ({"where": {"capacity": "spot"}}, 101),
        ({"band": NIGHT, "except": {"capacity": ["spot", "burst"]}}, 1_010),
    ],
)
def test_a_price_of_a_part_counts_no_more(part: dict[str, Any], calls: int) -> None:
    ledger = ledger_with(CALLS | part)
    used = ((15, 12, 1, "spot"), (15, 2, 10, ""), (15, 22, 100, "spot"), (16, 5, 1_000, ""))
    for day, hour, number, label in used:
        at = datetime(2025, 11, day, hour, tzinfo=UTC)
        use(ledger, at, invocations=number, **({"labels": {"capacity": label}} if label else {}))
    assert total(ledger) == calls


def test_a_time_that_clocks_show_twice_is_of_the_band_of_the_latest_that_they_have_shown() -> None:
    # At 01:00 UTC on 26 October 2025 clocks in Berlin are set from 03:00 to 02:00.
    band = {"from": "02:00", "to": "02:30"}
    first = bin_of(datetime(2025, 10, 26, tzinfo=UTC))
    assert [n for n in range(-12, 36) if is_in(band, "Europe/Berlin", first + n)] == list(range(6))
