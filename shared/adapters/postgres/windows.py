"""The windows in PostgreSQL: folded and rebuilt under the lock of a shard."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres import delta, outbox
from shared.adapters.postgres.batches import Noted, TakenBatches
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.window_rows import (
    ADD_WINDOWS,
    KEY,
    KEYS,
    SELECT_SKETCHES,
    SELECT_WINDOWS,
    array,
    key_columns,
    key_texts,
    read_window,
    row_columns,
)
from shared.domain import sketch
from shared.domain.aggregate import WindowKey, Windows
from shared.domain.events import Fact, UsageAggregated
from shared.domain.usage import AHEAD_S_MAX
from shared.domain.windows import WindowSize, floor
from shared.service.ports import NewId

SHARDS = 16
GIVEN_UP = b"given up"
"""The digest of an inbox key that nothing may be accepted under; no records have one so short."""
_DELTAS_MAX = 2_000
_DELTA_BYTES_MAX = 1024 * 1024
"""Decoded, a byte of a delta takes some twenty."""
_TAKEN = "tenant_id, delta, batch_source, batch_number, batch_at"


def shard_of(tenant_id: UUID) -> int:
    return tenant_id.int % SHARDS


class StoredPayload(NamedTuple):
    body: str
    recorded_at: datetime
    received_at: datetime


class PostgresWindows:
    """WindowStore."""

    def __init__(self, database: Database, new_id: NewId, noted: Noted = lambda *_: None) -> None:
        self._database = database
        self._new_id = new_id
        self._noted = noted

    def shard_of(self, tenant_id: UUID) -> int:
        return shard_of(tenant_id)

    def shards_to_fold(self) -> Sequence[int]:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT shard FROM fold_shard s"
                " WHERE EXISTS (SELECT FROM usage_delta d WHERE d.shard = s.shard)"
                " OR EXISTS (SELECT FROM tenant_usage t WHERE t.shard = s.shard AND changed_from IS NOT NULL)"
                " ORDER BY shard"
            )
            return [shard for (shard,) in rows]

    def next_announcement(self) -> datetime | None:
        with self._database.statement() as connection:
            row = connection.execute(
                "SELECT min(announced_at) FROM tenant_usage WHERE changed_from IS NOT NULL"
                " AND announced_at > '-infinity'"
            ).fetchone()
        return row[0] if row is not None else None

    def deltas_of(self, shard: int) -> Sequence[tuple[UUID, UUID]]:
        with self._database.statement() as connection:
            return connection.execute(
                "SELECT tenant_id, event_key FROM usage_delta WHERE shard = %s", (shard,)
            ).fetchall()

    def put_aside(self, tenant_id: UUID, event_key: UUID, *, reason: str) -> None:
        with self.locked(self.shard_of(tenant_id), wait=True) as transaction:
            assert transaction is not None, "waited for it"
            transaction.put_aside(tenant_id, event_key, reason)

    def changed_days(self, tenant_id: UUID, start: datetime, end: datetime) -> Sequence[datetime]:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT day::timestamp AT TIME ZONE 'UTC' FROM usage_change"
                " WHERE tenant_id = %s AND day >= %s AND day < %s ORDER BY day",
                (tenant_id, start.date(), end.date()),
            )
            return [day for (day,) in rows]

    def payloads_complete_from(self, tenant_id: UUID) -> datetime | None:
        with self._database.statement() as connection:
            row = connection.execute(
                "SELECT max(received_at) FROM usage_inbox i WHERE tenant_id = %s AND digest <> %s"
                " AND NOT EXISTS ("
                "  SELECT FROM payload p WHERE (p.tenant_id, p.event_key) = (i.tenant_id, i.event_key))",
                (tenant_id, GIVEN_UP),
            ).fetchone()
        if row is None or row[0] is None:
            return None
        last_touched = floor(row[0] + timedelta(seconds=AHEAD_S_MAX), WindowSize.M5)
        return last_touched + WindowSize.M5.length

    @contextmanager
    def locked(self, shard: int, *, wait: bool) -> Iterator["PostgresFold | None"]:
        with self._database.transaction() as connection:
            held = connection.execute(
                b"SELECT FROM fold_shard WHERE shard = %s FOR UPDATE" + (b"" if wait else b" SKIP LOCKED"),
                (shard,),
            ).fetchone()
            fold = PostgresFold(connection, shard, self._new_id)
            yield None if held is None else fold
            noted = fold.batches.note()
        self._noted(*noted)

    @contextmanager
    def locked_snapshot(self, shard: int) -> Iterator["PostgresRebuild"]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ) as connection:
            connection.execute("SELECT FROM fold_shard WHERE shard = %s FOR UPDATE", (shard,))
            yield (rebuild := PostgresRebuild(connection, shard, self._new_id))
            noted = rebuild.batches.note()
        self._noted(*noted)


class PostgresFold:
    """FoldTransaction."""

    def __init__(self, connection: Connection, shard: int, new_id: NewId) -> None:
        self._connection = connection
        self._shard = shard
        self._new_id = new_id
        self.batches = TakenBatches(connection)

    def take_deltas(self) -> tuple[Sequence[tuple[UUID, Windows]], bool]:
        rows = self._connection.execute(
            "WITH waiting AS MATERIALIZED ("
            "  SELECT ctid, row_number() OVER taken AS n, sum(octet_length(delta)) OVER taken AS size"
            "  FROM usage_delta WHERE shard = %s WINDOW taken AS (ROWS UNBOUNDED PRECEDING) LIMIT %s"
            "), taken AS ("
            "  DELETE FROM usage_delta WHERE ctid = ANY(ARRAY("
            f"    SELECT ctid FROM waiting WHERE n = 1 OR size <= %s)) RETURNING {_TAKEN}"
            ") SELECT (SELECT count(*) FROM waiting), taken.* FROM taken".encode(),
            (self._shard, _DELTAS_MAX, _DELTA_BYTES_MAX),
        ).fetchall()
        waiting = rows[0][0] if rows else 0
        are_more = waiting > len(rows) or waiting == _DELTAS_MAX
        return [(row[1], self._opened(row[1:])) for row in rows], are_more

    def take_delta(self, tenant_id: UUID, event_key: UUID) -> Windows | None:
        row = self._connection.execute(
            f"DELETE FROM usage_delta WHERE tenant_id = %s AND event_key = %s RETURNING {_TAKEN}".encode(),
            (tenant_id, event_key),
        ).fetchone()
        return self._opened(row) if row is not None else None

    def put_aside(self, tenant_id: UUID, event_key: UUID, reason: str) -> None:
        row = self._connection.execute(
            "WITH taken AS (DELETE FROM usage_delta WHERE tenant_id = %s AND event_key = %s RETURNING *),"
            " aside AS (INSERT INTO usage_delta_aside (tenant_id, event_key, delta, reason)"
            "  SELECT tenant_id, event_key, delta, %s FROM taken)"
            " SELECT tenant_id, batch_source, batch_number, batch_at FROM taken",
            (tenant_id, event_key, reason),
        ).fetchone()
        if row is not None:
            self.batches.add(*row)

    def add(self, windows: Mapping[UUID, Windows]) -> None:
        tenants = sorted(windows.items())
        keys = [key_texts(tenant_id, key) for tenant_id, of_tenant in tenants for key in of_tenant]
        facts = [of_window for _, of_tenant in tenants for of_window in of_tenant.values()]
        if not keys:
            return
        # Numbers are added where they are. Sketches are not: PostgreSQL cannot merge them.
        durations = [of_window.durations for of_window in facts]
        for n, stored in self._connection.execute(SELECT_SKETCHES, key_columns(keys)):
            durations[n - 1] = sketch.merge(sketch.decode(stored), durations[n - 1])
        self._connection.execute(ADD_WINDOWS, row_columns(keys, facts, durations))

    def record_changes(self, changed: Mapping[UUID, Collection[WindowKey]]) -> None:
        spans = [
            (tenant_id, min(key.start for key in keys), max(key.end for key in keys))
            for tenant_id, keys in sorted(changed.items())
        ]
        days = [
            (tenant_id, day) for tenant_id, keys in changed.items() for day in {k.start.date() for k in keys}
        ]
        self._connection.execute(
            "WITH tenant AS ("
            "  INSERT INTO tenant_usage AS t (tenant_id, shard, sequence, changed_from, changed_until)"
            "  SELECT tenant_id, %s, 1, changed_from, changed_until"
            "  FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[])"
            "      c (tenant_id, changed_from, changed_until)"
            "  ON CONFLICT (tenant_id) DO UPDATE SET sequence = t.sequence + 1,"
            "    changed_from = least(t.changed_from, excluded.changed_from),"
            "    changed_until = greatest(t.changed_until, excluded.changed_until)"
            "  RETURNING tenant_id, sequence)"
            " INSERT INTO usage_change (tenant_id, day, sequence)"
            " SELECT tenant_id, day, sequence FROM tenant"
            " JOIN unnest(%s::uuid[], %s::date[]) d (tenant_id, day) USING (tenant_id)"
            " ORDER BY tenant_id, day"
            " ON CONFLICT (tenant_id, day) DO UPDATE SET sequence = excluded.sequence",
            (
                self._shard,
                array(tenant_id.hex for tenant_id, _, _ in spans),
                array(f'"{start}"' for _, start, _ in spans),
                array(f'"{end}"' for _, _, end in spans),
                array(tenant_id.hex for tenant_id, _ in days),
                array(str(day) for _, day in days),
            ),
        )

    def due_announcements(self, now: datetime, announced_before: datetime) -> Sequence[UsageAggregated]:
        rows = self._connection.execute(
            "WITH due AS ("
            "  SELECT tenant_id, slug, sequence, changed_from, changed_until"
            "  FROM tenant_usage JOIN tenant ON tenant.id = tenant_id"
            "  WHERE shard = %(shard)s AND changed_from IS NOT NULL AND announced_at <= %(before)s"
            "), announced AS ("
            "  UPDATE tenant_usage t SET announced_at = %(now)s, changed_from = NULL, changed_until = NULL"
            "  FROM due WHERE t.tenant_id = due.tenant_id)"
            " SELECT * FROM due ORDER BY tenant_id",
            {"shard": self._shard, "before": announced_before, "now": now},
        )
        return [UsageAggregated(*(*row, now)) for row in rows]

    def announce(self, fact: Fact, now: datetime) -> None:
        outbox.add(self._connection, self._new_id(), fact, now)

    def _opened(self, taken: Sequence[Any]) -> Windows:
        tenant_id, text, *batch = taken
        self.batches.add(tenant_id, *batch)
        return delta.decode(text)


class PostgresRebuild(PostgresFold):
    """RebuildTransaction."""

    def take_deltas_of(self, tenant_id: UUID) -> Sequence[Windows]:
        rows = self._connection.execute(
            f"DELETE FROM usage_delta WHERE tenant_id = %s RETURNING {_TAKEN}".encode(), (tenant_id,)
        )
        return [self._opened(row) for row in rows]

    def delete(self, tenant_id: UUID, keys: Iterable[WindowKey]) -> None:
        self._connection.execute(
            f"DELETE FROM usage_aggregate WHERE ({KEY}) IN ({KEYS})".encode(),
            key_columns([key_texts(tenant_id, key) for key in keys]),
        )

    def load_between(self, tenant_id: UUID, start: datetime, end: datetime) -> Windows:
        rows = self._connection.execute(
            f"{SELECT_WINDOWS} WHERE tenant_id = %s AND window_start >= %s AND window_start < %s".encode(),
            (tenant_id, start, end),
        )
        return dict(read_window(row) for row in rows)

    def payloads(self, tenant_id: UUID, start: datetime, end: datetime) -> Iterator[StoredPayload]:
        with self._connection.cursor(name="payloads") as cursor:
            cursor.execute(
                "SELECT body, recorded_at, received_at FROM payload"
                " WHERE tenant_id = %s AND touches_from < %s AND touches_until > %s",
                (tenant_id, end, start),
            )
            for row in cursor:
                yield StoredPayload(*row)
