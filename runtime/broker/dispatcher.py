"""Delivers the events of one Trigger: to its subscriber, else to the dead-letter sink, else it parks them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from logging import ERROR, INFO, getLogger
from typing import Final, Protocol, TypeVar

from runtime.broker.client import Client
from runtime.broker.delivery import (
    Answer,
    Delivered,
    Failed,
    Outcome,
    judge,
    judge_sink,
    letter,
    sink_headers,
    subscriber_request,
    unreachable,
    wait_s,
)
from runtime.broker.log import START, Log
from runtime.broker.manifests import Trigger
from runtime.broker.message import Message
from runtime.broker.metrics import Metrics
from runtime.manifest_documents import Destination
from shared.domain.errors import Unavailable

logger = getLogger(__name__)

IN_FLIGHT_MAX: Final = 32
WAITING_MAX: Final = 10_000
READ_COUNT: Final = 16
LOOK_AGAIN_S: Final = 5.0
REDIS_PAUSE_S: Final = 0.5

T = TypeVar("T")


class Replies(Protocol):
    """What becomes of an answer that is an event."""

    ingress_url: str

    def admit_reply(self, original: Message, reply: Message) -> Outcome: ...

    async def settle(self, trigger: str, entry_id: bytes, reply: Message | None) -> None: ...


class Stopped(Exception):
    """The dispatcher stops; what it had in hand stays in the log."""


@dataclass(slots=True)
class Work:
    """An entry in delivery. The event is let go after the first attempt: retries may wait for an hour."""

    entry_id: bytes
    name: str
    event: Message | None


class Dispatcher:
    """`trigger` may be replaced while it runs; the next attempt follows the new one."""

    def __init__(
        self, trigger: Trigger, log: Log, client: Client, replies: Replies, metrics: Metrics
    ) -> None:
        self.trigger = trigger
        self._log, self._client, self._replies, self._metrics = log, client, replies, metrics
        self._news, self._stopping = asyncio.Event(), asyncio.Event()
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._in_memory = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._waiting = asyncio.Semaphore(WAITING_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader = self._spawn(self._read())

    def wake(self) -> None:
        self._news.set()

    async def stop(self, grace_s: float) -> None:
        """Lets requests in flight end; whatever is not done stays in the log."""
        self._stopping.set()
        self._reader.cancel()
        await asyncio.wait({self._reader, *self._tasks}, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Stopped:
            pass
        except Exception:
            logger.exception("Trigger %s: a bug; the event stays until the next start", self.trigger.name)

    async def _read(self) -> None:
        after = START
        while True:
            self._news.clear()
            entries = await self._persist(partial(self._log.read, self.trigger.name, after, READ_COUNT))
            for entry in entries:
                await self._in_memory.acquire()
                await self._waiting.acquire()
                task = self._spawn(self._deliver(Work(entry.id, entry.event.attributes["id"], entry.event)))
                task.add_done_callback(lambda _: self._waiting.release())
                after = entry.id
            if not entries:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK_AGAIN_S)

    async def _deliver(self, work: Work) -> None:
        outcome = await self._attempts(work, self._to_subscriber)
        if isinstance(outcome, Failed):
            await self._dead_letter(work, outcome)
            return
        await self._persist(partial(self._replies.settle, self.trigger.name, work.entry_id, outcome.reply))
        self._metrics.delivered.labels(self.trigger.name).inc()

    async def _dead_letter(self, work: Work, failure: Failed) -> None:
        sink = self.trigger.delivery.dead_letter_sink
        if sink is None:
            await self._park(work, failure, "there is no dead-letter sink")
            return
        outcome = await self._attempts(work, partial(self._to_sink, sink, failure))
        if isinstance(outcome, Failed):
            await self._park(work, failure, f"the dead-letter sink {outcome.reason}")
            return
        await self._persist(partial(self._replies.settle, self.trigger.name, work.entry_id, None))
        self._metrics.dead_lettered.labels(self.trigger.name).inc()
        logger.warning("Trigger %s: %s dead-lettered: %s", self.trigger.name, work.name, failure.reason)

    async def _park(self, work: Work, failure: Failed, why: str) -> None:
        event = await self._event(work)
        await self._persist(partial(self._log.park, self.trigger.name, work.entry_id, letter(event, failure)))
        self._metrics.parked.labels(self.trigger.name).inc()
        logger.error("Trigger %s: %s parked: %s, and %s", self.trigger.name, work.name, failure.reason, why)

    async def _attempts(self, work: Work, send: Callable[[Message], Awaitable[Outcome]]) -> Outcome:
        retry = 0
        while True:
            outcome = await self._attempt(work, send)
            if isinstance(outcome, Delivered):
                return outcome
            self._report(work, outcome)
            policy = self.trigger.delivery
            if not outcome.retryable or retry >= policy.retries:
                return outcome
            self._metrics.retried.labels(self.trigger.name).inc()
            await self._pause(wait_s(policy, retry))
            retry += 1

    async def _attempt(self, work: Work, send: Callable[[Message], Awaitable[Outcome]]) -> Outcome:
        async with self._in_flight:
            if self._stopping.is_set():
                raise Stopped
            first = work.event is not None
            try:
                return await send(await self._event(work))
            except (OSError, TypeError, ValueError) as error:
                logger.exception("Trigger %s: %s", self.trigger.name, work.name)
                return unreachable(self.trigger.name, repr(error))
            finally:
                if first:
                    work.event = None
                    self._in_memory.release()

    async def _event(self, work: Work) -> Message:
        if work.event is not None:
            return work.event
        event = await self._persist(partial(self._log.get, self.trigger.name, work.entry_id))
        if event is None:
            logger.error("Trigger %s: %s is gone from Redis", self.trigger.name, work.name)
            raise Stopped
        return event

    async def _to_subscriber(self, event: Message) -> Outcome:
        trigger = self.trigger
        headers, body = subscriber_request(event, trigger.namespace, structured=trigger.structured)
        answer = await self._client.post(trigger.subscriber, headers, body, trigger.delivery.timeout_s)
        outcome = judge(answer, self._replies.ingress_url) if isinstance(answer, Answer) else answer
        if isinstance(outcome, Delivered) and outcome.reply is not None:
            return self._replies.admit_reply(event, outcome.reply)
        return outcome

    async def _to_sink(self, sink: Destination, failure: Failed, event: Message) -> Outcome:
        headers = sink_headers(letter(event, failure), self.trigger.namespace)
        answer = await self._client.post(sink, headers, event.body, self.trigger.delivery.timeout_s)
        return judge_sink(answer) if isinstance(answer, Answer) else answer

    def _report(self, work: Work, failure: Failed) -> None:
        self._metrics.failed.labels(self.trigger.name).inc()
        level = INFO if failure.breach is None else ERROR
        logger.log(level, "Trigger %s: %s (event %s)", self.trigger.name, failure, work.name)

    async def _persist(self, action: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await action()
            except Unavailable as error:
                logger.warning("Trigger %s waits: %s", self.trigger.name, error)
                await self._pause(REDIS_PAUSE_S)

    async def _pause(self, duration_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), duration_s)
            raise Stopped
