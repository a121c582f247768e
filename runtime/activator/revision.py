"""The instances of one function and the requests that wait for them. No HTTP.

Used from one event loop; whoever serves calls `tick` many times a second.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from typing import Any, Final, Protocol

from runtime.activator.waiting import Waiting
from runtime.func_yaml import Scale
from runtime.processes import ProcessFailed
from shared.domain.errors import Unavailable

logger = getLogger(__name__)

SCALE_UP_AFTER_S: Final = 1.0
START_AGAIN_S: Final = 1.0
START_AGAIN_S_MAX: Final = 10.0
STABLE_S: Final = 2.0
"""What ends sooner after it was ready is not started again at once."""
WAITING_MAX: Final = 10_000


class Instance(Protocol):
    """A process of the function, started."""

    @property
    def pid(self) -> int: ...

    @property
    def port(self) -> int: ...

    @property
    def exit_code(self) -> int | None: ...

    async def wait_ready(self) -> None:
        """Raises ProcessFailed."""

    async def stop(self) -> None:
        """Lets it drain, with a limit; nothing of it is left then."""


@dataclass(slots=True, eq=False)
class Running:
    """An instance that requests go to; `idle_since` is when the last one ended."""

    instance: Instance
    ready_at: float
    idle_since: float
    in_flight: int = 0


@dataclass(slots=True, eq=False)
class Revision:
    """`launch` starts an instance or raises ProcessFailed; `changed` is called when `instances` does."""

    name: str
    scale: Scale
    idle_s: float
    log: Path
    launch: Callable[[], Instance]
    changed: Callable[[], None]
    clock: Callable[[], float]
    _running: list[Running] = field(default_factory=list, init=False)
    _starting: Instance | None = field(default=None, init=False)
    _waiting: Waiting[Running] = field(default_factory=Waiting, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _ready_at: float = field(default=-math.inf, init=False)
    _start_after: float = field(default=-math.inf, init=False)
    _start_again_s: float = field(default=START_AGAIN_S, init=False)
    _to_replace: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)

    @property
    def instances(self) -> Sequence[Instance]:
        """Those that requests go to, and last the one that starts; none that drains."""
        starting = [self._starting] if self._starting is not None else []
        return [*(running.instance for running in self._running), *starting]

    async def acquire(self) -> Running:
        """An instance with room for a request, to be released after it. In order, and as long as it takes.

        Raises Unavailable where none starts, or too many wait.
        """
        if self._closed or len(self._waiting) >= WAITING_MAX:
            raise Unavailable(f"{self.name} {'stops' if self._closed else 'has too many requests waiting'}")
        if (free := self._free()) is not None:  # then nobody waits
            free.in_flight += 1
            return free
        place = self._waiting.join(self.clock())
        self._start_if_needed()
        return await self._waiting.turn(place, self.release)

    def release(self, running: Running) -> None:
        running.in_flight -= 1
        running.idle_since = self.clock()
        self._hand_out()

    def lost(self, running: Running, why: str) -> None:
        """It takes no request any more. It gets a successor, as a pod restarts its container: what it had
        accepted may still be to do."""
        if running not in self._running:
            return
        self._to_replace += 1
        self._take_away(running, f"process {running.instance.pid} {why}")
        if self.clock() - running.ready_at < STABLE_S:
            self._back_off()

    def tick(self) -> None:
        """Forgets what has ended, stops what is idle, and starts what is needed."""
        for running in [*self._running]:
            if (code := running.instance.exit_code) is not None:
                self.lost(running, f"ended with code {code}")
        idle_since = self.clock() - self.idle_s
        for running in [*self._running]:
            is_spare = len(self._running) > self.scale.min
            if is_spare and not running.in_flight and running.idle_since <= idle_since:
                self._take_away(running, f"idle for {self.idle_s:g} s")
        self._start_if_needed()

    def close(self) -> None:
        """Starts nothing more; who waits is sent away."""
        self._closed = True
        self._waiting.send_away(f"{self.name} stops")

    async def stop(self) -> None:
        """Ends all instances at the same time."""
        self.close()
        stopping = [instance.stop() for instance in self.instances]
        await asyncio.gather(*stopping, *self._tasks)
        self._running.clear()
        self.changed()

    def _free(self) -> Running | None:
        limit = self.scale.concurrency
        for running in self._running:
            if running.in_flight < limit or not limit:
                return running
        return None

    def _hand_out(self) -> None:
        while self._waiting and (free := self._free()) is not None:
            if self._waiting.give(free):
                free.in_flight += 1

    def _start_if_needed(self) -> None:
        if (why := self._reason_to_start(self.clock())) is not None:
            self._start(why)

    def _reason_to_start(self, now: float) -> str | None:
        running, most = len(self._running), self.scale.max
        if self._closed or self._starting is not None or now < self._start_after or 0 < most <= running:
            return None
        if running < self.scale.min:
            return f"at least {self.scale.min} wanted"
        if self._to_replace:
            return "in place of one that ended"
        if not self._waiting:
            return None
        if not running:
            return "a request waits"
        waiting_since = max(self._waiting.oldest_since, self._ready_at)
        return "requests wait" if now - waiting_since >= SCALE_UP_AFTER_S else None

    def _start(self, why: str) -> None:
        self._to_replace = max(0, self._to_replace - 1)
        try:
            instance = self.launch()
        except ProcessFailed as error:
            self._start_failed(error)
            return
        self._starting = instance
        self._tell(len(self.instances) - 1, why)
        self._in_background(self._make_ready(instance))

    async def _make_ready(self, instance: Instance) -> None:
        try:
            await instance.wait_ready()
        except ProcessFailed as error:
            self._starting = None
            if not self._closed:
                self._tell(len(self.instances) + 1, "it did not start")
                self._start_failed(error)
            await instance.stop()
            return
        self._starting = None
        self._ready_at = self.clock()
        self._running.append(Running(instance, ready_at=self._ready_at, idle_since=self._ready_at))
        self._hand_out()

    def _start_failed(self, error: ProcessFailed) -> None:
        logger.error("%s: next try in %g s at the earliest: %s", self.name, self._start_again_s, error)
        self._to_replace = 0
        self._back_off()
        if not self._running:
            self._waiting.send_away(f"{self.name} does not start; {self.log} says why")

    def _back_off(self) -> None:
        self._start_after = self.clock() + self._start_again_s
        self._start_again_s = min(2 * self._start_again_s, START_AGAIN_S_MAX)

    def _take_away(self, running: Running, why: str) -> None:
        self._running.remove(running)
        if self.clock() - running.ready_at >= STABLE_S:
            self._start_again_s = START_AGAIN_S
        self._tell(len(self.instances) + 1, why)
        self._in_background(running.instance.stop())

    def _tell(self, before: int, why: str) -> None:
        logger.info("%s: %d -> %d instances (%s)", self.name, before, len(self.instances), why)
        self.changed()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
