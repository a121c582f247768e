"""One run of the development runtime: what is started, in which order, and what it is told."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

import runtime.postgres
import runtime.redis
from runtime import functions, ping_source, ports, state
from runtime.func_yaml import FunctionSpec, read_functions
from runtime.ping_manifests import load_ping_sources
from runtime.processes import Command
from runtime.settings import CHECKOUT, RuntimeSettings
from runtime.supervisor import Stopped, Supervisor
from shared.config import environment
from shared.domain.errors import Fault, Rejected
from shared.migrations import upgrade

BROKER_SWITCHES: Final = "BROKER_CHAOS"
API: Final = "billing-api"
START_LIMIT_S: Final = 60.0
GRACE_S: Final = 10.0
CONNECT_LIMIT_S: Final = 10
ACTIVATOR_GRACE_S: Final = functions.GRACE_S + 20
"""It ends what is in flight, then gives the functions theirs."""


class Session:
    def __init__(
        self, settings: RuntimeSettings, say: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._say = say
        self._supervisor = Supervisor(say, stopped)
        self._logs = settings.state_dir / "logs"
        self._api_url = f"http://localhost:{settings.api_port}"
        self._broker_url = f"http://localhost:{settings.broker_port}/billing/default"
        self._admin_key = settings.admin_api_key
        self._database_url = settings.database_url
        self._redis_url = settings.redis_url

    def run(self) -> None:
        """Everything up and the trace billed; then, unless that was all, until it is asked to end.

        Raises Stopped if it is asked before; Rejected, StateInUse, ProcessFailed, OSError or psycopg.Error.
        """
        lock = state.claim(self._settings.state_dir)
        try:
            specs = read_functions(CHECKOUT / "functions")
            load_ping_sources(ping_source.MANIFESTS)
            self._refuse_taken_ports()
            self._begin_logs()
            self._start_servers(lock)
            self._say("migrating the database")
            upgrade(self._database_url)
            self._admin_key = self._admin_key or state.admin_key(self._settings.state_dir)
            self._start_services(specs)
            self._replay()
            self._describe()
            if not self._settings.once:
                self._say("up; Ctrl-C stops it")
                with suppress(Stopped):
                    self._supervisor.watch()
        finally:
            self._say("stopping")
            self._supervisor.stop()
            self._say("stopped")

    def _refuse_taken_ports(self) -> None:
        wanted = {"API_PORT": self._settings.api_port, "BROKER_PORT": self._settings.broker_port}
        faults = [
            Fault(name, f"port {port} is in use by another program: stop it, or set {name} to a free port")
            for name, port in wanted.items()
            if not ports.is_free(port)
        ]
        if faults:
            raise Rejected(*faults)

    def _begin_logs(self) -> None:
        shutil.rmtree(self._logs, ignore_errors=True)
        self._logs.mkdir()

    def _start_servers(self, lock: int) -> None:
        if self._database_url:
            psycopg.connect(self._database_url, connect_timeout=CONNECT_LIMIT_S).close()
        else:
            self._say("starting PostgreSQL")
            postgres = runtime.postgres.prepare(self._settings.state_dir, held=(lock,))
            self._supervisor.start(postgres.command, postgres.ready, limit_s=runtime.postgres.READY_LIMIT_S)
            self._database_url = postgres.url
        if not self._redis_url:
            self._say("starting Redis")
            redis = runtime.redis.prepare(self._settings.state_dir, held=(lock,))
            self._supervisor.start(redis.command, redis.ready, limit_s=runtime.redis.READY_LIMIT_S)
            self._redis_url = redis.url
        self._supervisor.wait_ready()

    def _start_services(self, specs: Sequence[FunctionSpec]) -> None:
        secrets = functions.secrets(self._database_url, self._redis_url, self._admin_key)
        names = functions.environments(specs, secrets, CHECKOUT, self._settings.broker_port).keys()
        taken = frozenset({self._settings.api_port, self._settings.broker_port})
        listening = dict(zip(names, ports.some_free(len(names), taken), strict=True))
        listening[API] = self._settings.api_port
        addresses = {name: f"http://127.0.0.1:{port}" for name, port in listening.items()}
        # Where the activator listens for each, and where the broker finds `ref: {kind: Service}`.
        state.write_whole(self._settings.state_dir / "services.json", json.dumps(addresses, indent=2) + "\n")
        self._say("starting the broker")
        broker = self._program("the broker", "runtime.broker", self._logs / "broker.log")
        broker_answers = partial(ports.answers, self._settings.broker_port)
        self._supervisor.start(broker, broker_answers, limit_s=START_LIMIT_S)
        self._say("starting the activator: a function starts with its first request")
        activator = self._program(
            "the activator", "runtime.activator", self._logs / "activator.log", grace_s=ACTIVATOR_GRACE_S
        )
        doors = listening.values()
        self._supervisor.start(activator, lambda: all(map(ports.answers, doors)), limit_s=START_LIMIT_S)
        self._supervisor.wait_ready()
        # Nobody asks it anything; its log tells what it sends.
        pings = self._program("the ping source", "runtime.ping_source", self._logs / "ping-source.log")
        self._supervisor.start(pings, lambda: True, limit_s=START_LIMIT_S)

    def _replay(self) -> None:
        self._say("replaying the bundled trace through the broker")
        self._supervisor.run(self._program("the replay", "runtime.replay", log=None))

    def _program(self, name: str, module: str, log: Path | None, grace_s: float = GRACE_S) -> Command:
        """A program of this folder, told all that there is to know."""
        env = {
            **functions.base_environment(),
            "PYTHONPATH": str(CHECKOUT / "emitter"),
            "STATE_DIR": str(self._settings.state_dir),
            "TRIGGERS_DIR": str(self._settings.triggers_dir or ""),
            "DATABASE_URL": self._database_url,
            "REDIS_URL": self._redis_url,
            "ADMIN_API_KEY": self._admin_key,
            "API_URL": self._api_url,
            "BROKER_URL": self._broker_url,
            "BROKER_PORT": str(self._settings.broker_port),
            "IDLE_SECONDS": str(self._settings.idle_seconds),
            BROKER_SWITCHES: environment().get(BROKER_SWITCHES, ""),
        }
        return Command(name, (sys.executable, "-m", module), log, env, CHECKOUT, grace_s=grace_s)

    def _describe(self) -> None:
        key = "as given in ADMIN_API_KEY" if self._settings.admin_api_key else self._admin_key
        print(f"""
  API        {self._api_url}/api/v1/health  (OpenAPI: {self._api_url}/api/v1/openapi.json)
  Broker     {self._broker_url}
  Admin key  {key}  (Authorization: Bearer …)
  Database   {self._database_url}
  State      {self._settings.state_dir}
""")
