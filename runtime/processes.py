"""A child process of ours: its own group, its own log, and never alive after the one who started it."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

TAIL_LINES: Final = 15
POLL_S: Final = 0.02
PR_SET_PDEATHSIG: Final = 1


class ProcessFailed(Exception):
    """A child did not start, or ended before it was ready. The message names its log and shows its end."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. Without a `log` it writes where we write; `confine` runs in the child before exec;
    `held` are descriptors that it keeps open. On Linux it gets `orphan_signal`, or else `stop_signal`, when
    the thread that started it is gone."""

    name: str
    argv: tuple[str, ...]
    log: Path | None
    env: Mapping[str, str]
    cwd: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    confine: Callable[[], None] | None = None
    held: tuple[int, ...] = ()
    orphan_signal: signal.Signals | None = None


@dataclass(slots=True)
class Process:
    """A started command. Start it from a thread that stays: on Linux the child ends with that thread."""

    command: Command
    _popen: subprocess.Popen[bytes] = field(repr=False)
    _group_is_ours: bool = True

    @classmethod
    def start(cls, command: Command) -> Self:
        """Raises ProcessFailed where it cannot be executed."""
        try:
            return cls(command, _spawn(command))
        except (OSError, subprocess.SubprocessError) as error:
            raise ProcessFailed(f"{command.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._popen.poll()

    def wait_until(self, ready: Callable[[], bool], *, limit_s: float) -> None:
        """An OSError of `ready` means not yet. Raises ProcessFailed if it ends first or the limit passes."""
        deadline = time.monotonic() + limit_s
        while self.exit_code is None:
            with suppress(OSError):
                if ready():
                    return
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready after {limit_s:.0f} s")
            time.sleep(POLL_S)
        raise self.failure(f"ended with code {self.exit_code} before it was ready")

    def wait(self) -> int:
        return self._popen.wait()

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def stop(self) -> None:
        """Asks, waits for the grace period, then kills."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(self.command.grace_s)
        self.kill()

    def ask_to_stop(self) -> None:
        """For who has other things to do in the grace period; `kill` comes after it."""
        self._popen.send_signal(self.command.stop_signal)

    def kill(self) -> None:
        """Kills whatever is left of its group."""
        if self._group_is_ours:  # once it is gone, the number may be given to a stranger
            self._group_is_ours = False
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def failure(self, what: str) -> ProcessFailed:
        """For people: what happened, the log and how it ends."""
        if (log := self.command.log) is None:
            return ProcessFailed(f"{self.command.name} {what}")
        try:
            lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        except OSError as error:
            return ProcessFailed(f"{self.command.name} {what}; {log} cannot be read: {error.strerror}")
        end = "".join(f"\n    {line}" for line in lines)
        return ProcessFailed(f"{self.command.name} {what}; the end of {log}:{end or ' nothing'}")


def _spawn(command: Command) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        if command.confine is not None:
            command.confine()
        # After `confine`: a change of user clears the setting.
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(command.orphan_signal or command.stop_signal))
        if os.getppid() != parent:
            os._exit(1)

    with nullcontext() if command.log is None else command.log.open("ab") as log:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - the servers are started by one thread, before any other
            pass_fds=command.held,
        )
