"""Folding in PostgreSQL: one statement takes deltas, adds them to the windows, and notes what changed.

Nothing is read out to be written back: a fold that did its sums in Python took four times as long (ADR 13).
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import RawCursor

from shared.adapters.postgres import delta, outbox
from shared.adapters.postgres.batches import TakenBatches
from shared.adapters.postgres.meter_folding import METER_COLUMNS, METER_CTES, METER_SIZE
from shared.adapters.postgres.pool import Connection
from shared.adapters.postgres.window_rows import (
    FACTS,
    KEY,
    KEYS,
    SELECT_WINDOWS,
    array,
    key_columns,
    read_window,
)
from shared.domain import sketch
from shared.domain.aggregate import WindowKey, Windows
from shared.domain.events import UsageAggregated
from shared.domain.facts import NUMBERS, SUMS
from shared.service.meter_ports import MeterDays
from shared.service.ports import Folded, NewId


class StoredPayload(NamedTuple):
    body: str
    recorded_at: datetime
    received_at: datetime


class CountedPayload(NamedTuple):
    body: str
    recorded_at: datetime
    received_at: datetime
    event_key: UUID
    seq: int


_DELTAS_MAX: Final = 2_000
_DELTA_BYTES_MAX: Final = 4 * 1024 * 1024
"""A quarter of a second of work, for which others that want the shard wait."""
_TENANT_BYTES_MAX: Final = 512 * 1024
"""Sketches of a window add up, and are read when they are long: at once, of three windows, more than this."""
_SKETCH_BYTES_MAX: Final = 4_096
"""A sketch grows with each fold; a longer one is written anew, each bucket once."""
_SKETCHES_MAX: Final = 100
"""So many, the longest: durations that differ much make sketches that stay long, of every tenant."""

_ADDED = ", ".join(f"{'sum' if name in SUMS else 'max'}({name}) AS {name}" for name in NUMBERS)
_WINDOW = f"service_id, revision_id, {_ADDED}, string_agg(sketch, '') AS sketch"


_ON_CHANGE = """ON CONFLICT (tenant_id) DO UPDATE SET
            sequence = t.sequence + 1,
            changed_from = least(t.changed_from, excluded.changed_from),
            changed_until = greatest(t.changed_until, excluded.changed_until)"""
_ON_DAY = "ON CONFLICT (tenant_id, day) DO UPDATE SET sequence = excluded.sequence"
_BATCHES = ", ".join(
    f"array_agg({column}) FILTER (WHERE batch_number IS NOT NULL)"
    for column in ("tenant_id", "batch_source", "batch_number", "batch_at")
)
_LONG = ", ".join(f"array_agg({column})" for column in KEY.split(", "))


def _fold(which: str) -> bytes:
    return f"""
    WITH waiting AS MATERIALIZED (
        SELECT ctid, size,
               row_number() OVER same_tenant = 1 OR sum(size) OVER same_tenant <= {_TENANT_BYTES_MAX} AS fits
        FROM (
            SELECT ctid, tenant_id, octet_length(delta) + {METER_SIZE} AS size
            FROM usage_delta WHERE {which} LIMIT {_DELTAS_MAX}
        ) d WINDOW same_tenant AS (PARTITION BY tenant_id ROWS UNBOUNDED PRECEDING)
    ), fitting AS (
        SELECT ctid, row_number() OVER before = 1 OR sum(size) OVER before <= {_DELTA_BYTES_MAX} AS fits
        FROM waiting WHERE fits WINDOW before AS (ROWS UNBOUNDED PRECEDING)
    ), taken AS (
        DELETE FROM usage_delta WHERE ctid = ANY(ARRAY(SELECT ctid FROM fitting WHERE fits))
        RETURNING tenant_id, shard, delta, batch_source, batch_number, batch_at, {METER_COLUMNS}
    ), line AS (
        SELECT tenant_id, w.*
        FROM taken, unnest(string_to_array(delta, E'\\n')::usage_delta_window[]) w
        -- Sorted, sums take the memory of one window: of a backlog, all of them at once would go to disk.
        ORDER BY tenant_id, start_s, service_id, revision_id
    ), m5 AS MATERIALIZED (
        SELECT tenant_id, '5m' AS window_size, start_s, {_WINDOW}
        FROM line GROUP BY tenant_id, start_s, service_id, revision_id
    ), h1 AS MATERIALIZED (
        SELECT tenant_id, '1h' AS window_size, start_s / 3600 * 3600 AS start_s, {_WINDOW}
        FROM m5 GROUP BY tenant_id, m5.start_s / 3600, service_id, revision_id
    ), d1 AS MATERIALIZED (
        SELECT tenant_id, '1d' AS window_size, start_s / 86400 * 86400 AS start_s, {_WINDOW}
        FROM h1 GROUP BY tenant_id, h1.start_s / 86400, service_id, revision_id
    ), stored AS (
        INSERT INTO usage_window AS a ({KEY}, {FACTS}, sketch)
        SELECT tenant_id, window_size, to_timestamp(start_s), service_id, revision_id, {FACTS}, sketch
        FROM (SELECT * FROM m5 UNION ALL SELECT * FROM h1 UNION ALL SELECT * FROM d1) w
        ON CONFLICT ({KEY}) DO UPDATE SET
            {", ".join(f"{name} = a.{name} + excluded.{name}" for name in SUMS)},
            max_memory_bytes = greatest(a.max_memory_bytes, excluded.max_memory_bytes),
            sketch = a.sketch || excluded.sketch
        RETURNING {KEY}, octet_length(sketch) AS length
    ), tenant AS (
        INSERT INTO tenant_usage AS t (tenant_id, shard, sequence, changed_from, changed_until)
        SELECT tenant_id, shard, 1, to_timestamp(min(start_s)), to_timestamp(max(start_s) + 300)
        FROM m5 JOIN (SELECT DISTINCT tenant_id, shard FROM taken) t USING (tenant_id)
        GROUP BY tenant_id, shard ORDER BY tenant_id
        {_ON_CHANGE}
        RETURNING tenant_id, sequence
    ), day AS (
        INSERT INTO usage_change (tenant_id, day, sequence)
        SELECT DISTINCT tenant_id, to_timestamp(start_s)::date, sequence
        FROM d1 JOIN tenant USING (tenant_id) ORDER BY 1, 2
        {_ON_DAY}
    ), {METER_CTES}
    SELECT (SELECT count(*) FROM waiting), batches.*, long.*
    FROM (
        SELECT count(*), {_BATCHES} FROM taken
    ) batches, (
        SELECT {_LONG} FROM (
            SELECT * FROM stored WHERE length > {_SKETCH_BYTES_MAX} ORDER BY length DESC LIMIT {_SKETCHES_MAX}
        ) l
    ) long
    """.encode()


_SELECT_LONG: Final = f"""
    SELECT {KEY}, sketch FROM usage_window
    JOIN unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::uuid[]) long ({KEY}) USING ({KEY})
