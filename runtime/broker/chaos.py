"""Test switches: BROKER_CHAOS="seed=7,duplicate=0.2,reorder=0.3,delay=0.5s,drop=0.1,restart=0.01".

All are off unless set. What a sound consumer and a sound producer must bear happens more often than in life.
"""

import asyncio
import os
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from shared.config import environment
from shared.domain.errors import Rejected, Unavailable

ENVIRONMENT: Final = "BROKER_CHAOS"
CHANCES: Final = ("duplicate", "reorder", "drop", "restart")
HELD_BACK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Switches:
    """Chances from 0 to 1, and the longest delay.

    `duplicate`: an event is there twice for a Trigger. `reorder`: a delivery is held back for a second while
    later ones pass; `delay`: each waits up to that long. `drop`: an event is on disk, but the producer gets a
    503; an attempt arrives, but its answer is lost. `restart`: the process starts anew between disk and 202.
    """

    seed: int = 0
    delay_s: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    drop: float = 0.0
    restart: float = 0.0

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises Rejected."""
        try:
            given = dict(part.strip().split("=") for part in text.split(",") if part.strip())
            seed, delay_s = int(given.pop("seed", "0")), float(given.pop("delay", "0s").removesuffix("s"))
            chances = {name: float(given.pop(name, "0")) for name in CHANCES}
            if given:
                raise ValueError(f"unknown: {', '.join(given)}")
            if not all(0 <= chance <= 1 for chance in chances.values()) or not 0 <= delay_s <= 60:
                raise ValueError("chances go from 0 to 1, the delay to 60s")
        except ValueError as error:
            raise Rejected.because(ENVIRONMENT, f"{text}: {error}") from error
        return cls(seed, delay_s, **chances)

    def __str__(self) -> str:
        chances = "".join(f",{name}={getattr(self, name)}" for name in CHANCES)
        return f"seed={self.seed},delay={self.delay_s}s{chances}"


class Chaos:
    """Draws from the seed whether something goes wrong."""

    def __init__(self, switches: Switches = Switches()) -> None:
        self.switches = switches
        self._random = random.Random(switches.seed)

    def doubled(self, names: Iterable[str]) -> tuple[str, ...]:
        """The Triggers an event is for, some of them twice."""
        return tuple(copy for name in names for copy in [name] * (1 + self._strikes(self.switches.duplicate)))

    async def hold_back(self) -> None:
        wait_s = self._random.uniform(0, self.switches.delay_s)
        wait_s += HELD_BACK_S * self._strikes(self.switches.reorder)
        if wait_s:
            await asyncio.sleep(wait_s)

    def drops(self) -> bool:
        return self._strikes(self.switches.drop)

    def before_answer(self) -> None:
        """Between disk and 202. Raises Unavailable, or does not return."""
        if self._strikes(self.switches.restart):
            # Another seed: with the same one it might never get beyond this event.
            again = replace(self.switches, seed=self.switches.seed + 1)
            argv = [sys.executable, *sys.orig_argv[1:]]
            os.execve(sys.executable, argv, {**environment(), ENVIRONMENT: str(again)})
        if self.drops():
            raise Unavailable(f"{ENVIRONMENT} drops the answer")

    def _strikes(self, chance: float) -> bool:
        return self._random.random() < chance
