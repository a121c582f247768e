"""What was accepted and is not yet delivered: one Redis stream per Trigger.

An entry is there as long as its Trigger is not done with it, so the streams are the whole state: what they
hold after a crash is delivered again, and there is no position or acknowledgement to lose. Writes that arrive
together share one transaction, and so one wait for the disk.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.broker.message import Message
from shared.domain.errors import Unavailable

START: Final = b"-"
GROUP_COMMANDS_MAX: Final = 64
LAZY_S: Final = 0.01  # a removal is in no hurry, and may share the wait of an append
DURABLE: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}

Command = tuple[str | bytes, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    id: bytes
    event: Message


class Log:
    """Every method raises Unavailable where Redis is away; a write may then have happened nevertheless."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._prefix = f"broker:{name}"
        self._waiting: list[tuple[Sequence[Command], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def not_durable(self) -> list[str]:
        """Settings of the server with which an accepted event could be lost."""
        found = await self._ask(self._redis.config_get(*DURABLE))
        return [f"{name} {wanted}" for name, wanted in DURABLE.items() if found.get(name) != wanted]

    async def append(self, triggers: Collection[str], event: Message) -> None:
        """Returns when the event is on disk for all of them, or for none."""
        await self._commit([self._add(self._stream(trigger), event) for trigger in triggers])

    async def read(self, trigger: str, after: bytes, count: int) -> list[Entry]:
        """The first entries behind the id `after`, or from the START."""
        since = after if after == START else b"(" + after
        found = await self._ask(self._redis.xrange(self._stream(trigger), since, "+", count))
        return [Entry(entry_id, _unpack(fields)) for entry_id, fields in found]

    async def get(self, trigger: str, entry_id: bytes) -> Message | None:
        found = await self._ask(self._redis.xrange(self._stream(trigger), entry_id, entry_id))
        return _unpack(found[0][1]) if found else None

    async def finish(
        self, trigger: str, entry_id: bytes, *, reply: Message | None = None, reply_to: Collection[str] = ()
    ) -> None:
        """Removes an entry and in the same step appends what came back."""
        added = [self._add(self._stream(name), reply) for name in reply_to] if reply is not None else []
        await self._commit([*added, ("XDEL", self._stream(trigger), entry_id)], within_s=LAZY_S)

    async def park(self, trigger: str, entry_id: bytes, letter: Message) -> None:
        """Moves an entry to the letters that no sink would take."""
        parked = (*self._add(self._dead, letter), "trigger", trigger)
        await self._commit([parked, ("XDEL", self._stream(trigger), entry_id)])

    async def outstanding(self, triggers: Sequence[str]) -> dict[str, int]:
        """How many entries each Trigger is not done with."""
        pipeline = self._redis.pipeline(transaction=False)
        for trigger in triggers:
            pipeline.xlen(self._stream(trigger))
        return dict(zip(triggers, await self._ask(pipeline.execute()), strict=True))

    async def parked(self) -> int:
        return int(await self._ask(self._redis.xlen(self._dead)))

    @property
    def _dead(self) -> str:
        return f"{self._prefix}:dead"

    def _stream(self, trigger: str) -> str:
        return f"{self._prefix}:trigger:{trigger}"

    def _add(self, stream: str, event: Message) -> Command:
        attributes, headers = msgspec.json.encode(event.attributes), msgspec.json.encode(event.headers)
        return ("XADD", stream, "*", "attributes", attributes, "headers", headers, "body", event.body)

    async def _commit(self, commands: Sequence[Command], *, within_s: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((commands, written))
        loop.call_later(within_s, self._start_writing)
        await written

    def _start_writing(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP_COMMANDS_MAX], self._waiting[GROUP_COMMANDS_MAX:]
            pipeline = self._redis.pipeline(transaction=True)
            for commands, _ in group:
                for command in commands:
                    pipeline.execute_command(*command)
            failure: Unavailable | None = None
            try:
                await self._ask(pipeline.execute())
            except Unavailable as error:
                failure = error
            for _, written in group:
                if not written.done():
                    written.set_exception(failure) if failure else written.set_result(None)

    async def _ask(self, answer: Any) -> Any:
        try:
            return await answer
        except (RedisError, OSError) as error:
            raise Unavailable(f"Redis: {error}") from error


def _unpack(fields: Mapping[bytes, bytes]) -> Message:
    return Message(
        attributes=msgspec.json.decode(fields[b"attributes"], type=dict[str, str]),
        body=fields[b"body"],
        headers=msgspec.json.decode(fields[b"headers"], type=dict[str, str]),
    )