""".encode()
_SHORTEN: Final = f"""
    UPDATE usage_window w SET sketch = s.sketch
    FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::uuid[], %s::uuid[], %b::bytea[])
        s ({KEY}, sketch)
    WHERE ({", ".join(f"w.{column}" for column in KEY.split(", "))})
        = ({", ".join(f"s.{column}" for column in KEY.split(", "))})
""".encode()
_DELETE: Final = f"DELETE FROM usage_window WHERE ({KEY}) IN ({KEYS})".encode()
_INSERT: Final = f"""
    INSERT INTO usage_window ({KEY}, {FACTS}, sketch)
    SELECT %s, window_size, to_timestamp((w).start_s), (w).service_id, (w).revision_id,
           {", ".join(f"(w).{name}" for name in NUMBERS)}, (w).sketch
    FROM (SELECT size AS window_size, line::usage_delta_window AS w
          FROM unnest(%s::text[], %s::text[]) l (size, line) OFFSET 0) w
""".encode()
_PUT_ASIDE: Final = f"""
    WITH taken AS (
        DELETE FROM usage_delta WHERE tenant_id = %s AND event_key = %s RETURNING *
    ), aside AS (
        INSERT INTO usage_delta_aside (tenant_id, event_key, delta, {METER_COLUMNS}, reason)
        SELECT tenant_id, event_key, delta, {METER_COLUMNS}, %s FROM taken
    )
    SELECT tenant_id, batch_source, batch_number, batch_at FROM taken
""".encode()
_NOTE: Final = f"""
    WITH tenant AS (
        INSERT INTO tenant_usage AS t (tenant_id, shard, sequence, changed_from, changed_until)
        VALUES (%s, %s, 1, %s, %s)
        {_ON_CHANGE}
        RETURNING tenant_id, sequence
    )
    INSERT INTO usage_change (tenant_id, day, sequence)
    SELECT tenant_id, day, sequence FROM tenant, unnest(%s::date[]) day
    {_ON_DAY}
