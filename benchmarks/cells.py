"""One load, measured from the first byte sent to the last record folded, and checked."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from benchmarks import machine
from benchmarks.check import differences
from benchmarks.client import Orders, Sent
from benchmarks.load import KINDS, SPAN_S, TENANTS, Fault, Load, Shape, Truth
from benchmarks.sender import Sender
from benchmarks.servers import Database, until
from shared.adapters.system import system_clock

EVENTS_PER_S_MAX: Final = {1: 9_000, 100: 1_600, 1_000: 450}
"""How many are prepared for a second of sending."""
TOUCH_CONNECTIONS: Final = 8
FOLDED_LIMIT_S: Final = 180.0
ARRIVED_POLL_S: Final = 0.1
BUSY_CORE: Final = 0.85
EMPTIED: Final = ("usage_inbox", "payload", "usage_delta", "usage_window")
MEASURED: Final = {"payload": "payload", "inbox": "usage_inbox", "windows": "usage_window"}


@dataclass(frozen=True, slots=True)
class Cell:
    shape: Shape
    batch: int
    connections: int = 8

    def __str__(self) -> str:
        records = "1 record" if self.batch == 1 else f"{self.batch:,} records"
        return f"{records}, {self.shape}, {self.connections} connections"


@dataclass(frozen=True, slots=True)
class Measured:
    """Rates are of new events, over all the time until the last was folded. CPU is in µs per event."""

    events_per_s: float
    records_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]
    wal_bytes: float
    disk_bytes: dict[str, float]
    """Per record, as is `wal_bytes`."""
    client_bound: bool
    wrong: list[str]


def truncate(database: Database) -> int:
    """Nothing is left."""
    database.do(f"TRUNCATE {', '.join(EMPTIED)}", "CHECKPOINT")
    return 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a load goes and what it is answered with. `processes` have their CPU counted, by name; `tidy`
    takes away what the load before has left, and says how many events the inbox keeps."""

    database: Database
    port: int
    processes: Mapping[str, int]
    path: str = "/"
    status: int = 204
    tidy: Callable[[Database], int] = truncate


def load_of(cell: Cell, seconds: float, fault: Fault = "") -> Load:
    began = system_clock() - timedelta(seconds=SPAN_S)
    return Load(
        shape=cell.shape,
        batch=cell.batch,
        events=max(1, int(seconds * EVENTS_PER_S_MAX[cell.batch])),
        seed=random.SystemRandom().getrandbits(40),
        began=began.isoformat(timespec="seconds"),
        fault=fault,
    )


def touch(target: Target) -> None:
    """A record of every revision, so that nothing is new to anybody any more."""
    load = replace(load_of(Cell("hot", 100), 1), shape="touch", batch=KINDS, events=TENANTS)
    sent = send(target, load, TOUCH_CONNECTIONS, FOLDED_LIMIT_S)
    wait_until_folded(target.database, sent.truth)


def measure(target: Target, cell: Cell, seconds: float, fault: Fault = "") -> Measured:
    """Raises SenderFailed or TimeoutError."""
    database = target.database
    kept, sizes = target.tidy(database), _sizes(database)
    sender = Sender(_orders(target, load_of(cell, seconds, fault), cell.connections, seconds))
    at_rest, wal, began = _cpu(target), _wal(database), time.perf_counter()
    sent = sender.run()
    wait_until_folded(database, sent.truth)
    took_s = time.perf_counter() - began
    wal, used = _wal(database) - wal, {name: s - at_rest[name] for name, s in _cpu(target).items()}
    events, records = sent.truth.events, sent.truth.records
    return Measured(
        events_per_s=events / took_s,
        records_per_s=records / took_s,
        p50_ms=sent.p50_ms,
        p99_ms=sent.p99_ms,
        cpu_us={name: s / events * 1e6 for name, s in {"client": sent.cpu_s, **used}.items()},
        wal_bytes=wal / records,
        disk_bytes={name: (size - sizes[name]) / records for name, size in _sizes(database).items()},
        client_bound=sent.cpu_s / sent.seconds > BUSY_CORE > used.get("function", 0) / took_s,
        wrong=differences(database, sent.truth, kept),
    )


def wait_until_folded(database: Database, truth: Truth) -> None:
    """Until all that was sent is accepted and none of it waits to be folded."""

    def arrived() -> bool:
        # Of an event there is one payload with its key in the inbox, which may be too long to count.
        ((count,),) = database.rows("SELECT count(*) FROM payload")
        return bool(count >= truth.events)

    def folded() -> bool:
        return database.rows("SELECT FROM usage_delta LIMIT 1") == []

    until(arrived, "usage accepted", FOLDED_LIMIT_S, ARRIVED_POLL_S)
    until(folded, "usage folded", FOLDED_LIMIT_S)


def send(target: Target, load: Load, connections: int, seconds: float) -> Sent:
    return Sender(_orders(target, load, connections, seconds)).run()


def _orders(target: Target, load: Load, connections: int, seconds: float) -> Orders:
    return Orders(load, target.port, target.path, target.status, connections, seconds)


def _cpu(target: Target) -> dict[str, float]:
    return {name: machine.cpu_s(pid) for name, pid in target.processes.items()}


def _wal(database: Database) -> float:
    ((lsn,),) = database.rows("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    return float(lsn)


def _sizes(database: Database) -> dict[str, float]:
    """Of the tables, with their indexes and partitions."""
    return {name: _size(database, table) for name, table in MEASURED.items()}


def _size(database: Database, table: str) -> float:
    ((size,),) = database.rows(
        "SELECT pg_total_relation_size(%s) + coalesce(sum(pg_total_relation_size(relid)), 0)"
        " FROM pg_partition_tree(%s) WHERE isleaf",
        table,
        table,
    )
    return float(size)
