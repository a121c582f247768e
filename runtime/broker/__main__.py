"""python -m runtime.broker: serves until SIGTERM or SIGINT, then lets requests in flight end."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import uvicorn
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runtime.broker.chaos import ENVIRONMENT as SWITCHES
from runtime.broker.chaos import Chaos, Switches
from runtime.broker.client import Addresses, Client
from runtime.broker.exchange import Exchange
from runtime.broker.ingress import create_app
from runtime.broker.log import Log
from runtime.broker.manifests import load_broker
from runtime.broker.triggers import TriggerFiles
from runtime.settings import CHECKOUT
from shared.adapters.system import system_clock
from shared.config import environment
from shared.domain.errors import Rejected, Unavailable

OVERLAY: Final = CHECKOUT / "eventing" / "manifests" / "overlays" / "in-memory"
REDIS_TIMEOUT_S: Final = 30.0
KEEP_ALIVE_S: Final = 75
GRACE_S: Final = 4
BANNER: Final = "embedded broker for development: one node, no users, TLS or topics; not for production"

logger = logging.getLogger("runtime.broker")


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """`overlay` is the folder with the Broker's manifest; `trigger_folders` are watched."""

    redis_url: str
    port: int
    services_file: Path
    overlay: Path
    trigger_folders: tuple[Path, ...]
    switches: Switches

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises Rejected."""
        if env.get("KUBERNETES_SERVICE_HOST"):
            raise Rejected.because("KUBERNETES_SERVICE_HOST", "is set: use a real Broker in a cluster")
        if not env.get("REDIS_URL"):
            raise Rejected.because("REDIS_URL", "is not set")
        more = env.get("TRIGGERS_DIR", "")
        return cls(
            redis_url=env["REDIS_URL"],
            port=int(env.get("BROKER_PORT", "8081")),
            services_file=Path(env.get("STATE_DIR", CHECKOUT / ".state")) / "services.json",
            overlay=Path(env.get("BROKER_OVERLAY", OVERLAY)),
            trigger_folders=(CHECKOUT / "triggers", *([Path(more)] if more else [])),
            switches=Switches.read(env.get(SWITCHES, "")),
        )


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn would raise the signal again before the deliveries have ended."""
        yield


async def serve(settings: BrokerSettings) -> None:
    """Raises Rejected or Unavailable where it cannot start."""
    broker = load_broker(settings.overlay)
    redis = Redis.from_url(
        settings.redis_url,
        retry=Retry(NoBackoff(), 0),  # a write repeated by the client would be a second event
        socket_timeout=REDIS_TIMEOUT_S,
    )
    chaos = Chaos(settings.switches)
    client = Client.open(Addresses(settings.services_file), broker.namespace, chaos)
    files = TriggerFiles(settings.trigger_folders, broker)
    exchange = Exchange(broker, files, Log(redis, broker.path.strip("/")), client, system_clock, chaos)
    server = Server(
        uvicorn.Config(
            create_app(exchange),
            port=settings.port,
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, setattr, server, "should_exit", True)
    try:
        await exchange.start()
        logger.info("%s: http://localhost:%d%s", BANNER, settings.port, broker.path)
        if settings.switches != Switches():
            logger.warning("test switches are on: %s", settings.switches)
        await server.serve()
    finally:
        await exchange.stop()
        await client.close()
        await redis.aclose()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(BrokerSettings.read(environment())))
    except (Rejected, Unavailable) as error:
        for fault in error.faults if isinstance(error, Rejected) else (error,):
            logger.error("%s", fault)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
