"""Keeps the children of a run alive, and stops them in reverse order."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runtime.processes import POLL_S, Command, Process, ProcessFailed

BACKOFF_S: Final = 0.5
BACKOFF_S_MAX: Final = 30.0
STABLE_S: Final = 60.0


class Stopped(Exception):
    """Somebody asked the run to end."""


@dataclass(slots=True)
class _Child:
    command: Command
    ready: Callable[[], bool]
    limit_s: float
    process: Process
    started_at: float
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    """Used from one thread. `say` tells people; `stopped` turns true when the run is to end."""

    def __init__(self, say: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        self._say = say
        self._stopped = stopped
        self._children: list[_Child] = []

    def start(self, command: Command, ready: Callable[[], bool], *, limit_s: float) -> None:
        """Starts and from now on restarts it; `wait_ready` waits for it."""
        self._raise_if_stopped()
        process = Process.start(command)
        self._children.append(_Child(command, ready, limit_s, process, time.monotonic()))

    def wait_ready(self) -> None:
        """Until every child is ready. Raises ProcessFailed for the first that is not, or Stopped."""
        for child in self._children:
            child.process.wait_until(child.ready, limit_s=child.limit_s, stopped=self._stopped)
            self._raise_if_stopped()

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
        for child in self._children:
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    self._restart(child)
            elif (code := child.process.exit_code) is not None:
                child.process.stop()  # what is left of its group
                self._plan_restart(child, f"ended with code {code}")

    def stop(self) -> None:
        """Ends every child, the last started first."""
        while self._children:
            self._children.pop().process.stop()

    def _plan_restart(self, child: _Child, why: str) -> None:
        if time.monotonic() - child.started_at > STABLE_S:
            child.failures = 0
        wait_s = min(BACKOFF_S * 2.0**child.failures, BACKOFF_S_MAX)
        child.failures += 1
        child.restart_at = time.monotonic() + wait_s
        self._say(f"{child.command.name} {why}; starting it again in {wait_s:g} s ({child.command.log})")

    def _restart(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        child.restart_at = None
        try:
            child.process = Process.start(child.command)
        except ProcessFailed as error:
            self._plan_restart(child, str(error))

    def _raise_if_stopped(self) -> None:
        if self._stopped():
            raise Stopped
