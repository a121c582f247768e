"""Fees that are due whatever is used: seats by what of a month they are had, and reserved capacity."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from shared.domain.meters import METERS
from shared.domain.period import month_of
from shared.domain.plan import Plan
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import total
from shared.domain.rating.rate import rate
from tests.shared.domain.rating.entered import amounts, month, plan_of, totals

NOTHING = dict.fromkeys(METERS, Fraction(0))
RESERVED = {"kind": "reserved", "meter": "invocations", "quantity": "500", "amount": "2", "overage": "3"}


def seats(prorated_by: str, quantity: str = "1", amount: str = "10") -> Plan:
    return plan_of({"kind": "licensed", "quantity": quantity, "amount": amount, "prorated_by": prorated_by})


def local(zone: str, year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def cost(plan: Plan, zone: str, start: datetime, end: datetime) -> str:
    """Of [start, end), which lies in one month of the zone."""
    period = month_of(start, ZoneInfo(zone))
    before, after = (Cumulative(period, at, NOTHING) for at in (start, end))
    return f"{total(rate(plan, before, after), plan.currency):f}"


@pytest.mark.parametrize(
    ("prorated_by", "owed"), [("seconds", "7.10"), ("days", "7.10"), ("fixed_30", "7.33")]
)
def test_c22_a_seat_from_the_tenth_of_a_month_of_31_days(prorated_by: str, owed: str) -> None:
    # Lago prints 7.33, which is 22 of 30 days; the days of July are 31.
    start, end = local("UTC", 2026, 7, 10), local("UTC", 2026, 8, 1)
    assert cost(seats(prorated_by), "UTC", start, end) == owed


@pytest.mark.parametrize("prorated_by", ["seconds", "days", "fixed_30"])
@pytest.mark.parametrize(("year", "number"), [(2026, 2), (2028, 2), (2026, 4), (2026, 7)])
def test_a_whole_month_costs_the_fee_however_long_it_is(prorated_by: str, year: int, number: int) -> None:
    start, end = local("UTC", year, number, 1), local("UTC", year, number + 1, 1)
    assert cost(seats(prorated_by), "UTC", start, end) == "10.00"


def test_by_seconds_and_by_days_differ_within_a_day() -> None:
    noon, end = local("UTC", 2026, 4, 10, 12), local("UTC", 2026, 5, 1)
    assert cost(seats("seconds", amount="30"), "UTC", noon, end) == "20.50"
    # Who starts at noon pays the day, who ends at noon does not: it is paid once.
    assert cost(seats("days", amount="30"), "UTC", noon, end) == "21.00"
    assert cost(seats("days", amount="30"), "UTC", local("UTC", 2026, 4, 1), noon) == "9.00"


def test_by_fixed_30_counts_from_the_end_of_the_month() -> None:
    def from_the(day: int, month: int) -> str:
        return cost(
            seats("fixed_30", amount="30"),
            "UTC",
            local("UTC", 2026, month, day),
            local("UTC", 2026, month + 1, 1),
        )

    assert [from_the(1, 7), from_the(2, 7), from_the(3, 7), from_the(31, 7)] == [
        "30.00",
        "30.00",
        "29.00",
        "1.00",
    ]
    noon = local("UTC", 2026, 7, 1, 12)
    assert cost(seats("fixed_30", amount="30"), "UTC", local("UTC", 2026, 7, 1), noon) == "0.00"
    assert cost(seats("fixed_30", amount="30"), "UTC", noon, local("UTC", 2026, 8, 1)) == "30.00"
    assert [from_the(1, 2), from_the(2, 2), from_the(28, 2)] == ["30.00", "27.00", "1.00"]


@pytest.mark.parametrize(
    ("zone", "year", "number", "days"),
    [
        ("America/New_York", 2026, 3, 31),
        ("America/New_York", 2026, 11, 30),
        ("Europe/Berlin", 2026, 10, 31),
        ("Australia/Lord_Howe", 2026, 4, 30),
        ("Asia/Kathmandu", 2026, 2, 28),
        # Here the clock is set forward at midnight.
        ("Asia/Beirut", 2026, 3, 31),
    ],
)
def test_each_day_of_a_month_costs_the_same_also_where_the_clock_changes(
    zone: str, year: int, number: int, days: int
) -> None:
    plan = seats("days", amount=str(days))
    period = month_of(local(zone, year, number, 1, 12), ZoneInfo(zone))
    bounds = [period.start, *(local(zone, year, number, day) for day in range(2, days + 1)), period.end]
    assert [cost(plan, zone, a, b) for a, b in pairwise(bounds)] == ["1.00"] * days


def test_seats_are_counted_times_what_has_passed() -> None:
    (line,) = month(seats("days", quantity="2.5"), 0)
    assert (line.quantity_after, line.unit) == (Fraction("77.5"), "seat-day")
    assert (f"{line.per:f}", f"{line.amount:f}") == ("31", "25.00")
    assert line.description == "10 per seat and month for 2.5, by the days of the month"


def test_seats_are_prorated_by_seconds_where_nothing_is_said() -> None:
    (price,) = plan_of({"kind": "licensed", "quantity": "1", "amount": "1"}).prices
    assert price.to_dict()["prorated_by"] == "seconds"


def test_what_is_reserved_is_paid_for_used_or_not_and_more_costs_more() -> None:
    plan = plan_of(RESERVED)
    assert amounts(month(plan, 0)) == ["1000.00", "0.00"]
    assert amounts(month(plan, 500)) == ["1000.00", "0.00"]
    assert amounts(month(plan, 600)) == ["1000.00", "300.00"]
    assert [line.part for line in month(plan, 600)] == ["reserved", "overage"]
    assert [line.quantity_after for line in month(plan, 600)] == [500, 600]
    assert [line.description for line in month(plan, 600)] == [
        "2 per invocation for 500 reserved per month, by its seconds",
        "3 per invocation, over 500 reserved per month",
    ]


def test_the_commitment_accrues_by_seconds_and_its_units_are_there_from_the_start() -> None:
    # A day, another, and the other 29 of March.
    assert totals(plan_of(RESERVED | {"amount": "0.62"}), 500, 501, 501) == ["10.00", "13.00", "290.00"]


def test_reserved_capacity_may_be_of_several_meters() -> None:
    price = {**RESERVED, "meters": ["gb_seconds", "gb_seconds_1ms"], "per": "10"}
    del price["meter"]
    lines = month(plan_of(price), {"gb_seconds": "400", "gb_seconds_1ms": "200"})
    assert amounts(lines) == ["100.00", "30.00"]
    assert lines[1].meter == "gb_seconds + gb_seconds_1ms"


def test_a_month_that_has_not_begun_has_no_fee() -> None:
    period = month_of(local("UTC", 2026, 2, 1), ZoneInfo("UTC"))
    at_the_start = Cumulative(period, period.start, NOTHING)
    for prorated_by in ("seconds", "days", "fixed_30"):
        (line,) = rate(seats(prorated_by), at_the_start, at_the_start)
        assert line.exact_after == 0
    just_after = Cumulative(period, period.start + timedelta(minutes=5), NOTHING)
    (line,) = rate(seats("fixed_30"), at_the_start, just_after)
    assert line.exact_after == Fraction(10 * 2, 30)
