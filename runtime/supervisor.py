"""Keeps the children of a run alive, and stops them in reverse order."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from runtime.processes import POLL_S, Command, Process

BACKOFF_S: Final = 0.5
BACKOFF_S_MAX: Final = 30.0
STABLE_S: Final = 5.0


class Stopped(Exception):
    """Somebody asked the run to end."""


@dataclass(slots=True)
class _Child:
    process: Process
    ready: Callable[[], bool]
    limit_s: float
    started_at: float
    backoff_s: float = BACKOFF_S
    restart_at: float | None = None


class Supervisor:
    """Used from one thread. `say` tells people; `stopped` turns true when the run is to end."""

    def __init__(
        self,
        say: Callable[[str], None],
        stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._stopped = stopped
        self._clock = clock
        self._children: list[_Child] = []

    def start(self, command: Command, ready: Callable[[], bool], *, limit_s: float) -> None:
        """Starts and from now on restarts it; `wait_ready` waits for it."""
        self._raise_if_stopped()
        self._children.append(_Child(Process.start(command), ready, limit_s, self._clock()))

    def wait_ready(self) -> None:
        """Until every child is ready. Raises ProcessFailed for the first that is not, or Stopped."""
        for child in self._children:
            child.process.wait_until(partial(self._is_ready, child), limit_s=child.limit_s)

    def run(self, command: Command) -> None:
        """Runs a command to its end while watching the others. Raises ProcessFailed unless it exits 0."""
        self._raise_if_stopped()
        process = Process.start(command)
        try:
            while (code := process.exit_code) is None:
                self.tick()
                time.sleep(POLL_S)
        finally:
            process.stop()
        if code != 0:
            raise process.failure(f"ended with code {code}")

    def watch(self) -> None:
        """Until the run is to end; raises Stopped then."""
        while True:
            self.tick()
            time.sleep(POLL_S)

    def tick(self) -> None:
        """Restarts what has ended, each time later. Raises Stopped when the run is to end."""
        self._raise_if_stopped()
        now = self._clock()
        for child in self._children:
            if child.restart_at is not None:
                if now >= child.restart_at:
                    child.process = Process.start(child.process.command)
                    child.started_at, child.restart_at = now, None
            elif (code := child.process.exit_code) is not None:
                child.process.stop()  # what is left of its group
                self._plan_restart(child, code, now)

    def stop(self) -> None:
        """Ends every child, the last started first."""
        while self._children:
            self._children.pop().process.stop()

    def _plan_restart(self, child: _Child, code: int, now: float) -> None:
        if now - child.started_at > STABLE_S:
            child.backoff_s = BACKOFF_S
        wait_s, command = child.backoff_s, child.process.command
        child.restart_at = now + wait_s
        child.backoff_s = min(2 * wait_s, BACKOFF_S_MAX)
        self._say(f"{command.name} ended with code {code}; starting it again in {wait_s:g} s ({command.log})")

    def _is_ready(self, child: _Child) -> bool:
        self._raise_if_stopped()
        return child.ready()

    def _raise_if_stopped(self) -> None:
        if self._stopped():
            raise Stopped
