"""Whether single events and reads cost the same once the inbox is full and holds a year of windows: a full
database and a small one by turns, on the same server."""

import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks import fill, year
from benchmarks.cells import Cell, Measured, Target, truncate
from benchmarks.check import accepted
from benchmarks.fill import Say
from benchmarks.load import TENANTS, slug
from benchmarks.reads import Api, Asked
from benchmarks.servers import PLAN, Database, Servers, event_headers, function, request
from eventing import types
from runtime.seed import seed
from shared.migrations import upgrade

SMALL, FULL = "small", "full"
SMALL_DAYS: Final = 62
"""Any so many hold a whole month."""
CELL: Final = Cell("uniform", 1)
RESENT: Final = 200
GB: Final = 10**9
KEY_BYTES: Final = 165
WINDOW_BYTES: Final = 500
"""Of a row, with its place in the index."""
BESIDE_BYTES: Final = 4 * GB
"""The log, the files that an index is sorted in, and what the loads add."""


@dataclass(frozen=True, slots=True)
class Size:
    """Rows in the inbox; tenants and days of windows."""

    keys: int
    tenants: int = 10
    days: int = 365

    @property
    def windows(self) -> int:
        return self.tenants * self.days * year.DAY_WINDOWS


class NoRoom(Exception):
    """The disk has too little left."""


def require_room(folder: Path, size: Size) -> None:
    """Raises NoRoom."""
    needed = size.keys * KEY_BYTES + size.windows * WINDOW_BYTES + BESIDE_BYTES
    if (free := shutil.disk_usage(folder).free) < needed:
        raise NoRoom(
            f"{size.keys:,} rows and the rest take {needed / GB:.0f} GB, {folder} has {free / GB:.0f}:"
            " ask for fewer with --rows, or name a folder on another disk with TMPDIR"
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """The databases by name, as the aggregator and as the API serve them. `index` is that of the full inbox
    and `buffers` what PostgreSQL keeps of all in memory, both in bytes."""

    size: Size
    targets: Mapping[str, Target]
    apis: Mapping[str, Api]
    index: int
    buffers: int


@dataclass(slots=True)
class Flat:
    """What was found of a pair; `loads` by database, `asked` by question."""

    pair: Pair
    loads: dict[str, dict[Cell, list[Measured]]] = field(default_factory=lambda: {SMALL: {}, FULL: {}})
    asked: dict[str, Asked] = field(default_factory=dict)


@contextmanager
def filled(servers: Servers, sink_port: int, size: Size, say: Say) -> Iterator[Pair]:
    """The small database is that of the servers, with two months of a tenant; the full one is made."""
    with (
        _another(servers, f"{FULL}_{servers.database.connection.info.dbname}") as other,
        _serving(servers, sink_port) as (small, small_port),
        _serving(other, sink_port) as (full, full_port),
    ):
        truncate(small.database)
        small_year = year.fill(small.database, small.port, 1, SMALL_DAYS, say)
        fill.inbox(full.database, size.keys, say)
        full_year = year.fill(full.database, full.port, size.tenants, size.days, say)
        ((index, buffers),) = full.database.rows(
            "SELECT sum(pg_indexes_size(relid))::bigint, pg_size_bytes(current_setting('shared_buffers'))"
            " FROM pg_partition_tree('usage_inbox') WHERE isleaf"
        )
        yield Pair(
            size=size,
            targets={SMALL: small, FULL: replace(full, tidy=keep_keys)},
            apis={SMALL: Api(small_port, small_year), FULL: Api(full_port, full_year)},
            index=index,
            buffers=buffers,
        )


def keep_keys(database: Database) -> int:
    """What the load before has left goes, but its keys: they stay for ever."""
    database.do(
        "TRUNCATE payload, usage_delta",
        "DELETE FROM usage_window USING tenant WHERE tenant.id = tenant_id AND slug LIKE 'bench-%'",
        "VACUUM usage_window",
    )
    kept = accepted(database)
    database.do("CHECKPOINT")
    return kept


def send_again(full: Target, keys: int) -> list[str]:
    """Events that fill the inbox come once more: what is wrong with the answers and with what they change."""
    kept, wrong = full.tidy(full.database), []
    for n in random.sample(range(min(keys, TENANTS)), min(keys, RESENT)):
        event = fill.known(tenant := slug(n))
        headers = event_headers(types.USAGE_RECORDED, fill.SOURCE, event.id, tenant)
        if (status := request(full.port, "POST", "/", headers, event.data)) != full.status:
            wrong.append(f"{event.id}, which fills the inbox, is answered with {status}")
    if new := accepted(full.database) - kept:
        wrong.append(f"{new} events that fill the inbox are counted again")
    return wrong


@contextmanager
def _another(servers: Servers, name: str) -> Iterator[Servers]:
    """The same servers with a database of its own, with the tenants of the loads."""
    ours = servers.database
    database = Database(urlsplit(ours.url)._replace(path=f"/{name}").geturl())
    (folder := servers.folder / name).mkdir()
    ours.do(f"CREATE DATABASE {name}")
    try:
        upgrade(database.url)
        seed(database.url)
        database.seed(PLAN)
        yield replace(servers, folder=folder, database=database)
    finally:
        database.connection.close()
        ours.do(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _serving(servers: Servers, sink_port: int) -> Iterator[tuple[Target, int]]:
    """The aggregator, and the port of the API."""
    with (
        function(servers, "billing-aggregator", sink_port) as (process, port),
        function(servers, "billing-api", sink_port) as (_, api_port),
    ):
        processes = {"function": process.pid, "PostgreSQL": servers.postgres_pid}
        yield Target(servers.database, port, processes), api_port
