"""What is left to compute of custom meters, in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from shared.adapters.postgres.folding import PostgresRebuild
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.windows import shard_of
from shared.service.backfill import BackfillTask
from shared.service.ports import NewId

_TENANTS: Final = b"""
    SELECT tenant_id FROM meter_backfill WHERE NOT done AND computable_from IS NULL
    UNION SELECT tenant_id FROM meter_stale_day ORDER BY tenant_id
"""
_NEXT: Final = b"""
    SELECT meter_id, version, (
        SELECT min(day) FROM usage_change c WHERE c.tenant_id = b.tenant_id AND day >= next_day)
    FROM meter_backfill b WHERE tenant_id = %s AND NOT done AND computable_from IS NULL
    ORDER BY meter_id, version LIMIT 1
"""
_TASK: Final = b" WHERE (tenant_id, meter_id, version) = (%s, %s, %s)"


class PostgresBackfills:
    """BackfillStore."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    def tenants(self) -> Sequence[UUID]:
        with self._database.statement() as connection:
            return [tenant_id for (tenant_id,) in connection.execute(_TENANTS)]

    def is_stale(self, tenant_id: UUID) -> bool:
        with self._database.statement() as connection:
            found = connection.execute(
                "SELECT FROM meter_stale_day WHERE tenant_id = %s LIMIT 1", (tenant_id,)
            )
            return found.fetchone() is not None

    @contextmanager
    def locked(self, tenant_id: UUID) -> Iterator["PostgresBackfill"]:
        shard = shard_of(tenant_id)
        with self._database.transaction() as connection:
            # Written, not only locked: a rebuild that waits with a snapshot from before begins anew.
            connection.execute("UPDATE fold_shard SET shard = shard WHERE shard = %s", (shard,))
            yield PostgresBackfill(connection, shard, self._new_id, tenant_id)


class PostgresBackfill(PostgresRebuild):
    """BackfillTransaction, READ COMMITTED: whoever appends does not wait for it."""

    def __init__(self, connection: Connection, shard: int, new_id: NewId, tenant_id: UUID) -> None:
        super().__init__(connection, (shard,), new_id)
        self._tenant_id = tenant_id

    def stale_day(self) -> datetime | None:
        row = self._connection.execute(
            "SELECT min(day) FROM meter_stale_day WHERE tenant_id = %s", (self._tenant_id,)
        ).fetchone()
        return None if row is None or row[0] is None else _start_of(row[0])

    def next_task(self) -> BackfillTask | None:
        row = self._connection.execute(_NEXT, (self._tenant_id,)).fetchone()
        if row is None:
            return None
        meter_id, version, day = row
        return BackfillTask(meter_id, version, None if day is None else _start_of(day))

    def advance(self, task: BackfillTask, next_day: datetime | None) -> None:
        self._connection.execute(
            b"UPDATE meter_backfill SET next_day = coalesce(%s, next_day), done = %s" + _TASK,
            (
                None if next_day is None else next_day.date(),
                next_day is None,
                self._tenant_id,
                task.meter_id,
                task.version,
            ),
        )

    def give_up(self, task: BackfillTask, computable_from: datetime) -> None:
        self._connection.execute(
            b"UPDATE meter_backfill SET computable_from = %s" + _TASK,
            (computable_from.date(), self._tenant_id, task.meter_id, task.version),
        )


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
