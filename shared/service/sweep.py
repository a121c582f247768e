"""Sweeps: what normal flow left behind is found in the state and made good, however many ticks were lost."""

import logging
from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, NamedTuple

from shared.domain.errors import Unavailable

_log = logging.getLogger(__name__)

SWEEP_LIMIT_S: Final = 15.0
"""Well below what a Broker waits for. Longer work asks to be repeated, and goes on where it ended."""
FOLD_LIMIT_S: Final = 2.0


class Step(NamedTuple):
    """One thing that a sweep does; it may be done again at any time, and raises Unavailable for now."""

    name: str
    run: Callable[[], object]


class Sweep:
    """Does every step, whatever became of those before it."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps

    def run(self) -> None:
        """Raises, after the last step, RuntimeError for a bug, else Unavailable where one was."""
        away: list[str] = []
        bugs: list[tuple[str, Exception]] = []
        for step in self._steps:
            try:
                step.run()
            except Unavailable as error:
                away.append(f"{step.name}: {error}")
            except Exception as error:
                _log.exception("the sweep could not %s", step.name)
                bugs.append((step.name, error))
        if bugs:
            name, bug = bugs[0]
            raise RuntimeError(f"the sweep could not {name}") from bug
        if away:
            raise Unavailable("; ".join(away))


def fold_all(fold: Callable[[], float | None], *, limit_s: float = FOLD_LIMIT_S) -> bool:
    """Fold until that leaves nothing to do, also not to others who were folding; whether it came to that.

    `fold` returns the seconds until there may be more to do. Where usage comes all the time there always
    is, so it ends after `limit_s`.
    """
    deadline = monotonic() + limit_s
    while (due_s := fold()) is not None:
        if monotonic() + due_s > deadline:
            return False
        sleep(due_s)
    return True
