"""Between two calls of work in the background there is a rest."""

import threading
import time
from itertools import pairwise

from functions.background import Background
from tests.functions.working import LIMIT_S, Started, Work


def test_it_rests_between_calls_however_often_it_is_woken(started: Started) -> None:
    times: list[float] = []
    work = Work()

    def timed() -> float | None:
        times.append(time.monotonic())
        return work()

    background = started(Background("test", timed, rests_s=(0.2, 0.3)))
    for calls in (1, 2, 3):
        background.wake()
        work.wait_for(calls)
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.2


def test_the_longer_a_call_takes_the_longer_it_rests_within_bounds(started: Started) -> None:
    ended: list[float] = []
    began: list[float] = []

    def slow() -> None:
        began.append(time.monotonic())
        time.sleep((0.3, 0.9, 0.0)[len(ended)])
        ended.append(time.monotonic())

    background = started(Background("test", slow, rests_s=(0.1, 0.5)))
    deadline = time.monotonic() + LIMIT_S
    while len(ended) < 3:
        background.wake()
        time.sleep(0.01)
        assert time.monotonic() < deadline
    after_first, after_second = began[1] - ended[0], began[2] - ended[1]
    assert after_first >= 0.3
    assert after_second >= 0.5


def test_a_rest_keeps_nobody_from_ending(started: Started) -> None:
    drained = threading.Event()
    background = started(Background("test", Work(), drain=drained.set, rests_s=(LIMIT_S, LIMIT_S)))
    background.start()
    background.stop()
    assert drained.is_set()
