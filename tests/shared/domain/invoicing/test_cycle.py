from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.invoicing.cycle import BillingCycle, period_after, period_holding
from shared.domain.period import Period, month_of
from shared.domain.windows import GRID

MONTHLY = BillingCycle()
ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith("right/"))
instants = st.integers(12 * 24 * 365 * 3, 12 * 24 * 365 * 90).map(
    lambda grids: datetime(1970, 1, 1, tzinfo=UTC) + grids * GRID
)
cycles = st.builds(
    BillingCycle, st.sampled_from(["month", "week"]), st.none() | st.dates(date(1990, 1, 1), date(2060, 1, 1))
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def periods(cycle: BillingCycle, start: str, count: int, zone: str = "UTC") -> list[Period]:
    found = [period_after(cycle, at(start), ZoneInfo(zone))]
    while len(found) < count:
        found.append(period_after(cycle, found[-1].end, ZoneInfo(zone)))
    return found


def local_dates(periods: list[Period], zone: str = "UTC") -> list[str]:
    return [f"{period.start.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for period in periods]


@pytest.mark.parametrize(
    ("zone", "instant", "length_s"),
    [
        ("America/New_York", "2026-03-15T00:00Z", 2_674_800),
        ("Europe/Berlin", "2026-03-15T00:00Z", 2_674_800),
        ("Europe/Berlin", "2026-10-15T00:00Z", 2_682_000),
        ("Europe/Moscow", "2026-03-15T00:00Z", 2_678_400),
        ("Australia/Lord_Howe", "2026-04-15T00:00Z", 2_593_800),
    ],
)
def test_a_month_is_as_long_as_its_zone_makes_it(zone: str, instant: str, length_s: int) -> None:
    start, end = period_holding(MONTHLY, at(instant), ZoneInfo(zone))
    assert (end - start).total_seconds() == length_s


def test_the_first_instant_of_april_in_moscow_is_billed_in_april() -> None:
    moscow = ZoneInfo("Europe/Moscow")
    march = Period(at("2026-02-28T21:00Z"), at("2026-03-31T21:00Z"))
    assert period_holding(MONTHLY, at("2026-03-31T20:59:59.999Z"), moscow) == march
    assert period_holding(MONTHLY, at("2026-03-31T21:00Z"), moscow).start == march.end


def test_a_weekly_anniversary_in_paris_is_due_once_by_the_local_date() -> None:
    weekly, paris = BillingCycle("week", date(2026, 5, 23)), ZoneInfo("Europe/Paris")
    first = period_holding(weekly, at("2026-05-23T12:00Z"), paris)
    assert first == (at("2026-05-22T22:00Z"), at("2026-05-29T22:00Z"))

    def over(now: str) -> list[Period]:
        due, period = [], first
        while period.end <= at(now):
            due.append(period)
            period = period_after(weekly, period.end, paris)
        return due

    assert over("2026-05-30T20:00Z") == over("2026-05-30T23:00Z") == [first]


def test_weeks_begin_on_monday_where_there_is_no_anchor() -> None:
    (week,) = periods(BillingCycle("week"), "2026-11-23T00:00Z", 1)
    assert week == (at("2026-11-23T00:00Z"), at("2026-11-30T00:00Z"))


def test_a_week_in_which_the_clock_changes_is_an_hour_longer_or_shorter() -> None:
    weekly = BillingCycle("week", date(2026, 1, 1))
    for instant, hours in (("2026-03-28T12:00Z", 167), ("2026-10-24T12:00Z", 169)):
        start, end = period_holding(weekly, at(instant), ZoneInfo("Europe/Berlin"))
        assert end - start == timedelta(hours=hours)


def test_anchor_day_31_is_the_last_day_of_shorter_months_and_then_31_again() -> None:
    found = periods(BillingCycle("month", date(2026, 1, 31)), "2026-01-31T00:00Z", 6)
    assert local_dates(found) == [
        "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"
    ]  # fmt: skip


def test_an_anchor_on_29_february_is_the_29th_except_in_common_februaries() -> None:
    cycle = BillingCycle("month", date(2024, 2, 29))
    found = periods(cycle, "2025-01-29T00:00Z", 3) + periods(cycle, "2028-01-29T00:00Z", 3)
    assert local_dates(found) == [
        "2025-01-29", "2025-02-28", "2025-03-29", "2028-01-29", "2028-02-29", "2028-03-29"
    ]  # fmt: skip


def test_usage_before_the_anchor_lies_in_periods_of_the_same_cycle() -> None:
    cycle = BillingCycle("month", date(2026, 5, 15))
    assert period_holding(cycle, at("2026-03-01T00:00Z"), ZoneInfo("UTC")) == (
        at("2026-02-15T00:00Z"),
        at("2026-03-15T00:00Z"),
    )


def test_a_period_after_a_change_of_cycle_ends_where_the_new_cycle_has_its_bound() -> None:
    changed = BillingCycle("month", date(2026, 1, 10))
    first, second = periods(changed, "2026-04-01T00:00Z", 2)
    assert first == (at("2026-04-01T00:00Z"), at("2026-04-10T00:00Z"))
    assert second.end == at("2026-05-10T00:00Z")


def test_a_day_that_the_clock_skips_begins_with_the_next() -> None:
    weekly = BillingCycle("week", date(2011, 12, 30))
    start, end = period_holding(weekly, at("2011-12-31T12:00Z"), ZoneInfo("Pacific/Apia"))
    assert (start, end) == (at("2011-12-30T10:00Z"), at("2012-01-05T10:00Z"))


def test_a_day_whose_midnight_the_clock_skips_begins_when_it_was_set_forward() -> None:
    cycle = BillingCycle("week", date(2018, 11, 4))
    period = period_holding(cycle, at("2018-11-05T00:00Z"), ZoneInfo("America/Sao_Paulo"))
    assert period.start == at("2018-11-04T03:00Z")


@given(st.sampled_from(ZONES), instants)
def test_months_without_an_anchor_are_the_counting_periods(zone: str, instant: datetime) -> None:
    assert period_holding(MONTHLY, instant, ZoneInfo(zone)) == month_of(instant, ZoneInfo(zone))


@given(cycles, st.sampled_from(ZONES), instants)
def test_periods_follow_each_other_without_gap_or_overlap_on_the_grid(
    cycle: BillingCycle, zone_name: str, instant: datetime
) -> None:
    zone = ZoneInfo(zone_name)
    chain = [period_holding(cycle, instant, zone)]
    assert chain[0].start <= instant < chain[0].end
    for _ in range(3):
        chain.append(period_after(cycle, chain[-1].end, zone))
    for before, after in pairwise(chain):
        assert before.end == after.start < after.end
        assert period_holding(cycle, after.start, zone) == after
        assert period_holding(cycle, after.end - GRID, zone) == after
        assert (after.start.timestamp(), after.end.timestamp()) == (
            after.start.timestamp() // 300 * 300,
            after.end.timestamp() // 300 * 300,
        )
