from collections.abc import Sequence

import pytest

from tests.soak.idle import Sample, least_at_zero_s


def samples(*running_until: tuple[str, int]) -> Sequence[Sample]:
    """One a second: names, and up to when."""
    found, at_s = [], 0
    for names, until_s in running_until:
        while at_s < until_s:
            found.append(Sample(at_s, frozenset(names.split())))
            at_s += 1
    return found


def test_the_worst_window_counts() -> None:
    taken = samples(("", 10), ("a", 12), ("", 20), ("a b", 26), ("", 41))
    assert least_at_zero_s(taken, 10) == {"a": 4, "b": 4}
    assert least_at_zero_s(taken, 20) == {"a": 12, "b": 14}


def test_what_always_runs_is_never_at_zero() -> None:
    assert least_at_zero_s(samples(("a", 31)), 10) == {"a": 0}


def test_what_never_runs_is_not_there() -> None:
    assert least_at_zero_s(samples(("", 31)), 10) == {}


def test_a_time_too_short_says_nothing() -> None:
    with pytest.raises(ValueError, match="less than 60"):
        least_at_zero_s(samples(("a", 10)), 60)
