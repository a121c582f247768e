from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.usage import UsageRecord

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
MIB = 2**20


def record(
    *, duration_ns: int = 0, n: int = 1, memory_bytes: int = 0, durations_ns: Sequence[int] | None = None
) -> UsageRecord:
    return UsageRecord(
        "waiter",
        NOON,
        invocations=n,
        duration_ns=sum(durations_ns) if durations_ns is not None else duration_ns,
        durations_ns=tuple(durations_ns) if durations_ns is not None else None,
        memory_bytes=memory_bytes,
    )


def facts_of(*records: UsageRecord) -> WindowFacts:
    facts = WindowFacts()
    for each in records:
        facts.add_record(each)
    return facts


records = st.builds(
    record,
    duration_ns=st.integers(0, 10**12),
    n=st.integers(1, 1000),
    memory_bytes=st.integers(0, 2**34),
)


def test_twenty_eight_milliseconds_are_billed_as_twenty_eight() -> None:
    facts = facts_of(record(duration_ns=28_000_000))
    assert (facts.billed_1ms_ms, facts.billed_100ms_ms) == (28, 100)


def test_published_roundings_hold() -> None:
    for duration_ns, ms in ((27_400_000, 28), (27_550_000, 28), (500_000, 1), (2_300_000, 3), (0, 0), (1, 1)):
        assert facts_of(record(duration_ns=duration_ns)).billed_1ms_ms == ms
    assert facts_of(record(duration_ns=260_000_000)).billed_100ms_ms == 300


def test_memory_of_160_mb_is_charged_as_256_in_steps_and_as_it_is_otherwise() -> None:
    facts = facts_of(record(duration_ns=1_000_000, memory_bytes=160 * MIB))
    assert (facts.mb128_ms_1ms, facts.mb128_ms_100ms) == (256, 25_600)
    assert (facts.byte_ms_1ms, facts.byte_ms_100ms) == (160 * MIB, 16_000 * MIB)
    assert facts.memory_byte_ns == 160 * MIB * 10**6


def test_one_byte_over_a_step_takes_the_next_step() -> None:
    facts = facts_of(
        record(duration_ns=1, memory_bytes=128 * MIB), record(duration_ns=1, memory_bytes=128 * MIB + 1)
    )
    assert facts.mb128_ms_1ms == 128 + 256


def test_many_invocations_round_as_equal_ones_unless_each_is_given() -> None:
    assert facts_of(record(duration_ns=3_000_001, n=2)).billed_1ms_ms == 4
    assert facts_of(record(durations_ns=[2_999_999, 2], n=2)).billed_1ms_ms == 4
    assert facts_of(record(durations_ns=[2_000_000, 1_000_001], n=2)).billed_1ms_ms == 4
    assert facts_of(record(durations_ns=[3_000_000, 1], n=2)).billed_100ms_ms == 200


@given(records)
def test_roundings_equal_exact_arithmetic(r: UsageRecord) -> None:
    facts = facts_of(r)
    per_invocation = Fraction(r.duration_ns, r.invocations)
    billed = r.invocations * ceil(per_invocation / 10**6)
    assert facts.billed_1ms_ms == billed
    assert facts.billed_100ms_ms == r.invocations * ceil(per_invocation / 10**8) * 100
    assert facts.byte_ms_1ms == billed * r.memory_bytes
    assert facts.mb128_ms_1ms == billed * ceil(Fraction(r.memory_bytes, 128 * MIB)) * 128
    assert sum(facts.durations.values()) == r.invocations


@given(st.lists(records), st.lists(records))
def test_facts_add_up_whatever_the_grouping(a: list[UsageRecord], b: list[UsageRecord]) -> None:
    added = facts_of(*b)
    added.add(facts_of(*a))
    assert added == facts_of(*a, *b)


def test_a_record_of_no_invocations_counts_as_a_record_only() -> None:
    facts = facts_of(record(n=0))
    assert {name for name in NUMBERS if getattr(facts, name)} == {"records"}
    assert facts.durations == {}


def test_numbers_and_sketch_make_the_same_facts_again() -> None:
    facts = facts_of(record(duration_ns=5, n=3, memory_bytes=7))
    assert WindowFacts.of([getattr(facts, name) for name in NUMBERS], facts.durations) == facts


single_records = st.builds(
    lambda duration_ns, memory_bytes, cold, errors, cpu_ns, egress: UsageRecord(
        "waiter",
        NOON,
        duration_ns=duration_ns,
        memory_bytes=memory_bytes,
        cold_starts=cold,
        errors=errors,
        cpu_ns=cpu_ns,
        egress_bytes=egress,
    ),
    st.integers(0, 7 * 86_400 * 10**9),
    st.integers(0, 2**40),
    st.integers(0, 1),
    st.integers(0, 1),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
)


def groups_of(record: st.SearchStrategy[UsageRecord]) -> st.SearchStrategy[list[list[UsageRecord]]]:
    return st.lists(st.lists(record, min_size=1), min_size=1, max_size=4)


@given(groups_of(single_records) | groups_of(records | single_records))
def test_column_by_column_is_the_same_as_one_by_one(groups: list[list[UsageRecord]]) -> None:
    assert WindowFacts.of_groups(groups) == [facts_of(*records) for records in groups]


def test_a_copy_holds_every_fact_and_goes_its_own_way() -> None:
    facts = WindowFacts.of(range(1, len(NUMBERS) + 1), {7: 1})
    copied = facts.copy()
    assert copied == facts
    copied.add(copied)
    assert facts == WindowFacts.of(range(1, len(NUMBERS) + 1), {7: 1})
