"""PostgreSQL away for longer than everybody's patience, and Redis killed while it is full."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import runtime.postgres
from runtime.processes import Process
from tests.chaos.chaos import sweep
from tests.chaos.reaper import family
from tests.e2e.checkout import Checkout
from tests.e2e.product import Product, running_product, until

EVENTS = 80
USAGE = "dev.faasbilling.usage.recorded.v1"
NEVER = "0 0 29 2 *"
LIMIT_S = 60


@dataclass
class Server:
    """A PostgreSQL that the product does not start itself, and so does not start again."""

    folder: Path
    process: Process | None = None

    def start(self) -> str:
        server = runtime.postgres.prepare(self.folder)
        self.process = Process.start(server.command)
        self.process.wait_until(server.ready, limit_s=runtime.postgres.READY_LIMIT_S)
        return server.url

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None


@contextmanager
def product_with_its_own_database(folder: Path, **delivery: object) -> Iterator[tuple[Product, Server]]:
    checkout = Checkout.copy(folder / "checkout")
    checkout.set_delivery(**delivery)
    checkout.set_schedule("sweep", NEVER)
    server = Server(folder / "database")
    (folder / "run").mkdir()
    try:
        settings = {"DATABASE_URL": server.start()}
        with running_product(folder / "run", checkout.path, settings) as product:
            yield product, server
    finally:
        server.stop()


@pytest.mark.timeout(3 * LIMIT_S)
def test_usage_outlives_all_retries_and_is_drained_when_postgresql_is_back(tmp_path: Path) -> None:
    impatient = {"retry": 2, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S"}
    with product_with_its_own_database(tmp_path, **impatient) as (product, server):
        tenant = product.tenant("outage")
        send(product, tenant, "before", EVENTS)
        product.settle_usage()
        server.stop()
        send(product, tenant, "during", EVENTS)
        until(lambda: product.backlog() == 0, LIMIT_S, product.output)
        assert len(product.dead_letters()) == EVENTS
        server.start()
        assert counted(product, tenant) == EVENTS
        until(lambda: swept(product) and counted(product, tenant) == 2 * EVENTS, LIMIT_S, product.output)
        until(lambda: swept(product) and not waiting(product), LIMIT_S, product.output)
        assert counted(product, tenant) == 2 * EVENTS


@pytest.mark.timeout(3 * LIMIT_S)
def test_what_a_full_broker_holds_outlives_kill_9_of_redis_and_of_the_product(tmp_path: Path) -> None:
    patient = {"retry": 12, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S"}
    with product_with_its_own_database(tmp_path, **patient) as (product, server):
        tenant = product.tenant("full")
        server.stop()
        send(product, tenant, "during", EVENTS)
        assert product.backlog() >= EVENTS
        (killed,) = pids_of_redis(product)
        os.kill(killed, signal.SIGKILL)
        until(lambda: pids_of_redis(product) not in ([], [killed]), LIMIT_S, product.output)
        product.kill()
        server.start()
        product.restart()
        until(lambda: counted(product, tenant) == EVENTS and swept(product), LIMIT_S, product.output)
        product.settle()
        assert counted(product, tenant) == EVENTS
        assert not waiting(product)


def send(product: Product, tenant: str, what: str, count: int) -> None:
    data = {"timestamp": "2025-03-10T10:00:00Z", "service_name": "f", "duration_seconds": 1, "memory_mb": 128}
    for n in range(count):
        attributes = {"id": f"{what}-{n}", "source": f"/outage/{tenant}", "type": USAGE, "tenantid": tenant}
        assert product.send_event(json.dumps(data).encode(), attributes).status == 202


def pids_of_redis(product: Product) -> list[int]:
    return [one.pid for one in family(product.pid) if one.kind == "Redis"]


def counted(product: Product, tenant: str) -> int:
    """In the windows, without folding what waits."""
    try:
        rows = product.rows(
            "SELECT coalesce(sum(invocations), 0) FROM usage_aggregate JOIN tenant ON tenant.id = tenant_id"
            f" WHERE window_size = '1d' AND slug = '{tenant}'"
        )
    except psycopg.OperationalError:
        return -1
    return int(rows[0][0])


def waiting(product: Product) -> int:
    answer = product.api("GET", "/dead-letters", query={"state": "waiting"})
    return len(answer.json["items"]) if answer.status == 200 else -1


def swept(product: Product) -> bool:
    """Whether a sweep was asked for."""
    sweep(product)
    return True
