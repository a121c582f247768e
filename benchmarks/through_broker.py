"""The same loads through the product's Broker, how soon they show, and whether anything grows for long."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks import machine
from benchmarks.cells import EMPTIED, Cell, Target, load_of, send, wait_until_folded
from benchmarks.check import differences
from benchmarks.load import TENANTS, Truth, slug
from benchmarks.servers import Product, event_headers, one_record, request, until
from eventing import types
from shared.adapters.system import system_clock

BROKER_PATH: Final = "/billing/default"
AGGREGATOR: Final = "billing-aggregator"
SEEN_LIMIT_S: Final = 60.0
SEEN_POLL_S: Final = 0.005
QUIET_LIMIT_S: Final = 180.0
QUIET_POLL_S: Final = 0.2
ROUND_S: Final = 20.0
LONG: Final = Cell("uniform", 100)


def target_of(product: Product) -> Target:
    """Of the product as a whole the CPU is counted."""
    processes = {"product": product.process.pid}
    return Target(product.database, product.broker_port, processes, BROKER_PATH, status=202)


def wait_until_quiet(product: Product) -> None:
    """Until all is announced and delivered, so that one load does not pay for the one before."""

    def announced() -> bool:
        waiting = (
            "SELECT FROM tenant_usage WHERE changed_from IS NOT NULL UNION ALL SELECT FROM outbox LIMIT 1"
        )
        return product.database.rows(waiting) == [] and product.outstanding() == 0

    until(announced, "everything announced", QUIET_LIMIT_S, QUIET_POLL_S)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from 202 to the window and to the accrued cost, of quiet tenants one after the other."""

    window_s: list[float] = field(default_factory=list)
    cost_s: list[float] = field(default_factory=list)


def latency(product: Product, samples: int) -> Latency:
    """One more than the samples is sent first, which finds the functions asleep."""
    found = Latency()
    for n in range(samples + 1):
        window_s, cost_s = _sample(product, slug(TENANTS + n))
        if n:
            found.window_s.append(window_s)
            found.cost_s.append(cost_s)
    return found


def _sample(product: Product, tenant: str) -> tuple[float, float]:
    database = product.database
    ((id,),) = database.rows("SELECT id FROM tenant WHERE slug = %s", tenant)
    now = system_clock().isoformat()
    headers = event_headers(types.USAGE_RECORDED, "/bench/latency", now, tenant)
    status = request(product.broker_port, "POST", BROKER_PATH, headers, one_record(now))
    accepted = time.perf_counter()
    assert status == 202, status

    def seen_in(table: str) -> float:
        query = f"SELECT FROM {table} WHERE tenant_id = %s LIMIT 1"
        until(lambda: database.rows(query, id) != [], f"{tenant} in {table}", SEEN_LIMIT_S, SEEN_POLL_S)
        return time.perf_counter() - accepted

    return seen_in("usage_aggregate"), seen_in("accrued_cost")


@dataclass(frozen=True, slots=True)
class State:
    """What may grow, in bytes where it is no number of things. Memory is of the largest process of the
    aggregator; `broker` is the disk of the Broker's store."""

    minutes: float
    instances: int
    pss: int
    peak: int
    connections: int
    unfolded: int
    stream: int
    broker: int
    database: int


@dataclass(slots=True)
class Stay:
    """How it was over the time of a long load, looked at whenever a part of it was folded."""

    states: list[State] = field(default_factory=list)
    records: int = 0
    wrong: list[str] = field(default_factory=list)


def stay(product: Product, minutes: float, say: Callable[[str], None]) -> Stay:
    """Loads until the time is up, then checks all that was sent; the last state is when all is quiet."""
    target, found, truth = target_of(product), Stay(), Truth()
    target.database.do(f"TRUNCATE {', '.join(EMPTIED)}")
    began = time.monotonic()
    round_s = min(ROUND_S, minutes * 60)
    while time.monotonic() - began < minutes * 60:
        truth.include(send(target, load_of(LONG, round_s), LONG.connections, round_s).truth)
        wait_until_folded(target.database, truth)
        found.records = truth.records
        found.states.append(_state(product, (time.monotonic() - began) / 60))
        say(f"long load: minute {found.states[-1].minutes:.1f}, {found.records:,} records")
    wait_until_quiet(product)
    found.states.append(_state(product, (time.monotonic() - began) / 60))
    found.wrong = differences(target.database, truth)
    return found


def _state(product: Product, minutes: float) -> State:
    workers = product.workers(AGGREGATOR)
    ((connections, unfolded, database),) = product.database.rows(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
        " (SELECT count(*) FROM usage_delta), pg_database_size(current_database())"
    )
    return State(
        minutes=minutes,
        instances=len(workers),
        pss=max(map(machine.pss_bytes, workers), default=0),
        peak=max(map(machine.peak_bytes, workers), default=0),
        connections=connections,
        unfolded=unfolded,
        stream=product.outstanding(),
        broker=machine.disk_bytes(product.state_dir / "redis"),
        database=database,
    )