""".encode()


_FOLD_SHARDS: Final = _fold("shard = ANY($1)")
_FOLD_TENANT: Final = _fold("tenant_id = $1")
_FOLD_ONE: Final = _fold("tenant_id = $1 AND event_key = $2")


class PostgresFold:
    """FoldTransaction."""

    def __init__(self, connection: Connection, shards: Sequence[int], new_id: NewId) -> None:
        self._connection = connection
        self.shards = shards
        self._new_id = new_id
        self.batches = TakenBatches(connection)

    def fold(self) -> Folded:
        return self._fold(_FOLD_SHARDS, list(self.shards))

    def fold_one(self, tenant_id: UUID, event_key: UUID) -> Folded:
        return self._fold(_FOLD_ONE, tenant_id, event_key)

    def put_aside(self, tenant_id: UUID, event_key: UUID, reason: str) -> None:
        row = self._connection.execute(_PUT_ASIDE, (tenant_id, event_key, reason)).fetchone()
        if row is not None:
            self.batches.add(*row)

    def announce_due(self, now: datetime, announced_before: datetime) -> None:
        rows = self._connection.execute(
            "WITH due AS ("
            "  SELECT tenant_id, slug, sequence, changed_from, changed_until"
            "  FROM tenant_usage JOIN tenant ON tenant.id = tenant_id"
            "  WHERE shard = ANY(%(shards)s) AND changed_from IS NOT NULL AND announced_at <= %(before)s"
            "), announced AS ("
            "  UPDATE tenant_usage t SET announced_at = %(now)s, changed_from = NULL, changed_until = NULL"
            "  FROM due WHERE t.tenant_id = due.tenant_id)"
            " SELECT * FROM due ORDER BY tenant_id",
            {"shards": list(self.shards), "before": announced_before, "now": now},
        )
        facts = [(self._new_id(), UsageAggregated(*(*row, now))) for row in rows]
        outbox.add(self._connection, facts, now)

    def _fold(self, statement: bytes, *which: object) -> Folded:
        # Raw: psycopg reads a statement as long as this anew each time, to find its placeholders.
        row = RawCursor(self._connection).execute(statement, which).fetchone()
        assert row is not None, "an aggregate without GROUP BY has one row"
        waiting, taken, *columns = row
        for batch in _rows(columns[:4]):
            self.batches.add(*batch)
        if columns[4] is not None:
            self._shorten(columns[4:])
        return Folded(taken, waiting > taken or waiting == _DELTAS_MAX)

    def _shorten(self, keys: Sequence[Sequence[Any]]) -> None:
        """Each bucket once."""
        # In binary, for as text bytes take twice the memory.
        found = RawCursor(self._connection).execute(_SELECT_LONG, keys, binary=True)
        rows = [(*key, sketch.encode(sketch.decode(long))) for *key, long in found]
        self._connection.execute(_SHORTEN, [list(column) for column in zip(*rows, strict=True)])


class PostgresRebuild(PostgresFold):
    """RebuildTransaction."""

    @property
    def meters(self) -> MeterDays:
        from shared.adapters.postgres.meter_windows import PostgresMeterDays

        return PostgresMeterDays(self._connection)

    def fold_of(self, tenant_id: UUID) -> Folded:
        return self._fold(_FOLD_TENANT, tenant_id)

    def load_between(self, tenant_id: UUID, start: datetime, end: datetime) -> Windows:
        rows = self._connection.execute(
            f"{SELECT_WINDOWS} WHERE tenant_id = %s AND window_start >= %s AND window_start < %s".encode(),
            (tenant_id, start, end),
        )
        return dict(read_window(row) for row in rows)

    def payloads(self, tenant_id: UUID, start: datetime, end: datetime) -> Iterator[CountedPayload]:
        with self._connection.cursor(name="payloads") as cursor:
            cursor.execute(
                "SELECT body, recorded_at, received_at, event_key, seq FROM payload p"
                " WHERE tenant_id = %s AND touches_from < %s AND touches_until > %s"
                " AND NOT EXISTS (SELECT FROM usage_void v"
                "  WHERE (v.tenant_id, v.event_key) = (p.tenant_id, p.event_key))"
                " AND NOT EXISTS (SELECT FROM usage_delta d"
                "  WHERE (d.tenant_id, d.event_key) = (p.tenant_id, p.event_key))",
                (tenant_id, end, start),
            )
            for row in cursor:
                yield CountedPayload(*row)

    def replace(self, tenant_id: UUID, keys: Collection[WindowKey], windows: Windows) -> None:
        tenant_keys = key_columns((tenant_id, key) for key in keys)
        self._connection.execute(_DELETE, tenant_keys)
        sizes = array(key.size.value for key in windows)
        self._connection.execute(_INSERT, (tenant_id, sizes, delta.encode(windows).splitlines()))
        self.note_changed(tenant_id, min(key.start for key in keys), max(key.end for key in keys))

    def note_changed(self, tenant_id: UUID, start: datetime, end: datetime) -> None:
        """Windows in [start, end), of a few days at most, are others now."""
        last = (end - timedelta(microseconds=1)).date()
        days = array(str(start.date() + timedelta(days=n)) for n in range((last - start.date()).days + 1))
        self._connection.execute(_NOTE, (tenant_id, *self.shards, start, end, days))


def _rows(columns: Sequence[Sequence[Any] | None]) -> list[tuple[Any, ...]]:
    """Of arrays side by side; an aggregate of no rows is NULL."""
    return list(zip(*(column or () for column in columns), strict=True))
