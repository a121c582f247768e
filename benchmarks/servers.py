"""What is measured, started as it is deployed: PostgreSQL that keeps what it confirms, functions as their
func.yaml says, and the whole product as `make run` starts it."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import psycopg

import runtime.postgres
import runtime.redis
from benchmarks import machine
from benchmarks.load import TENANTS, slug
from runtime import functions, ports
from runtime.func_yaml import FunctionSpec, read_functions
from runtime.processes import Command, Process
from runtime.seed import seed
from runtime.settings import CHECKOUT
from shared.migrations import upgrade

ADMIN_KEY: Final = "bench-admin-key"
READY_LIMIT_S: Final = 60.0
PRODUCT_LIMIT_S: Final = 180.0
PRODUCT_GRACE_S: Final = 90.0
IDLE_SECONDS: Final = 3600
QUIET_TENANTS: Final = 100
"""Tenants beside those of the load, whom nothing is sent for but what is measured."""
LOADED: Final = tuple(slug(n) for n in range(TENANTS + QUIET_TENANTS))
PLAN: Final = "faas-billing-rub"


@dataclass(frozen=True)
class Database:
    url: str

    @cached_property
    def connection(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), values).fetchall()

    def version(self) -> str:
        ((version,),) = self.rows("SHOW server_version")
        return str(version)

    def do(self, *statements: str) -> None:
        for statement in statements:
            self.connection.execute(statement.encode())

    def seed(self, plan: str, slugs: Sequence[str] = LOADED) -> None:
        """Tenants, on a plan."""
        now = "statement_timestamp()"
        self.connection.execute(
            "INSERT INTO tenant (id, slug, name, currency, timezone, created_at, updated_at)"
            f" SELECT gen_random_uuid(), s, s, 'RUB', 'UTC', {now}, {now} FROM unnest(%s::text[]) s".encode(),
            [list(slugs)],
        )
        self.connection.execute(
            "INSERT INTO tenant_alias SELECT slug, id FROM tenant WHERE slug = ANY(%s)", [list(slugs)]
        )
        self.connection.execute(
            "INSERT INTO subscription (tenant_id, starts_at, plan_id) SELECT t.id, '-infinity', p.id"
            " FROM tenant t, pricing_plan p WHERE t.slug = ANY(%s) AND p.name = %s",
            [list(slugs), plan],
        )
        self.do("ANALYZE tenant", "ANALYZE tenant_alias")


@dataclass(frozen=True, slots=True)
class Servers:
    """PostgreSQL, and where it is asked for Redis; `folder` takes state and logs."""

    folder: Path
    database: Database
    postgres_pid: int
    redis_url: str


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    postgres = runtime.postgres.prepare(folder, runtime.postgres.DURABLE)
    redis = runtime.redis.prepare(folder)
    with (
        running(postgres.command, postgres.ready) as process,
        running(redis.command, redis.ready),
    ):
        upgrade(postgres.url)
        seed(postgres.url)
        database = Database(postgres.url)
        database.seed(PLAN)
        yield Servers(folder, database, process.pid, redis.url)
        database.connection.close()


@contextmanager
def running(command: Command, ready: Callable[[], bool], limit_s: float = READY_LIMIT_S) -> Iterator[Process]:
    process = Process.start(command)
    try:
        process.wait_until(ready, limit_s=limit_s)
        yield process
    finally:
        process.stop()


@contextmanager
def sink(folder: Path) -> Iterator[int]:
    """The port of what takes the events of the functions, in place of a Broker."""
    (port,) = ports.some_free(1, frozenset())
    argv = (sys.executable, "-m", "benchmarks.sink", str(port))
    command = Command("the sink", argv, folder / "sink.log", functions.base_environment(), CHECKOUT)
    with running(command, lambda: ports.answers(port)):
        yield port


def function_command(servers: Servers, name: str, port: int, sink_port: int) -> Command:
    """As the activator starts it."""
    specs = read_functions(CHECKOUT / "functions")
    secrets = functions.secrets(servers.database.url, servers.redis_url, ADMIN_KEY)
    env = functions.environments(specs, secrets, CHECKOUT, sink_port)[name]
    return functions.command(
        spec_of(name), {**functions.base_environment(), **env}, port, CHECKOUT, servers.folder
    )


def spec_of(name: str) -> FunctionSpec:
    return next(spec for spec in read_functions(CHECKOUT / "functions") if spec.name == name)


@contextmanager
def function(servers: Servers, name: str, sink_port: int) -> Iterator[tuple[Process, int]]:
    """The function's process, ready, and its port."""
    (port,) = ports.some_free(1, frozenset())
    readiness = spec_of(name).readiness or "/"
    command = function_command(servers, name, port, sink_port)
    with running(command, lambda: request(port, "GET", readiness) == 200) as process:
        yield process, port


def request(port: int, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b"") -> int:
    """The status. Raises OSError where nobody listens."""
    return exchange(port, method, path, headers, body)[0]


def exchange(
    port: int, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def event_headers(type: str, source: str, id: str, tenant: str) -> Mapping[str, str]:
    attributes = {"specversion": "1.0", "type": type, "source": source, "id": id, "tenantid": tenant}
    return {"Content-Type": "application/json", **{f"ce-{name}": value for name, value in attributes.items()}}


def one_record(timestamp: str) -> bytes:
    return json.dumps({"timestamp": timestamp, "service_name": "service-0", "duration_ns": 10**8}).encode()


@dataclass(frozen=True, slots=True)
class Product:
    process: Process
    database: Database
    broker_port: int
    state_dir: Path

    def workers(self, name: str) -> list[int]:
        """The processes that serve the function, of all its instances."""
        instances = json.loads((self.state_dir / "instances.json").read_text())
        return [machine.worker(instance["pid"]) for instance in instances.get(name, [])]

    def outstanding(self) -> int:
        """What the Broker has accepted and not yet delivered."""
        status, body = exchange(self.broker_port, "GET", "/backlog")
        return int(json.loads(body)["outstanding"]) if status == 200 else -1


@contextmanager
def product(folder: Path) -> Iterator[Product]:
    """As `make run` starts it, with the tenants of the loads on a plan."""
    api_port, broker_port = ports.some_free(2, frozenset())
    state_dir, log = folder / "product", folder / "product.log"
    settings = {
        "STATE_DIR": str(state_dir),
        "API_PORT": str(api_port),
        "BROKER_PORT": str(broker_port),
        "ADMIN_API_KEY": ADMIN_KEY,
        "IDLE_SECONDS": str(IDLE_SECONDS),
        "PYTHONPATH": str(CHECKOUT / "emitter"),
    }
    command = Command(
        name="the product",
        argv=(sys.executable, "-m", "runtime"),
        log=log,
        env={**functions.base_environment(), **settings},
        cwd=CHECKOUT,
        grace_s=PRODUCT_GRACE_S,
    )
    is_up = lambda: b"Ctrl-C stops it" in log.read_bytes()  # noqa: E731
    with running(command, is_up, PRODUCT_LIMIT_S) as process:
        found = re.search(r"Database +(\S+)", log.read_text())
        assert found is not None, "the product names its database when it is up"
        database = Database(found[1])
        database.seed(PLAN)
        yield Product(process, database, broker_port, state_dir)
        database.connection.close()


def until(condition: Callable[[], bool], what: str, limit_s: float, pause_s: float = 0.02) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {limit_s:g} s")
        time.sleep(pause_s)
