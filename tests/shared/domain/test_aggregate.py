from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.aggregate import Series, SeriesName, WindowKey, aggregate, group, merge, roll_up
from shared.domain.facts import WindowFacts
from shared.domain.usage import UsageRecord, event_key
from shared.domain.windows import WindowSize, floor

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
WAITER, HELLO = Series(UUID(int=1), UUID(int=2)), Series(UUID(int=3), UUID(int=4))
SERIES = {SeriesName("default", "waiter", "r1"): WAITER, SeriesName("default", "hello", "r1"): HELLO}

records = st.builds(
    lambda name, tenths, duration_ns, memory_bytes: UsageRecord(
        name,
        NOON + timedelta(milliseconds=100 * tenths),
        revision="r1",
        duration_ns=duration_ns,
        memory_bytes=memory_bytes,
    ),
    st.sampled_from(["waiter", "hello"]),
    st.integers(0, 3 * 86_400 * 10),
    st.integers(0, 10**10),
    st.integers(0, 2**31),
)


def waiter(ended_at: datetime, **fields: int | datetime) -> UsageRecord:
    return UsageRecord("waiter", ended_at, revision="r1", **fields)  # type: ignore[arg-type]


def test_the_end_of_an_invocation_decides_its_window() -> None:
    windows = aggregate(group([waiter(NOON - timedelta(microseconds=1)), waiter(NOON)]), SERIES)
    assert set(windows) == {
        WindowKey(WindowSize.M5, NOON - timedelta(minutes=5), WAITER),
        WindowKey(WindowSize.M5, NOON, WAITER),
    }


@given(st.lists(records))
def test_every_size_holds_every_invocation_once(given_records: list[UsageRecord]) -> None:
    windows = roll_up(aggregate(group(given_records), SERIES))
    for size in WindowSize:
        of_size = [facts for key, facts in windows.items() if key.size is size]
        assert sum(facts.invocations for facts in of_size) == len(given_records)
        assert sum(facts.duration_ns for facts in of_size) == sum(r.duration_ns for r in given_records)


@given(st.lists(records), st.integers(0, 10), st.randoms(use_true_random=False))
def test_order_and_batching_do_not_matter(given_records: list[UsageRecord], cut: int, rng: object) -> None:
    shuffled = list(given_records)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    folded = aggregate(group(shuffled[:cut]), SERIES)
    merge(folded, aggregate(group(shuffled[cut:]), SERIES))
    assert roll_up(folded) == roll_up(aggregate(group(given_records), SERIES))


@given(st.integers(0, 10**13), st.integers(0, 3_600_000))
def test_capacity_is_split_at_window_bounds_and_sums_to_the_whole(
    provisioned_ns: int, offset_ms: int
) -> None:
    started_at = NOON + timedelta(milliseconds=offset_ms)
    record = waiter(started_at, invocations=0, started_at=started_at, provisioned_ns=provisioned_ns)

    windows = aggregate(group([record]), SERIES)

    assert sum(facts.provisioned_ms for facts in windows.values()) == (provisioned_ns + 500_000) // 10**6
    assert all(facts.provisioned_ms <= 300_000 for facts in windows.values())


def test_a_quarter_of_an_hour_of_capacity_fills_the_windows_it_spans() -> None:
    started_at = NOON + timedelta(minutes=2)
    record = waiter(NOON, invocations=0, started_at=started_at, provisioned_ns=15 * 60 * 10**9)

    windows = aggregate(group([record]), SERIES)

    assert [windows[key].provisioned_ms for key in sorted(windows, key=lambda key: key.start)] == [
        180_000,
        300_000,
        300_000,
        120_000,
    ]


def test_event_keys_tell_apart_what_concatenation_would_not() -> None:
    assert event_key("a-b", "c") != event_key("a", "b-c")
    assert event_key("ab", "c") != event_key("a", "bc")


def test_rolling_up_leaves_its_input_alone() -> None:
    windows = aggregate(group([waiter(NOON)]), SERIES)
    before = dict(windows)
    rolled_up = roll_up(windows)
    for size in (WindowSize.H1, WindowSize.D1):
        rolled_up[WindowKey(size, floor(NOON, size), WAITER)].add(WindowFacts(records=5))
    assert windows == before
    assert windows[WindowKey(WindowSize.M5, NOON, WAITER)].records == 1
