"""Instances that are ready, fail and end when a test says so, on a clock of the test's own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from runtime.activator.revision import Revision, Running
from runtime.func_yaml import Scale
from runtime.processes import ProcessFailed

LIMIT_S = 20.0
IDLE_S = 30.0
P = ParamSpec("P")


def in_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs an asynchronous test, with a limit."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            await asyncio.wait_for(test(*args, **kwargs), LIMIT_S)

        asyncio.run(limited())

    return run


async def settle() -> None:
    """Until everything that could go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


@dataclass(eq=False)
class FakeInstance:
    pid: int
    port: int
    exit_code: int | None = None
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    """It is set from the start, unless the test clears it."""
    alive: bool = True
    probes: int = 0
    asked_to_stop: bool = False
    stopped: bool = False

    def __post_init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.drained.set()

    async def wait_ready(self) -> None:
        await self.ready

    async def is_alive(self) -> bool:
        self.probes += 1
        return self.alive

    async def stop(self) -> None:
        self.asked_to_stop = True
        await self.drained.wait()
        self.stopped = True
        if not self.ready.done():
            self.ready.set_exception(ProcessFailed("it was stopped"))


class Fleet:
    """A Revision and all instances that it has started."""

    def __init__(
        self, *, min: int = 0, max: int = 0, concurrency: int = 0, ports: tuple[int, ...] = ()
    ) -> None:
        self.now = 1000.0
        self.launched: list[FakeInstance] = []
        self.launch_error: Exception | None = None
        self.note_error: Exception | None = None
        self.changes: list[list[int]] = []
        self.revision = Revision(
            "billing-tiny",
            Scale(min, max, concurrency),
            idle_s=IDLE_S,
            log=Path("/state/logs/billing-tiny.log"),
            launch=self._launch,
            changed=self._changed,
            clock=lambda: self.now,
        )
        self._ports = ports

    def pids(self) -> list[int]:
        return [instance.pid for instance in self.revision.instances]

    def request(self) -> asyncio.Task[Running]:
        return asyncio.create_task(self.revision.acquire())

    async def requests(self, count: int) -> list[asyncio.Task[Running]]:
        """That have come in this order."""
        tasks = [self.request() for _ in range(count)]
        await settle()
        return tasks

    async def ready(self) -> FakeInstance:
        """The instance that was started last, once it is ready."""
        instance = self.launched[-1]
        instance.ready.set_result(None)
        await settle()
        return instance

    async def running(self) -> Running:
        """The first request, on an instance that it has started."""
        (request,) = await self.requests(1)
        await self.ready()
        return await request

    async def fail(self, error: Exception | None = None) -> None:
        """The start of the last instance."""
        self.launched[-1].ready.set_exception(error or ProcessFailed("no such table"))
        await settle()

    async def after(self, duration_s: float) -> None:
        self.now += duration_s
        self.revision.tick()
        await settle()

    def _launch(self) -> FakeInstance:
        if self.launch_error is not None:
            raise self.launch_error
        number = len(self.launched)
        port = self._ports[min(number, len(self._ports) - 1)] if self._ports else 0
        self.launched.append(FakeInstance(100 + number, port))
        return self.launched[-1]

    def _changed(self) -> None:
        if self.note_error is not None:
            raise self.note_error
        self.changes.append(self.pids())
