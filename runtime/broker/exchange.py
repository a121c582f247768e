"""The Broker itself: what is accepted goes to the log of every Trigger it matches, and from there out."""

import asyncio
from collections.abc import Mapping
from logging import getLogger
from typing import Final

from runtime.broker import filters
from runtime.broker.chaos import Chaos
from runtime.broker.client import Client
from runtime.broker.delivery import Delivered, Outcome, refused
from runtime.broker.dispatcher import Dispatcher
from runtime.broker.log import Log
from runtime.broker.manifests import Broker, Trigger
from runtime.broker.message import TTL, Message, admit
from runtime.broker.metrics import Metrics
from runtime.broker.triggers import TriggerFiles
from shared.domain.errors import Rejected
from shared.service.ports import Clock

logger = getLogger(__name__)

WATCH_S: Final = 0.1
GRACE_S: Final = 4.0


class Exchange:
    """`start` before use, `stop` after it, both in one event loop."""

    def __init__(
        self, broker: Broker, files: TriggerFiles, log: Log, client: Client, clock: Clock, chaos: Chaos
    ) -> None:
        self.broker, self.metrics = broker, Metrics()
        self.ingress_url = f"http://broker-ingress.knative-eventing.svc.cluster.local{broker.path}"
        self._files, self._log, self._client, self._clock, self._chaos = files, log, client, clock, chaos
        self._dispatchers: dict[str, Dispatcher] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises Rejected for a bad Trigger file or a Redis that may forget, Unavailable without Redis."""
        if missing := await self._log.not_durable():
            raise Rejected.because("REDIS_URL", f"the server must be set to {', '.join(missing)}")
        triggers, faults = self._files.refresh() or ({}, [])
        if faults:
            raise Rejected(*faults)
        await self._apply(triggers)
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Lets requests in flight end; the rest is delivered after the next start."""
        if self._watcher is not None:
            self._watcher.cancel()
        await asyncio.gather(*(dispatcher.stop(GRACE_S) for dispatcher in self._dispatchers.values()))

    async def accept(self, event: Message) -> None:
        """Returns when the event is on disk. Raises Rejected, or Unavailable: then it may be there or not."""
        admitted = admit(event, self._clock())
        names = self._matching(admitted)
        try:
            if names:
                await self._log.append(names, admitted)
        finally:
            self._wake(names)
        self._chaos.before_answer()
        self.metrics.accepted.inc()

    def admit_reply(self, original: Message, reply: Message) -> Outcome:
        """A reply has the hops of the event it answers, and fails it if it is refused."""
        try:
            aged = reply.with_attributes(**{TTL: original.attributes[TTL]})
            return Delivered(admit(aged, self._clock()))
        except Rejected as error:
            return refused(self.ingress_url, error)

    async def settle(self, trigger: str, entry_id: bytes, reply: Message | None) -> None:
        """Ends an entry; its reply is in the log in the same step."""
        names = self._matching(reply) if reply is not None else ()
        try:
            await self._log.finish(trigger, entry_id, reply=reply, reply_to=names)
        finally:
            self._wake(names)

    async def backlog(self) -> dict[str, object]:
        """How many deliveries are not done, by Trigger, and how many letters no sink would take."""
        by_trigger = await self._log.outstanding(tuple(self._dispatchers))
        parked = await self._log.parked()
        return {"outstanding": sum(by_trigger.values()), "by_trigger": by_trigger, "parked": parked}

    def _matching(self, event: Message) -> tuple[str, ...]:
        triggers = (dispatcher.trigger for dispatcher in self._dispatchers.values())
        return self._chaos.doubled(
            trigger.name
            for trigger in triggers
            if filters.matches(trigger.filters, trigger.attributes, event.attributes)
        )

    def _wake(self, names: tuple[str, ...]) -> None:
        for name in names:
            if (dispatcher := self._dispatchers.get(name)) is not None:
                dispatcher.wake()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                await self._reload()
            except Exception:
                logger.exception("Triggers could not be read")

    async def _reload(self) -> None:
        if (found := self._files.refresh()) is not None:
            triggers, faults = found
            for fault in faults:
                logger.error("%s", fault)
            await self._apply(triggers)

    async def _apply(self, triggers: Mapping[str, Trigger]) -> None:
        gone = [self._dispatchers.pop(name) for name in [*self._dispatchers] if name not in triggers]
        for name, trigger in triggers.items():
            if name in self._dispatchers:
                self._dispatchers[name].trigger = trigger
            else:
                logger.info("Trigger %s is in force", name)
                self._dispatchers[name] = Dispatcher(trigger, self._log, self._client, self, self.metrics)
        for dispatcher in gone:
            logger.warning("Trigger %s is gone; its events wait for it", dispatcher.trigger.name)
            await dispatcher.stop(GRACE_S)
