import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import sketch
from shared.domain.usage import DURATION_NS_MAX

durations = st.integers(0, DURATION_NS_MAX)
P50, P95 = Fraction(1, 2), Fraction(95, 100)


def sketch_of(values: list[int]) -> sketch.Sketch:
    counts: sketch.Sketch = {}
    for value in values:
        sketch.merge(counts, {sketch.bucket_of(value): 1})
    return counts


def exact_quantile(values: list[int], p: Fraction) -> Fraction:
    ordered, rank = sorted(values), p * (len(values) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(values) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


@given(durations)
def test_a_duration_reads_back_within_eight_per_mille(duration_ns: int) -> None:
    value = sketch.value_of(sketch.bucket_of(duration_ns))
    assert abs(value - duration_ns) <= Fraction(8, 1000) * duration_ns


@pytest.mark.parametrize("duration_ns", range(128))
def test_short_durations_read_back_exactly(duration_ns: int) -> None:
    assert sketch.value_of(sketch.bucket_of(duration_ns)) == duration_ns


@given(durations, durations)
def test_buckets_keep_the_order_of_durations(a: int, b: int) -> None:
    assert (a <= b) <= (sketch.bucket_of(a) <= sketch.bucket_of(b))


@given(st.lists(durations), st.lists(durations))
def test_the_sketch_of_all_is_the_merge_of_the_parts_byte_for_byte(a: list[int], b: list[int]) -> None:
    merged = sketch_of(a)
    sketch.merge(merged, sketch_of(b))

    assert sketch.encode(merged) == sketch.encode(sketch_of([*b, *a]))
    assert sketch.decode(sketch.encode(merged)) == merged
    assert sketch.decode(bytes.fromhex(sketch.encode_hex(merged))) == merged


@given(st.lists(durations, min_size=1, max_size=50), st.fractions(0, 1))
def test_a_quantile_is_within_eight_per_mille_of_the_exact_one(values: list[int], p: Fraction) -> None:
    exact = exact_quantile(values, p)
    assert abs(sketch.quantile(sketch_of(values), p) - exact) <= Fraction(8, 1000) * exact


def test_quantiles_of_typical_distributions_are_within_one_per_cent() -> None:
    rng = random.Random(7)
    distributions = {
        "log-normal": [int(rng.lognormvariate(18, 1.5)) for _ in range(20_000)],
        "constant": [234_000_000] * 1_000,
        "zero": [0] * 1_000,
        "bimodal": [5_000_000] * 500 + [9_000_000_000] * 500,
    }
    for name, values in distributions.items():
        for p in (P50, P95):
            exact, estimate = exact_quantile(values, p), sketch.quantile(sketch_of(values), p)
            assert abs(estimate - exact) <= exact / 100, (name, p)


def test_an_empty_sketch_has_quantile_zero() -> None:
    assert sketch.quantile({}, P50) == 0


@given(st.lists(st.integers(0, 2**60)))
def test_many_durations_at_once_fall_into_the_same_buckets(durations_ns: list[int]) -> None:
    assert sketch.counted(sketch.buckets(durations_ns)) == sketch_of(durations_ns)
