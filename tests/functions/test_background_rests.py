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


def test_as_long_as_it_is_woken_it_rests_up_to_a_bound(started: Started) -> None:
    times: list[float] = []
    background = started(Background("test", lambda: times.append(time.monotonic()), rests_s=(0.1, 0.5)))
    deadline = time.monotonic() + LIMIT_S
    while len(times) < 3:
        background.wake()
        time.sleep(0.01)
        assert time.monotonic() < deadline
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.5


def test_once_nothing_comes_it_rests_no_longer(started: Started) -> None:
    work = Work()
    background = started(Background("test", work, rests_s=(0.1, 10 * LIMIT_S)))
    background.wake()
    work.wait_for(1)
    background.wake()
    work.wait_for(2)


def test_a_rest_keeps_nobody_from_ending(started: Started) -> None:
    drained = threading.Event()
    background = started(Background("test", Work(), drain=drained.set, rests_s=(LIMIT_S, LIMIT_S)))
    background.start()
    background.stop()
    assert drained.is_set()
