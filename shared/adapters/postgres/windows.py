"""The windows in PostgreSQL: folded and rebuilt under the lock of a shard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.batches import Noted
from shared.adapters.postgres.folding import PostgresFold, PostgresRebuild
from shared.adapters.postgres.pool import Database
from shared.domain.usage import AHEAD_S_MAX
from shared.domain.windows import WindowSize, floor
from shared.service.ports import NewId

SHARDS = 16
GIVEN_UP = b"given up"
"""The digest of an inbox key that nothing may be accepted under; no records have one so short."""


def shard_of(tenant_id: UUID) -> int:
    return tenant_id.int % SHARDS


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
        with self.locked((self.shard_of(tenant_id),), wait=True) as transaction:
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
    def locked(self, shards: Sequence[int], *, wait: bool) -> Iterator[PostgresFold | None]:
        with self._database.transaction() as connection:
            rows = connection.execute(
                b"SELECT shard FROM fold_shard WHERE shard = ANY(%s) ORDER BY shard FOR UPDATE"
                + (b"" if wait else b" SKIP LOCKED"),
                (list(shards),),
            ).fetchall()
            fold = PostgresFold(connection, [shard for (shard,) in rows], self._new_id)
            yield fold if rows else None
            noted = fold.batches.note()
        self._noted(*noted)

    @contextmanager
    def locked_snapshot(self, shard: int) -> Iterator[PostgresRebuild]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ) as connection:
            connection.execute("SELECT FROM fold_shard WHERE shard = %s FOR UPDATE", (shard,))
            yield (rebuild := PostgresRebuild(connection, (shard,), self._new_id))
            noted = rebuild.batches.note()
        self._noted(*noted)
