"""The least that the same durability costs: the same records into a bare table, encoded before the clock
starts."""

import random
import selectors
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import cycle
from typing import Final

import psycopg
from psycopg import pq

from benchmarks.cells import Cell, load_of
from benchmarks.load import templates
from benchmarks.servers import Database

TYPES: Final = (
    *("timestamptz", "uuid", "uuid", "uuid", "text", "text"),
    *("int4", "int8", "int4", "int8", "bool", "text"),
)
"""When, three ids, service and revision, the numbers of a record, labels."""
INSERTERS: Final = 8
INSERT: Final = b"insert"
PREPARED_ROWS: Final = 20_000


def measure(database: Database, batch: int, seconds: float) -> float:
    """Rows per second: by one connection's COPY of so many at a time, or, of one, by INSERTs on eight."""
    columns = ", ".join(f"c{n} {type}" for n, type in enumerate(TYPES))
    database.do("DROP TABLE IF EXISTS bench_floor", f"CREATE TABLE bench_floor ({columns})", "CHECKPOINT")
    rows = _rows(batch)
    try:
        return _insert(database, rows, seconds) if batch == 1 else _copy(database, rows, batch, seconds)
    finally:
        database.do("DROP TABLE bench_floor")


def _rows(batch: int) -> Sequence[tuple[object, ...]]:
    load = replace(load_of(Cell("uniform", batch), 1), events=PREPARED_ROWS // batch)
    return [row for template in templates(load, random.Random(load.seed)) for row in template.rows]


def _copy(database: Database, rows: Sequence[tuple[object, ...]], batch: int, seconds: float) -> float:
    with closing(psycopg.connect(database.url, autocommit=True)) as connection:
        batches = [_encoded(connection, rows[n : n + batch]) for n in range(0, len(rows), batch)]
        link = connection.pgconn
        done, began = 0, time.perf_counter()
        for data in cycle(batches):
            link.exec_(b"COPY bench_floor FROM STDIN BINARY")
            link.put_copy_data(data)
            link.put_copy_end()
            _expect(link, pq.ExecStatus.COMMAND_OK)
            done += batch
            if (took_s := time.perf_counter() - began) >= seconds:
                return done / took_s
    raise AssertionError("no rows")


def _encoded(connection: psycopg.Connection, rows: Sequence[tuple[object, ...]]) -> bytes:
    """As the server itself writes them."""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        with cursor.copy("COPY bench_floor FROM STDIN BINARY") as copy:
            copy.set_types(TYPES)
            for row in rows:
                copy.write_row(row)
        with cursor.copy("COPY bench_floor TO STDOUT BINARY") as copy:
            return b"".join(bytes(part) for part in copy)


def _insert(database: Database, rows: Sequence[tuple[object, ...]], seconds: float) -> float:
    places = ", ".join(f"${n}::{type}" for n, type in enumerate(TYPES, start=1))
    values = cycle([[_text(value) for value in row] for row in rows])
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(INSERTERS):
            connection = stack.enter_context(closing(psycopg.connect(database.url, autocommit=True)))
            link = connection.pgconn
            link.prepare(INSERT, f"INSERT INTO bench_floor VALUES ({places})".encode())
            selector.register(link.socket, selectors.EVENT_READ, link)
            link.send_query_prepared(INSERT, next(values))
            link.flush()
        done, began = 0, time.perf_counter()
        while (took_s := time.perf_counter() - began) < seconds:
            for key, _ in selector.select():
                link = key.data
                link.consume_input()
                if not link.is_busy():
                    _expect(link, pq.ExecStatus.COMMAND_OK)
                    done += 1
                    link.send_query_prepared(INSERT, next(values))
                    link.flush()
    return done / took_s


def _text(value: object) -> bytes:
    return str(value).encode()


def _expect(link: pq.abc.PGconn, status: pq.ExecStatus) -> None:
    while (result := link.get_result()) is not None:
        if result.status != status:
            raise psycopg.OperationalError(result.error_message.decode())
