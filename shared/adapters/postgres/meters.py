"""Custom meters in PostgreSQL: defined, listed, and how far the past of them is computed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.adapters.postgres.meter_rows import SELECTED, add_version, meter_of
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.windows import shard_of
from shared.domain.errors import Conflict, NotFound
from shared.domain.meter_definition import MeterDefinition, MeterVersion
from shared.service.meters import MeterProgress

_LOCK_TIMEOUT: Final = b"SET LOCAL lock_timeout = '3s'"
_EVERYBODY: Final = UUID(int=0)
_GET: Final = f"SELECT {SELECTED} FROM meter m WHERE m.id = %s".encode()
_FIND: Final = f"""
    SELECT {SELECTED} FROM meter m
    WHERE m.name = %(name)s AND (m.tenant_id IS NULL OR m.tenant_id = %(tenant_id)s)
""".encode()
_LIST: Final = f"""
    SELECT {SELECTED} FROM meter m
    WHERE (m.tenant_id IS NULL OR m.tenant_id = %(tenant_id)s)
      AND (%(after)s::uuid IS NULL OR m.id > %(after)s)
    ORDER BY m.id LIMIT %(limit)s
""".encode()
_SAME_NAME: Final = b"""
    SELECT FROM meter WHERE name = %(name)s
        AND (%(tenant_id)s::uuid IS NULL OR tenant_id IS NULL OR tenant_id = %(tenant_id)s)
"""
# Written, not only locked: a rebuild that waits with a snapshot from before begins anew.
_LOCK: Final = b"""
    WITH locked AS MATERIALIZED (
        SELECT shard FROM fold_shard WHERE %(shard)s::int IS NULL OR shard = %(shard)s
        ORDER BY shard FOR UPDATE
    )
    UPDATE fold_shard f SET shard = f.shard FROM locked WHERE f.shard = locked.shard
"""
_NOTE_CHANGE: Final = b"""
    WITH registry AS (UPDATE meter_registry SET revision = revision + 1 RETURNING revision)
    INSERT INTO meter_scope (tenant_id, revision) SELECT %s, revision FROM registry
    ON CONFLICT (tenant_id) DO UPDATE SET revision = excluded.revision
"""
_USED: Final = """
    FROM usage_change WHERE (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
        AND (%(since)s::timestamptz IS NULL OR day >= %(since)s::date)
"""
_BACKFILL: Final = f"""
    INSERT INTO meter_backfill (tenant_id, meter_id, version, next_day)
    SELECT tenant_id, %(meter_id)s, %(version)s, min(day) {_USED} GROUP BY tenant_id
""".encode()
_FIRST_USED: Final = f"SELECT tenant_id, min(day) {_USED} GROUP BY tenant_id".encode()
_PROGRESS: Final = b"""
    SELECT version, count(*), count(*) FILTER (WHERE done), min(next_day) FILTER (WHERE NOT done),
           max(computable_from)
    FROM meter_backfill WHERE meter_id = %s GROUP BY version ORDER BY version
"""


class PostgresMeters:
    """MeterStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, meter: MeterDefinition) -> None:
        with self._changing(meter.tenant_id) as connection:
            same = {"name": meter.name, "tenant_id": meter.tenant_id}
            if connection.execute(_SAME_NAME, same).fetchone() is not None:
                raise Conflict.because("name", f"there is a meter {meter.name!r} already")
            connection.execute(
                "INSERT INTO meter (id, tenant_id, name, unit, units, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (meter.id, meter.tenant_id, meter.name, meter.unit, meter.units, meter.created_at),
            )
            _add_version(connection, meter, meter.versions[0])

    def add_version(self, meter: MeterDefinition, version: MeterVersion) -> MeterDefinition:
        with self._changing(meter.tenant_id) as connection:
            row = connection.execute(_GET, (meter.id,)).fetchone()
            if row is None:
                raise NotFound.because("meter", f"no meter {meter.name!r}")
            if (current := meter_of(row)) != meter:
                raise Conflict.because("", "the meter has just been changed: look at it again")
            changed = current.with_version(version)
            _add_version(connection, changed, version)
            return changed

    def find(self, name: str, tenant_id: UUID | None) -> MeterDefinition | None:
        parameters = {"name": name if name.isprintable() else "", "tenant_id": tenant_id}
        with self._database.statement() as connection:
            row = connection.execute(_FIND, parameters).fetchone()
        return None if row is None else meter_of(row)

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[MeterDefinition]:
        parameters = {"tenant_id": tenant_id, "limit": limit, "after": after}
        with self._database.statement() as connection:
            return [meter_of(row) for row in connection.execute(_LIST, parameters)]

    def progress(self, meter_id: UUID) -> Sequence[MeterProgress]:
        with self._database.statement() as connection:
            return [MeterProgress(*row) for row in connection.execute(_PROGRESS, (meter_id,))]

    def first_used(self, tenant_id: UUID | None, since: datetime | None) -> "Sequence[tuple[UUID, datetime]]":
        with self._database.statement() as connection:
            return [
                (used_by, datetime.fromisoformat(f"{day}T00:00:00+00:00"))
                for used_by, day in connection.execute(_FIRST_USED, {"tenant_id": tenant_id, "since": since})
            ]

    @contextmanager
    def _changing(self, tenant_id: UUID | None) -> Iterator[Connection]:
        """Between folds: what was folded before is backfilled, what is folded later knows of the change."""
        with self._database.transaction() as connection:
            connection.execute(_LOCK_TIMEOUT)
            connection.execute(_LOCK, {"shard": None if tenant_id is None else shard_of(tenant_id)})
            connection.execute(_NOTE_CHANGE, (tenant_id or _EVERYBODY,))
            yield connection


def _add_version(connection: Connection, meter: MeterDefinition, version: MeterVersion) -> None:
    add_version(connection, meter.id, version)
    connection.execute(
        _BACKFILL,
        {
            "tenant_id": meter.tenant_id,
            "since": version.effective_from,
            "meter_id": meter.id,
            "version": version.number,
        },
    )
