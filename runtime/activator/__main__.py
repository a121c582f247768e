"""python -m runtime.activator: serves until SIGTERM or SIGINT, then lets all functions drain."""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from runtime import functions, ports, state
from runtime.activator.instance import ProcessInstance
from runtime.activator.proxy import door, open_client
from runtime.activator.revision import Revision
from runtime.func_yaml import FunctionSpec, Scale, read_functions
from runtime.settings import CHECKOUT
from shared.config import environment
from shared.domain.errors import Fault, Rejected

BACKLOG: Final = 1024
TICK_S: Final = 0.05
CORES_MIN: Final = 2
REQUESTS_GRACE_S: Final = 5.0
"""For requests in flight at the end; then the functions drain."""

logger = logging.getLogger("runtime.activator")


@dataclass(frozen=True, slots=True)
class ActivatorSettings:
    """`checkout` holds the functions and manifests, `state_dir` where each function's address is."""

    checkout: Path
    state_dir: Path
    secrets: Mapping[str, str]
    broker_port: int
    idle_s: float

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises Rejected."""
        if env.get("KUBERNETES_SERVICE_HOST"):
            raise Rejected.because("KUBERNETES_SERVICE_HOST", "is set: Knative scales the functions there")
        return cls(
            checkout=Path(env.get("ACTIVATOR_CHECKOUT", CHECKOUT)),
            state_dir=Path(env.get("STATE_DIR", CHECKOUT / ".state")),
            secrets=functions.secrets(
                env.get("DATABASE_URL", ""), env.get("REDIS_URL", ""), env.get("ADMIN_API_KEY", "")
            ),
            broker_port=int(env.get("BROKER_PORT", "8081")),
            idle_s=float(env.get("IDLE_SECONDS", "30")),
        )


class Activator:
    """Raises Rejected or OSError where it cannot start."""

    def __init__(self, settings: ActivatorSettings, client: aiohttp.ClientSession) -> None:
        specs = read_functions(settings.checkout / "functions")
        self._settings = settings
        self._client = client
        self._logs = settings.state_dir / "logs"
        self._environments = functions.environments(
            specs, settings.secrets, settings.checkout, settings.broker_port
        )
        self._listening = _ports(settings.state_dir / "services.json", self._environments)
        self._revisions = [
            Revision(
                spec.name,
                scale_here(spec),
                idle_s=settings.idle_s,
                log=self._logs / f"{spec.name}.log",
                launch=partial(self._launch, spec),
                changed=self._note,
                clock=time.monotonic,
            )
            for spec in specs
        ]
        self._runners: list[web.ServerRunner] = []

    async def listen(self) -> None:
        try:
            self._note()
        except OSError as error:
            logger.warning("the instances are not noted: %s", error)
        for revision in self._revisions:
            runner = web.ServerRunner(door(revision, self._client), shutdown_timeout=REQUESTS_GRACE_S)
            self._runners.append(runner)
            await runner.setup()
            port = self._listening[revision.name]
            await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
            logger.info("%s: http://localhost:%d", revision.name, port)

    async def work_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            for revision in self._revisions:
                revision.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), TICK_S)

    async def stop(self) -> None:
        for revision in self._revisions:
            revision.close()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        await asyncio.gather(*(revision.stop() for revision in self._revisions))

    def _launch(self, spec: FunctionSpec) -> ProcessInstance:
        env = {**functions.base_environment(), **self._environments[spec.name]}
        (port,) = ports.some_free(1, frozenset(self._taken()))
        command = functions.command(spec, env, port, self._settings.checkout, self._logs)
        return ProcessInstance(command, port, spec.readiness, spec.liveness, self._client)

    def _taken(self) -> Iterator[int]:
        yield from self._listening.values()
        for revision in self._revisions:
            yield from (instance.port for instance in revision.instances)

    def _note(self) -> None:
        """For people and tests: the processes of each function, without those that drain."""
        present = {
            revision.name: [{"pid": instance.pid, "port": instance.port} for instance in revision.instances]
            for revision in self._revisions
        }
        state.write_whole(self._settings.state_dir / "instances.json", json.dumps(present, indent=2) + "\n")


def scale_here(spec: FunctionSpec) -> Scale:
    """No more instances than there are cores for their workers: on one machine more would only share them."""
    cores = max(CORES_MIN, os.cpu_count() or 1)
    most = max(1, spec.scale.min, cores // int(spec.envs.get("WORKERS", "1")))
    return replace(spec.scale, max=min(spec.scale.max or most, most))


def _ports(services: Path, names: Mapping[str, object]) -> Mapping[str, int]:
    addresses: Mapping[str, str] = json.loads(services.read_text())
    found = {name: urlsplit(addresses.get(name, "")).port for name in names}
    faults = [Fault(str(services), f"has no address of {name}") for name in found if found[name] is None]
    if faults:
        raise Rejected(*faults)
    return {name: port for name, port in found.items() if port is not None}


async def serve(settings: ActivatorSettings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with open_client() as client:
        activator = Activator(settings, client)
        try:
            await activator.listen()
            await activator.work_until(stopping)
        finally:
            await activator.stop()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(ActivatorSettings.read(environment())))
    except (Rejected, OSError) as error:
        for fault in error.faults if isinstance(error, Rejected) else (error,):
            logger.error("%s", fault)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
