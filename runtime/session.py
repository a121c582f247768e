"""One run of the development runtime: what is started, in which order, and what it is told."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final, Self

import psycopg
import redis

import runtime.postgres
import runtime.redis
from runtime import functions, ports, state
from runtime.func_yaml import FunctionSpec, read_functions
from runtime.manifest_documents import Ref
from runtime.processes import Command
from runtime.settings import CHECKOUT, RuntimeSettings
from runtime.supervisor import Supervisor
from shared.config import environment
from shared.domain.errors import Fault, Rejected
from shared.migrations import upgrade

INHERITED: Final = ("PATH", "HOME", "TMPDIR", "TZ", "SSL_CERT_FILE")
API: Final = "billing-api"
START_LIMIT_S: Final = 60.0
CONNECT_LIMIT_S: Final = 10


class Session:
    """Enter it to hold the state folder; leaving it stops what was started, in reverse order."""

    def __init__(
        self, settings: RuntimeSettings, say: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._say = say
        self._stopped = stopped
        self._supervisor = Supervisor(say, stopped)
        self._stack = ExitStack()
        self._lock = -1
        self._admin_key = settings.admin_api_key
        self._database_url = settings.database_url
        self._redis_url = settings.redis_url

    def __enter__(self) -> Self:
        self._lock = state.claim(self._settings.state_dir, self._stopped)
        self._stack.callback(os.close, self._lock)
        self._stack.callback(self._supervisor.stop)
        self._admin_key = self._admin_key or state.admin_key(self._settings.state_dir)
        return self

    def __exit__(self, *_: object) -> None:
        self._say("stopping")
        self._stack.close()

    def bring_up(self) -> None:
        """Everything ready to serve. Raises Rejected, ProcessFailed, OSError, psycopg.Error or RedisError."""
        specs = read_functions(CHECKOUT / "functions")
        self._refuse_taken_ports()
        self._start_servers()
        self._say("migrating the database")
        upgrade(self._database_url)
        self._start_services(specs)

    def watch(self) -> None:
        """Keeps it up; raises Stopped when the run is to end."""
        self._supervisor.watch()

    def replay(self) -> None:
        """Sends the bundled trace through the broker and prints the bills. Raises ProcessFailed."""
        self._say("replaying the bundled trace through the broker")
        self._supervisor.run(
            Command(
                name="the replay",
                argv=(sys.executable, "-m", "runtime.replay"),
                log=None,
                env={
                    **_base_environment(),
                    "PYTHONPATH": str(CHECKOUT / "emitter"),
                    "API_URL": self._api_url,
                    "BROKER_URL": self._broker_url,
                    "DATABASE_URL": self._database_url,
                    "ADMIN_API_KEY": self._admin_key,
                    "STATE_DIR": str(self._settings.state_dir),
                },
                cwd=CHECKOUT,
            )
        )

    def describe(self) -> None:
        """Prints where everything is."""
        key = "as given in ADMIN_API_KEY" if self._settings.admin_api_key else self._admin_key
        print(f"""
  API        {self._api_url}/api/v1/health  (OpenAPI: {self._api_url}/api/v1/openapi.json)
  Broker     {self._broker_url}
  Admin key  {key}  (Authorization: Bearer …)
  Database   {self._database_url}
  State      {self._settings.state_dir}
""")
        if not self._settings.once:
            self._say("up; Ctrl-C stops it")

    @property
    def _api_url(self) -> str:
        return f"http://localhost:{self._settings.api_port}"

    @property
    def _broker_url(self) -> str:
        return f"http://localhost:{self._settings.broker_port}/billing/default"

    def _refuse_taken_ports(self) -> None:
        wanted = {"API_PORT": self._settings.api_port, "BROKER_PORT": self._settings.broker_port}
        faults = [
            Fault(name, f"port {port} is in use by another program: stop it, or set {name} to a free port")
            for name, port in wanted.items()
            if not ports.is_free(port)
        ]
        if faults:
            raise Rejected(*faults)

    def _start_servers(self) -> None:
        if self._database_url:
            psycopg.connect(self._database_url, connect_timeout=CONNECT_LIMIT_S).close()
        else:
            self._say("starting PostgreSQL")
            postgres = runtime.postgres.prepare(self._settings.state_dir, held=(self._lock,))
            self._supervisor.start(postgres.command, postgres.ready, limit_s=runtime.postgres.READY_LIMIT_S)
            self._database_url = postgres.url
        if self._redis_url:
            with redis.Redis.from_url(self._redis_url, socket_connect_timeout=CONNECT_LIMIT_S) as client:
                client.ping()
        else:
            self._say("starting Redis")
            server = runtime.redis.prepare(self._settings.state_dir, held=(self._lock,))
            self._supervisor.start(server.command, server.ready, limit_s=runtime.redis.READY_LIMIT_S)
            self._redis_url = server.url
        self._supervisor.wait_ready()

    def _start_services(self, specs: tuple[FunctionSpec, ...]) -> None:
        environments = functions.environments(
            specs, self._secrets(), CHECKOUT / "eventing" / "manifests" / "base", self._address_of
        )
        free = iter(
            ports.some_free(len(specs), frozenset({self._settings.api_port, self._settings.broker_port}))
        )
        listening = {spec.name: self._settings.api_port if spec.name == API else next(free) for spec in specs}
        functions.publish_addresses(self._settings.state_dir / "services.json", listening)
        self._say("starting the broker")
        broker_answers = partial(ports.answers, self._settings.broker_port)
        self._supervisor.start(self._broker(), broker_answers, limit_s=START_LIMIT_S)
        logs = self._settings.state_dir / "logs"
        for spec in specs:
            self._say(f"starting {spec.name} on port {listening[spec.name]}")
            env = {**_base_environment(), **environments[spec.name]}
            server = functions.server(spec, env, listening[spec.name], CHECKOUT, logs)
            self._supervisor.start(server.command, server.ready, limit_s=START_LIMIT_S)
        self._supervisor.wait_ready()

    def _broker(self) -> Command:
        env = {
            **_base_environment(),
            "REDIS_URL": self._redis_url,
            "BROKER_PORT": str(self._settings.broker_port),
            "STATE_DIR": str(self._settings.state_dir),
        }
        if self._settings.triggers_dir is not None:
            env["TRIGGERS_DIR"] = str(self._settings.triggers_dir)
        log = self._settings.state_dir / "logs" / "broker.log"
        return Command("the broker", (sys.executable, "-m", "runtime.broker"), log, env, CHECKOUT)

    def _secrets(self) -> functions.Objects:
        return {
            ("secret", "billing-database"): {"url": self._database_url},
            ("secret", "billing-redis"): {"url": self._redis_url},
            ("secret", "billing-admin"): {"key": self._admin_key},
        }

    def _address_of(self, ref: Ref) -> str:
        if ref.kind != "Broker":
            raise Rejected.because(
                "SinkBinding", f"the development runtime has no {ref.kind} {ref.name} as a sink"
            )
        port = self._settings.broker_port
        return f"http://127.0.0.1:{port}/{ref.namespace or 'billing'}/{ref.name}"


def _base_environment() -> Mapping[str, str]:
    """The little that any program needs; nothing of ours reaches a function but by its func.yaml."""
    ours = environment()
    kept = {name: ours[name] for name in INHERITED if name in ours}
    return {**kept, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "ADDRESS": "127.0.0.1"}
