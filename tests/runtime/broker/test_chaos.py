import asyncio

import pytest

from runtime.broker.chaos import Chaos, Switches
from shared.domain.errors import Rejected, Unavailable


def test_switches_are_off_unless_they_are_set() -> None:
    chaos = Chaos(Switches.read(""))
    assert chaos.switches == Switches()
    assert chaos.doubled(["a", "b"]) == ("a", "b")
    assert not chaos.drops()
    chaos.before_answer()
    asyncio.run(asyncio.wait_for(chaos.hold_back(), 0.1))


def test_switches_are_read_and_written_in_one_line() -> None:
    switches = Switches.read("seed=7,duplicate=0.2, reorder=0.3,delay=0.5s,drop=0.1,restart=0.01")
    assert switches == Switches(7, 0.5, 0.2, 0.3, 0.1, 0.01)
    assert Switches.read(str(switches)) == switches


@pytest.mark.parametrize(
    "text", ["lose=1", "drop", "drop=2", "drop=-1", "drop=nan", "delay=61s", "delay=1h", "seed=x", "drop=1=1"]
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="BROKER_CHAOS"):
        Switches.read(text)


def test_the_same_seed_draws_the_same() -> None:
    def drawn(seed: int) -> list[bool]:
        chaos = Chaos(Switches(seed, drop=0.5))
        return [chaos.drops() for _ in range(64)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_sure_duplicate_is_there_twice_for_every_trigger() -> None:
    assert Chaos(Switches(duplicate=1)).doubled(["a", "b"]) == ("a", "a", "b", "b")


def test_a_dropped_answer_is_a_503() -> None:
    with pytest.raises(Unavailable):
        Chaos(Switches(drop=1)).before_answer()
