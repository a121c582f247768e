from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.windows import EPOCH, GRID, WindowSize, cover, floor, read_period

grid_instants = st.integers(0, 12 * 24 * 70).map(lambda n: datetime(2024, 2, 1, tzinfo=UTC) + n * GRID)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@given(a=grid_instants, b=grid_instants)
def test_a_cover_is_gapless_disjoint_and_of_whole_windows(a: datetime, b: datetime) -> None:
    start, end = min(a, b), max(a, b)
    ranges = list(cover(start, end))

    assert len(ranges) <= 5
    assert [start, *(r.end for r in ranges)] == [*(r.start for r in ranges), end]
    for r in ranges:
        assert floor(r.start, r.size) == r.start < r.end == floor(r.end, r.size)


@given(a=grid_instants, b=grid_instants)
def test_a_cover_has_the_fewest_windows(a: datetime, b: datetime) -> None:
    start, end = min(a, b), max(a, b)
    greedy, instant = 0, start
    while instant < end:
        instant += next(
            size.length
            for size in reversed(WindowSize)
            if floor(instant, size) == instant and instant + size.length <= end
        )
        greedy += 1

    assert sum((r.end - r.start) // r.size.length for r in cover(start, end)) == greedy


def test_a_month_of_kathmandu_is_covered_by_edges_hours_and_days() -> None:
    ranges = cover(at("2025-10-31T18:15:00+00:00"), at("2025-11-30T18:15:00+00:00"))

    assert [(r.size.value, (r.end - r.start) // r.size.length) for r in ranges] == [
        ("5m", 9),
        ("1h", 5),
        ("1d", 29),
        ("1h", 18),
        ("5m", 3),
    ]


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(WindowSize))
def test_an_instant_lies_in_its_window(instant: datetime, size: WindowSize) -> None:
    if instant < EPOCH:
        return
    start = floor(instant, size)
    assert start <= instant
    assert instant - start < size.length
    assert floor(start, size) == start


@pytest.mark.parametrize(
    "end", ["2025-10-15T23:59:59Z", "2025-10-15T23:59:59.999999Z", "2025-10-16T00:00:00Z"]
)
def test_an_end_in_the_last_second_of_a_window_reads_as_the_next_bound(end: str) -> None:
    assert read_period(at("2025-10-15T03:00:00+03:00"), at(end)) == (
        at("2025-10-15T00:00:00Z"),
        at("2025-10-16T00:00:00Z"),
    )


def test_a_bound_off_the_grid_is_refused_naming_the_nearest() -> None:
    with pytest.raises(Rejected) as refusal:
        read_period(at("2025-10-15T00:02:31Z"), at("2025-10-15T23:59:58Z"))

    assert [str(fault) for fault in refusal.value.faults] == [
        "period_start: must lie on a 5-minute instant; the nearest is 2025-10-15T00:05:00Z",
        "period_end: must lie on a 5-minute instant; the nearest is 2025-10-16T00:00:00Z",
    ]


def test_an_empty_reversed_or_endless_period_is_refused() -> None:
    start = at("2025-10-15T00:00:00Z")
    for end in (start, start - GRID, start + timedelta(days=3661)):
        with pytest.raises(Rejected, match="period_end"):
            read_period(start, end)
