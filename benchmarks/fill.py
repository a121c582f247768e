"""An inbox as years of use leave it, made in minutes."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from benchmarks.load import TENANTS, slug
from benchmarks.servers import Database
from eventing.usage import decode
from shared.domain.usage import event_key

Say = Callable[[str], None]

SOURCE: Final = "/bench/filled"
FILLED_AT: Final = datetime(2025, 1, 1, tzinfo=UTC)
POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END: Final = b"\xff\xff"
SORT_MEMORY: Final = "1GB"


@dataclass(frozen=True, slots=True)
class Event:
    """One that was accepted, according to the inbox."""

    id: str
    data: bytes

    @property
    def digest(self) -> bytes:
        return decode(self.data, recorded_at=FILLED_AT, received_at=FILLED_AT).digest


def known(tenant: str) -> Event:
    """The event of a tenant whose key fills the inbox beside those that are drawn."""
    record = {"timestamp": FILLED_AT.isoformat(), "service_name": "service-0"}
    return Event(f"of {tenant}", json.dumps(record).encode())


def inbox(database: Database, keys: int, say: Say) -> None:
    """So many keys of the loads' tenants into the empty inbox, among them that of each one's known event."""
    tenants = [slug(n) for n in range(TENANTS)]
    count = {tenant: keys // TENANTS + (n < keys % TENANTS) for n, tenant in enumerate(tenants)}
    done = 0
    with without_keys(database, "usage_inbox", say):
        for leaf, taken in database.rows(
            "SELECT inhrelid::regclass::text, pg_get_partition_constraintdef(inhrelid)"
            " FROM pg_inherits WHERE inhparent = 'usage_inbox'::regclass ORDER BY 1"
        ):
            of_leaf = database.rows(
                "SELECT tenant_id, slug FROM (SELECT id AS tenant_id, slug FROM tenant) t"
                f" WHERE slug = ANY(%s) AND {taken}",
                tenants,
            )
            # Emptied in the same transaction, it takes rows that no vacuum has to look at again.
            with database.connection.transaction(), database.connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE {leaf}".encode())
                with cursor.copy(f"COPY {leaf} FROM STDIN (FORMAT binary, FREEZE)".encode()) as copy:
                    copy.write(COPY_HEAD)
                    for id, tenant in of_leaf:
                        copy.write(_rows(id, known(tenant), count[tenant]))
                        done += count[tenant]
                    copy.write(COPY_END)
            say(f"inbox: {done:,} of {keys:,} rows")


def _rows(tenant_id: UUID, event: Event, count: int) -> bytes:
    """As binary COPY takes them; the first is the event's."""
    received = (FILLED_AT - POSTGRES_EPOCH) // timedelta(microseconds=1)
    fields = (tenant_id.bytes, bytes(16), event.digest, received.to_bytes(8))
    row = len(fields).to_bytes(2) + b"".join(len(field).to_bytes(4) + field for field in fields)
    key_at = 2 + (4 + 16) + 4
    rows = bytearray(row * count)
    for place in range(key_at, key_at + 16):
        rows[place :: len(row)] = random.randbytes(count)
    if rows:
        rows[key_at : key_at + 16] = event_key(SOURCE, event.id).bytes
    return bytes(rows)


@contextmanager
def without_keys(database: Database, table: str, say: Say) -> Iterator[None]:
    """Until all rows are there the table has no keys; then it has the same ones, and is vacuumed."""
    keys = database.rows(
        "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f') ORDER BY oid",
        table,
    )
    database.do(*(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for name, _ in keys))
    yield
    database.do(f"SET maintenance_work_mem = '{SORT_MEMORY}'")
    for name, definition in keys:
        database.do(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        say(f"{table}: {definition}")
    database.do("RESET maintenance_work_mem", f"VACUUM (ANALYZE) {table}", "CHECKPOINT")
    say(f"{table}: vacuumed")
