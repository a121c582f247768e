from fractions import Fraction
from pathlib import Path

import pytest

from runtime.trace import read_trace


def test_the_trace_is_13_apps_with_199_invocations_of_10_599_170_ms() -> None:
    trace = read_trace()
    assert len(trace) == len({app[:8] for app in trace}) == 13
    assert sum(map(len, trace.values())) == 199
    assert sum(one.duration_ns for invocations in trace.values() for one in invocations) == 10_599_170 * 10**6


def test_times_are_cut_to_microseconds_and_durations_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("app,func,end_timestamp,duration\napp-hash-1,func-hash-1,0.07949090003967285,0.078\n")
    ((invocation,),) = read_trace(path).values()
    assert invocation.ended_at_ns == 1_612_051_200_079_490_000
    assert invocation.duration_ns == 78_000_000
    assert (invocation.tenant, invocation.revision) == ("app-hash", "func-has-00001")


def test_a_duration_finer_than_nanoseconds_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"app,func,end_timestamp,duration\na,f,1,{float(Fraction(1, 3))}\n")
    with pytest.raises(ValueError, match="not whole nanoseconds"):
        read_trace(path)
