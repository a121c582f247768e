"""python -m runtime.ping_source: sends what the PingSources of the manifests say, until SIGTERM or SIGINT.

A tick that cannot be sent within five retries is lost, and so is each that falls due while it is down or
still busy with the one before: whoever needs what a tick stands for finds it in the state.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import urljoin
from uuid import uuid4

from eventing.event import Event
from eventing.publisher import Publisher
from runtime.broker.client import Addresses
from runtime.cron import Schedule
from runtime.manifest_documents import Destination
from runtime.ping_manifests import PingSource, load_ping_sources
from runtime.settings import CHECKOUT
from shared.adapters.system import system_clock
from shared.config import environment
from shared.domain.errors import Rejected, Unavailable
from shared.service.ports import Clock

MANIFESTS: Final = CHECKOUT / "eventing" / "manifests" / "base"
RETRIES: Final = 5
BACKOFF_S: Final = 0.05
LOOK_S: Final = 1.0
"""How soon it is noticed that the clock was set, if by more than this."""
PAUSE_S_MIN: Final = 0.001

Wait = Callable[[float], bool]
"""Waits so many seconds; true, at once, where it is time to end."""

logger = logging.getLogger("runtime.ping_source")


@dataclass(frozen=True, slots=True)
class PingSettings:
    """`manifests` is the folder with the PingSources; `services_file` says where Services listen."""

    brokers_url: str
    services_file: Path
    manifests: Path

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises Rejected."""
        if env.get("KUBERNETES_SERVICE_HOST"):
            raise Rejected.because("KUBERNETES_SERVICE_HOST", "is set: use Knative's PingSource in a cluster")
        return cls(
            brokers_url=f"http://127.0.0.1:{int(env.get('BROKER_PORT', '8081'))}",
            services_file=Path(env.get("STATE_DIR", CHECKOUT / ".state")) / "services.json",
            manifests=Path(env.get("PING_MANIFESTS", MANIFESTS)),
        )


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where a sink's name leads, on this machine."""

    brokers_url: str
    addresses: Addresses

    def url(self, sink: Destination, namespace: str) -> str:
        """Looked up anew each time. Raises Unavailable where nothing of that name listens here."""
        if (ref := sink.ref) is None:
            return sink.uri
        if ref.kind == "Broker":
            return urljoin(f"{self.brokers_url}/{ref.namespace or namespace}/{ref.name}", sink.uri)
        if (address := self.addresses.find(ref.name)) is None:
            raise Unavailable(f"no Service {ref.name} listens here")
        return urljoin(address, sink.uri)


class Ticks:
    """When the ticks of a schedule are due, by a clock that may be set at any time; at most one at a look."""

    def __init__(self, schedule: Schedule, now: datetime) -> None:
        self._schedule = schedule
        self._looked_at = now
        self.next = schedule.after(now)

    def is_due(self, now: datetime) -> bool:
        """Whether the next tick has come. Where the clock was set back, the next is counted from there."""
        if (self._looked_at - now).total_seconds() > LOOK_S:
            self.skip(now)
        self._looked_at = now
        return now >= self.next

    def skip(self, now: datetime) -> None:
        """Leave out what has come until now."""
        self._looked_at = now
        self.next = self._schedule.after(now)

    def pause_s(self) -> float:
        """Until the next tick is due or the clock is to be looked at again."""
        return min(max((self.next - self._looked_at).total_seconds(), PAUSE_S_MIN), LOOK_S)


def tick_on_time(source: PingSource, publish: Callable[[Event], None], clock: Clock, wait: Wait) -> None:
    """Sends each tick of the source as it comes, until it is time to end."""
    ticks = Ticks(source.schedule, clock())
    while not wait(ticks.pause_s()):
        now = clock()
        if ticks.is_due(now):
            send(source, now, publish, wait)
            ticks.skip(clock())


def send(source: PingSource, now: datetime, publish: Callable[[Event], None], wait: Wait) -> None:
    """Publishes a tick, or loses it with a warning, or is told to end."""
    event = replace(source.event, id=str(uuid4()), time=now)
    for retry in range(RETRIES + 1):
        try:
            publish(event)
        except Rejected as refusal:
            reason = str(refusal)
            break
        except Unavailable as error:
            reason = str(error)
            if retry < RETRIES and wait(BACKOFF_S * 2.0**retry):
                return
        else:
            logger.info("%s: %s sent", source, event.id)
            return
    logger.warning("%s: %s is lost: %s", source, event.id, reason)


def publisher(source: PingSource, sinks: Sinks) -> Callable[[Event], None]:
    def publish(event: Event) -> None:
        to = Publisher(sinks.url(source.sink, source.namespace))
        try:
            to.publish(event)
        finally:
            to.close()

    return publish


def serve(settings: PingSettings, clock: Clock, stop: threading.Event) -> bool:
    """Until `stop` is set; false where something of ours failed. Raises Rejected for bad manifests."""
    sources = load_ping_sources(settings.manifests)
    sinks = Sinks(settings.brokers_url, Addresses(settings.services_file))
    failed = threading.Event()

    def run(source: PingSource) -> None:
        try:
            tick_on_time(source, publisher(source, sinks), clock, stop.wait)
        except Exception:
            logger.exception("%s failed", source)
            failed.set()
            stop.set()

    for source in sources:
        logger.info("%s: %s, next %s", source, source.schedule, source.schedule.after(clock()).isoformat())
        # A daemon: the end does not wait for a sink that is slow to answer.
        threading.Thread(target=run, args=(source,), name=str(source), daemon=True).start()
    if not sources:
        logger.info("there is no PingSource in %s", settings.manifests)
    stop.wait()
    return not failed.is_set()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return 0 if serve(PingSettings.read(environment()), system_clock, stop) else 1
    except Rejected as refusal:
        for fault in refusal.faults:
            logger.error("%s", fault)
        return 2


if __name__ == "__main__":
    sys.exit(main())
