from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.period import Period, grid_instant, month_of, next_grid_instant, period_start_from
from shared.domain.plan import Plan, PlanVersion, Subscription, history_of
from shared.domain.rating.per_unit import PerUnit
from shared.domain.segments import segments

MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
PRICES = (PerUnit("errors", Decimal(1)),)


def at(day: float) -> datetime:
    """So many days into March."""
    return MARCH.start + timedelta(days=day)


def version(number: int, since: datetime, *, immediate: bool = False) -> PlanVersion:
    return PlanVersion(number, PRICES, MARCH.start, since, immediate)


def plan(name: str, *changes: PlanVersion) -> Plan:
    return Plan(UUID(bytes=name.encode() * 16), name, "USD", PRICES, MARCH.start, changes=changes)


A, B = plan("a"), plan("b")


def cut(*history: Subscription, counting: Period = MARCH) -> list[tuple[float, float, str]]:
    """Start and end in days of the month, and which version of which plan."""
    return [
        (
            (s.start - counting.start) / timedelta(days=1),
            (s.end - counting.start) / timedelta(days=1),
            f"{s.plan.name}{s.version.number}" if s.plan and s.version else "",
        )
        for s in segments(counting, history)
    ]


def test_a_month_without_a_change_is_one_segment() -> None:
    assert cut(Subscription(None, A)) == [(0, 31, "a1")]
    assert cut(Subscription(at(-300), A), Subscription(at(31), B)) == [(0, 31, "a1")]
    assert cut() == [(0, 31, "")]


def test_a_month_is_cut_where_the_plan_changes_and_where_there_is_none() -> None:
    history = (Subscription(at(3), A, ends_at=at(10)), Subscription(at(20), B))
    assert cut(*history) == [(0, 3, ""), (3, 10, "a1"), (10, 20, ""), (20, 31, "b1")]


def test_a_plan_that_goes_on_is_not_cut() -> None:
    assert cut(Subscription(None, A), Subscription(at(5), A)) == [(0, 31, "a1")]


def test_a_plan_that_comes_back_is_a_segment_of_its_own() -> None:
    history = (Subscription(None, A), Subscription(at(5), B), Subscription(at(6), A))
    assert cut(*history) == [(0, 5, "a1"), (5, 6, "b1"), (6, 31, "a1")]


@pytest.mark.parametrize(("day", "wanted"), [(-1, "a2"), (0, "a2"), (1, "a1"), (31, "a1")])
def test_a_new_version_is_for_months_that_begin_when_it_is_in_effect(day: float, wanted: str) -> None:
    assert cut(Subscription(None, plan("a", version(2, at(day))))) == [(0, 31, wanted)]


def test_an_immediate_version_is_in_force_from_its_instant_on() -> None:
    changed = plan("a", version(2, at(10), immediate=True))
    assert cut(Subscription(None, changed)) == [(0, 10, "a1"), (10, 31, "a2")]


def test_who_takes_a_plan_has_the_version_that_is_in_effect_then() -> None:
    changed = plan("a", version(2, at(10)))
    assert cut(Subscription(at(10), changed)) == [(0, 10, ""), (10, 31, "a2")]
    assert cut(Subscription(at(9), changed)) == [(0, 9, ""), (9, 31, "a1")]


def test_the_later_of_two_versions_is_the_one_in_force() -> None:
    changed = plan("a", version(2, at(10)), version(3, at(20), immediate=True), version(4, at(20)))
    assert cut(Subscription(None, changed)) == [(0, 20, "a1"), (20, 31, "a3")]
    april = Period(MARCH.end, MARCH.end + timedelta(days=30))
    assert cut(Subscription(None, changed), counting=april) == [(0, 30, "a4")]


def test_fees_without_usage_are_due_from_the_first_plan_of_the_month_on() -> None:
    history = (Subscription(at(3), A, ends_at=at(10)), Subscription(at(20), B))
    assert {segment.charged_from for segment in segments(MARCH, history)} == {at(3)}


def test_versions_out_of_order_are_refused() -> None:
    for changes, field in (
        ([version(3, at(1))], "number"),
        ([version(2, at(2)), version(3, at(1))], "effective_from"),
        ([PlanVersion(2, PRICES, MARCH.start)], "effective_from"),
    ):
        with pytest.raises(Rejected) as refusal:
            plan("a", *changes)
        assert [fault.field for fault in refusal.value.faults] == [field]
    assert plan("a", version(2, at(2)), version(3, at(2))).newest(at(2)).number == 3


def test_a_version_without_prices_is_refused() -> None:
    with pytest.raises(Rejected, match="a plan has at least one price"):
        PlanVersion(2, (), MARCH.start, at(1))


def test_a_history_is_what_a_tenant_has_from_when_on() -> None:
    rows: Sequence[tuple[datetime | None, Plan | None]] = [
        (at(0), None), (at(1), A), (at(2), None), (at(3), None), (at(4), B),
    ]  # fmt: skip
    assert history_of(rows) == (Subscription(at(1), A, at(2)), Subscription(at(4), B))


_instants = st.integers(-8_000, 18_000).map(lambda number: MARCH.start + number * timedelta(minutes=5))
_zones = st.sampled_from(["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Asuncion"])


@given(
    st.lists(st.tuples(_instants, st.sampled_from([None, A, B])), max_size=6),
    st.lists(st.tuples(_instants, st.booleans()), max_size=4),
    _instants,
    _zones,
)
def test_segments_tile_the_month_and_neighbours_differ(
    rows: list[tuple[datetime, Plan | None]],
    changes: list[tuple[datetime, bool]],
    instant: datetime,
    zone: str,
) -> None:
    versions = [
        version(number, since, immediate=now) for number, (since, now) in enumerate(sorted(changes), start=2)
    ]
    changed = plan("a", *versions)
    history = history_of(
        (since, changed if held is A else held) for since, held in sorted(rows, key=lambda row: row[0])
    )
    month = month_of(instant, ZoneInfo(zone))
    pieces = segments(month, history)
    assert [month.start, *(piece.end for piece in pieces)] == [*(p.start for p in pieces), month.end]
    held_in = [(p.plan and p.plan.id, p.version and p.version.number) for p in pieces]
    assert all(one != other for one, other in pairwise(held_in))
    assert all((piece.plan is None) == (piece.version is None) for piece in pieces)


def test_instants_off_the_grid_are_told_the_nearest() -> None:
    assert grid_instant("at", at(0)) == at(0)
    with pytest.raises(Rejected, match="a 5-minute instant; the nearest is 2026-03-01T00:05:00Z"):
        grid_instant("at", at(0) + timedelta(minutes=2, seconds=30))
    assert next_grid_instant(at(0)) == at(0)
    assert next_grid_instant(at(0) + timedelta(microseconds=1)) == at(0) + timedelta(minutes=5)


def test_the_first_month_that_begins_at_an_instant_or_later() -> None:
    moscow = ZoneInfo("Europe/Moscow")
    begins = datetime(2026, 3, 31, 21, tzinfo=UTC)
    assert period_start_from(begins, moscow) == begins
    assert period_start_from(begins - timedelta(microseconds=1), moscow) == begins
    assert period_start_from(begins + timedelta(minutes=5), moscow) == datetime(2026, 4, 30, 21, tzinfo=UTC)
