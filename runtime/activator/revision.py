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
LIVENESS_PERIOD_S: Final = 10.0
LIVENESS_FAILURES_MAX: Final = 3
"""In a row; both as Kubernetes has them where nothing is said."""
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

    async def is_alive(self) -> bool:
        """Whether it answers its liveness probe; known in less than LIVENESS_PERIOD_S."""

    async def stop(self) -> None:
        """Lets it drain, with a limit; nothing of it is left then."""


@dataclass(slots=True, eq=False)
class Running:
    """An instance that requests go to; `idle_since` is when the last one ended."""

    instance: Instance
    ready_at: float
    idle_since: float
    in_flight: int = 0
    probed_at: float = -math.inf
    liveness_failures: int = 0


@dataclass(slots=True, eq=False)
class Revision:
    """`launch` starts an instance or raises ProcessFailed; `changed` is called when `instances` does.

    Whatever else `launch` and the instance raise is a failed start too; an OSError of `changed` is logged.
    """

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
        try:
            self._start_if_needed()
            return await place
        except BaseException:
            self._waiting.leave(place, self.release)
            raise

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
        """Forgets what has ended, stops what is idle, probes the others, and starts what is needed."""
        for running in [*self._running]:
            if (code := running.instance.exit_code) is not None:
                self.lost(running, f"ended with code {code}")
        idle_since = self.clock() - self.idle_s
        for running in [*self._running]:
            is_spare = len(self._running) > self.scale.min
            if is_spare and not running.in_flight and running.idle_since <= idle_since:
                self._take_away(running, f"idle for {self.idle_s:g} s")
        for running in self._running:
            if self.clock() - running.probed_at >= LIVENESS_PERIOD_S:
                running.probed_at = self.clock()
                self._in_background(self._probe(running))
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
        self._note()

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
        try:
            instance = self.launch()
        except Exception as error:
            self._start_failed(error)
            return
        self._starting = instance
        self._in_background(self._make_ready(instance, replaces=self._to_replace > 0))
        self._tell(len(self.instances) - 1, why)

    async def _make_ready(self, instance: Instance, *, replaces: bool) -> None:
        try:
            await instance.wait_ready()
        except Exception as error:
            self._starting = None
            if not self._closed:
                self._tell(len(self.instances) + 1, "it did not start")
                self._start_failed(error)
            await instance.stop()
            return
        self._starting = None
        self._to_replace -= replaces
        self._ready_at = self.clock()
        self._running.append(Running(instance, ready_at=self._ready_at, idle_since=self._ready_at))
        self._hand_out()

    async def _probe(self, running: Running) -> None:
        alive = await running.instance.is_alive()
        running.liveness_failures = 0 if alive else running.liveness_failures + 1
        if running.liveness_failures >= LIVENESS_FAILURES_MAX and not self._closed:
            self.lost(running, f"failed {LIVENESS_FAILURES_MAX} liveness probes")

    def _start_failed(self, error: Exception) -> None:
        logger.error(
            "%s: next try in %g s at the earliest: %s",
            self.name,
            self._start_again_s,
            error,
            exc_info=None if isinstance(error, ProcessFailed) else error,
        )
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
        self._in_background(running.instance.stop())
        self._tell(len(self.instances) + 1, why)

    def _tell(self, before: int, why: str) -> None:
        logger.info("%s: %d -> %d instances (%s)", self.name, before, len(self.instances), why)
        self._note()

    def _note(self) -> None:
        try:
            self.changed()
        except OSError as error:
            logger.warning("%s: the change of its instances is not noted: %s", self.name, error)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
