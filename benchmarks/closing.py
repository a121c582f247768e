"""The month's close: how fast it is, and that one killed in the middle neither skips nor repeats."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks import machine, months
from benchmarks.fill import Say
from benchmarks.servers import Database, Servers, until
from runtime import functions
from runtime.processes import Command, Process
from runtime.settings import CHECKOUT

CLOSED_LIMIT_S: Final = 3_600.0
POLL_S: Final = 0.1
TABLES: Final = ("invoice", "invoice_line", "invoiced_period", "issued_number", "posting", "posting_entry")
FINAL: Final = "SELECT count(*) FROM invoice WHERE status <> 'draft'"


@dataclass(frozen=True, slots=True)
class Close:
    """Of one invoice for each tenant; `killed_at` were final when the first closer was killed.

    CPU is in ms per invoice, by process; what is written in bytes per invoice: the log, and the tables of
    invoices and of the ledger with their indexes.
    """

    invoices: int
    killed_at: int
    seconds: float
    cpu_ms: Mapping[str, float]
    wal_bytes: float
    disk_bytes: float
    wrong: list[str]

    @property
    def invoices_per_s(self) -> float:
        return self.invoices / self.seconds


def measure(servers: Servers, tenants: int, say: Say) -> Close:
    """Close last month for so many new tenants. The clock runs while a closer does, its start included.

    Raises TimeoutError, and ProcessFailed where a closer ends with an error.
    """
    database, month = servers.database, months.last_month()
    months.fill(database, tenants, month, say)
    size, wal = _size(database), _wal(database)
    used_s, children_s = machine.cpu_s(servers.postgres_pid), _children_s()
    seconds = _close(servers, until_final=tenants // 2)
    killed_at = _final(database)
    say(f"killed when {killed_at:,} of {tenants:,} invoices were final")
    wrong = [f"when it was killed: {line}" for line in months.numbering(database)]
    if not 0 < killed_at < tenants:
        wrong.append(f"{killed_at} invoices were final when it was killed: not in the middle")
    seconds += _close(servers)
    cpu_s = {
        "closer": _children_s() - children_s,
        "PostgreSQL": machine.cpu_s(servers.postgres_pid) - used_s,
    }
    return Close(
        invoices=tenants,
        killed_at=killed_at,
        seconds=seconds,
        cpu_ms={name: s / tenants * 1000 for name, s in cpu_s.items()},
        wal_bytes=(_wal(database) - wal) / tenants,
        disk_bytes=(_size(database) - size) / tenants,
        wrong=wrong + months.differences(database, month),
    )


def _close(servers: Servers, until_final: int | None = None) -> float:
    """The seconds that a closer ran: until it has nothing more to do, or is killed since so many invoices are
    final."""
    began = time.perf_counter()
    process = Process.start(_closer(servers))
    try:
        if until_final is not None:
            enough = lambda: _final(servers.database) >= until_final or process.exit_code is not None  # noqa: E731
            until(enough, "half of the month closed", CLOSED_LIMIT_S, POLL_S)
            process.send(signal.SIGKILL)
        else:
            until(lambda: process.exit_code is not None, "the month closed", CLOSED_LIMIT_S, POLL_S)
        code, seconds = process.wait(), time.perf_counter() - began
        if code not in (0, -signal.SIGKILL):
            raise process.failure(f"ended with code {code}")
        return seconds
    finally:
        process.kill()


def _closer(servers: Servers) -> Command:
    return Command(
        name="the closer",
        argv=(sys.executable, "-m", "benchmarks.closer"),
        log=servers.folder / "closer.log",
        env={**functions.base_environment(), "DATABASE_URL": servers.database.url},
        cwd=CHECKOUT,
    )


def _children_s() -> float:
    """CPU of all children that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def _final(database: Database) -> int:
    ((count,),) = database.rows(FINAL)
    return int(count)


def _wal(database: Database) -> float:
    ((lsn,),) = database.rows("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    return float(lsn)


def _size(database: Database) -> float:
    ((size,),) = database.rows(
        "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) name", [*TABLES]
    )
    return float(size)
