import logging
from collections.abc import Callable
from time import monotonic

import pytest

from shared.domain.errors import Rejected, Unavailable
from shared.service.drain import drain_all
from shared.service.replays import Refusal, Replayed
from shared.service.sweep import SWEEP_LIMIT_S, Step, Sweep, fold_all


class Steps:
    """Steps that note their turn and then fail as told."""

    def __init__(self, **failures: Exception | None) -> None:
        self.done: list[str] = []
        self.sweep = Sweep(*(Step(name, self._step(name, failure)) for name, failure in failures.items()))

    def _step(self, name: str, failure: Exception | None) -> Callable[[], None]:
        def run() -> None:
            self.done.append(name)
            if failure is not None:
                raise failure

        return run


def test_a_sweep_does_each_of_its_steps_in_order() -> None:
    steps = Steps(fold=None, send=None)
    steps.sweep.run()
    steps.sweep.run()
    assert steps.done == ["fold", "send", "fold", "send"]


def test_a_step_that_is_away_holds_up_no_other_and_has_the_sweep_repeated() -> None:
    steps = Steps(fold=Unavailable("no database"), send=None, drain=Unavailable("no Redis"))
    with pytest.raises(Unavailable, match=r"^fold: no database; drain: no Redis$"):
        steps.sweep.run()
    assert steps.done == ["fold", "send", "drain"]


@pytest.mark.parametrize("bug", [ValueError("a bug"), Rejected.because("type", "no fault of the tick")])
def test_a_bug_in_a_step_holds_up_no_other_and_is_no_fault_of_the_tick(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    steps = Steps(fold=bug, send=Unavailable("no sink"), drain=None)
    with pytest.raises(RuntimeError, match="the sweep could not fold") as raised:
        steps.sweep.run()
    assert raised.value.__cause__ is bug
    assert steps.done == ["fold", "send", "drain"]
    assert "could not fold" in caplog.text


class Folds:
    """Each fold says in how many seconds there may be more to do; the last one goes on saying so."""

    def __init__(self, *pauses_s: float | None) -> None:
        self.pauses_s = list(pauses_s)
        self.calls = 0

    def fold(self) -> float | None:
        self.calls += 1
        return self.pauses_s.pop(0) if len(self.pauses_s) > 1 else self.pauses_s[0]


def test_folding_goes_on_until_others_have_left_nothing() -> None:
    folds = Folds(0.001, 0.001, None)
    assert fold_all(folds.fold)
    assert folds.calls == 3


def test_folding_ends_though_usage_comes_all_the_time() -> None:
    folds = Folds(0.01)
    assert not fold_all(folds.fold, limit_s=0.05)
    assert 1 < folds.calls <= 6


class Letters:
    """Drained as told, one answer after the other; then there is nothing left."""

    def __init__(self, *answers: Replayed) -> None:
        self.answers = list(answers)
        self.begun: list[str | None] = []

    def drain(self, *, limit: int, after: str | None, until: float | None) -> Replayed:
        assert 0 < limit <= 100
        assert until is not None
        assert until <= monotonic() + SWEEP_LIMIT_S
        self.begun.append(after)
        return self.answers.pop(0) if self.answers else Replayed(0)


def test_letters_are_drained_to_the_end_of_the_list() -> None:
    letters = Letters(Replayed(100, next="9-0"), Replayed(0, next="19-0"), Replayed(7))
    assert drain_all(letters.drain) == 107
    assert letters.begun == [None, "9-0", "19-0"]


def test_draining_goes_on_behind_those_that_are_refused_and_tells_of_all_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = (Refusal("1-0", "the sink answered 400"), Refusal("2-0", "the sink answered 400"))
    letters = Letters(Replayed(0, refused, next="2-0"), Replayed(5, refused[:1]))
    assert drain_all(letters.drain) == 5
    assert [record.message for record in caplog.records] == [
        "3 dead letters were not sent again; 1-0: the sink answered 400"
    ]


def test_a_sink_that_takes_no_more_has_draining_repeated() -> None:
    letters = Letters(Replayed(3, next="3-0", stopped="the sink answered 503"), Replayed(5))
    with pytest.raises(Unavailable, match="3 dead letters were sent again, then: the sink answered 503"):
        drain_all(letters.drain)
    assert letters.begun == [None]


def test_draining_that_takes_long_goes_on_when_repeated() -> None:
    letters = Letters(Replayed(1, next="1-0"), Replayed(1, next="2-0"))
    with pytest.raises(Unavailable, match="1 dead letters were sent again in 0 s, and more wait"):
        drain_all(letters.drain, limit_s=0)
    assert letters.begun == [None]


def test_letters_left_to_people_are_told_of_at_each_sweep(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        drain_all(Letters(Replayed(2, exhausted=4)).drain)
    assert "4 dead letters were drained in vain too often: they wait for people" in caplog.text
