"""Kills processes of a running product at random times."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.points import HITS, counts, done, missing, note

PAUSE_S = (0.1, 0.9)
KIND_PAUSE_S = 6.0
"""Between two kills of what is started again by a supervisor, which waits longer after each failed start."""


@dataclass(frozen=True)
class Running:
    pid: int
    kind: str


class Reaper:
    """Kills below the process `root`; `restart` kills that one, and returns when all is up again."""

    def __init__(
        self, folder: Path, root: Callable[[], int], restart: Callable[[], None], *, seed: int, restarts: int
    ) -> None:
        self._hits = folder / HITS
        self._root, self._restart, self._restarts = root, restart, restarts
        self._random = random.Random(seed)
        self._killed_at: dict[str, float] = {}

    def run(self, wanted: int, look_after: Callable[[], bool]) -> None:
        """Until `wanted` kills are done, by whomever, or `look_after` says that nothing flows any more.

        It leaves one for each named point that has not killed yet.
        """
        at = {wanted * (n + 1) // (self._restarts + 1) for n in range(self._restarts)}
        while look_after() and (kills := done(counts(self._hits), wanted)) < wanted:
            if due := {one for one in at if one <= kills}:
                at -= due
                note(self._hits, "any time: make run")
                self._restart()
            elif kills + len(missing(counts(self._hits))) < wanted:
                self._kill_one()
            time.sleep(self._random.uniform(*PAUSE_S))

    def _kill_one(self) -> None:
        now = time.monotonic()
        rested = [
            one
            for one in family(self._root())
            if now - self._killed_at.get(one.kind, -KIND_PAUSE_S) >= KIND_PAUSE_S or "billing-" in one.kind
        ]
        if not rested:
            return
        # By kind first: a database has many processes, a Broker one.
        kind = self._random.choice(sorted({one.kind for one in rested}))
        victim = self._random.choice([one for one in rested if one.kind == kind])
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            self._killed_at[kind] = now
            note(self._hits, f"any time: {kind}")


def family(root: int) -> Iterator[Running]:
    """The processes below `root`, each with what it is."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(
                int(stat.parent.name)
            )
    yield from _below(root, "", children)


def _below(pid: int, parent: str, children: dict[int, list[int]]) -> Iterator[Running]:
    for child in children.get(pid, ()):
        if kind := _kind(child, parent):
            yield Running(child, kind)
        yield from _below(child, kind, children)


def _kind(pid: int, parent: str) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        env = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if parent == "PostgreSQL":
            return "a PostgreSQL backend"
        if "functions.main" in words or parent.startswith("billing-"):
            (name,) = [line[10:].decode() for line in env if line.startswith(b"K_SERVICE=")]
            return f"{name} {'worker' if parent == name + ' server' else 'server'}"
        names = {
            "postgres": "PostgreSQL",
            "valkey": "Redis",
            "redis-server": "Redis",
            "runtime.broker": "broker",
            "runtime.activator": "activator",
            "runtime.ping_source": "ping source",
        }
        return next((kind for part, kind in names.items() if part in words), "")
    return ""
