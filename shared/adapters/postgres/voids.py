"""Voids in PostgreSQL: made under the fold's lock, and listed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.adapters.postgres.batches import Noted
from shared.adapters.postgres.folding import PostgresRebuild, StoredPayload
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.windows import GIVEN_UP, shard_of
from shared.domain.voids import Void, VoidPosition, VoidRequest
from shared.service.ports import NewId

_COLUMNS = ", ".join(f"v.{f.name}" for f in fields(Void) if f.name != "tenant")
_SELECT = f"SELECT {_COLUMNS}, tenant.slug AS tenant FROM usage_void v JOIN tenant ON tenant.id = v.tenant_id"
_KEY = ("v.voided_at", "v.tenant_id", "v.event_key")
# Both in the order of the key, so that whoever writes the same keys waits, and does not deadlock.
_MARK = b"""
    INSERT INTO usage_void (tenant_id, event_key, source, event_id, reason, voided_at, voided_by)
    SELECT %s, event_key, source, event_id, reason, %s, %s
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) r (event_key, source, event_id, reason)
    ORDER BY event_key ON CONFLICT DO NOTHING RETURNING event_key
"""
_TAKE_IDENTITIES = b"""
    INSERT INTO usage_inbox (tenant_id, event_key, digest, received_at)
    SELECT %s, event_key, %s, %s FROM unnest(%s::uuid[]) r (event_key) ORDER BY event_key
    ON CONFLICT DO NOTHING
"""


class PostgresVoids:
    """VoidStore."""

    def __init__(self, database: Database, new_id: NewId, noted: Noted = lambda *_: None) -> None:
        self._database = database
        self._new_id = new_id
        self._noted = noted

    @contextmanager
    def locked(self, tenant_id: UUID) -> Iterator["PostgresVoiding"]:
        shard = shard_of(tenant_id)
        with self._database.transaction() as connection:
            # Written, not only locked: a rebuild that waits with a snapshot from before begins anew.
            connection.execute("UPDATE fold_shard SET shard = shard WHERE shard = %s", (shard,))
            yield (voiding := PostgresVoiding(connection, (shard,), self._new_id))
            noted = voiding.batches.note()
        self._noted(*noted)

    def find(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Mapping[UUID, Void]:
        voids = self._rows("v.tenant_id = %s AND v.event_key = ANY(%s)", tenant_id, list(event_keys))
        return {void.event_key: void for void in voids}

    def list(
        self, tenant_id: UUID | None, *, limit: int, after: VoidPosition | None = None
    ) -> Sequence[Void]:
        conditions, parameters = ["true"], list[Any]()
        if tenant_id is not None:
            conditions.append("v.tenant_id = %s")
            parameters.append(tenant_id)
        if after is not None:
            conditions.append(f"({', '.join(_KEY)}) < (%s, %s, %s)")
            parameters += after
        order = ", ".join(f"{column} DESC" for column in _KEY)
        return self._rows(f"{' AND '.join(conditions)} ORDER BY {order} LIMIT %s", *parameters, limit)

    def _rows(self, condition: str, *parameters: object) -> Sequence[Void]:
        with (
            self._database.statement() as connection,
            connection.cursor(row_factory=class_row(Void)) as cursor,
        ):
            return cursor.execute(f"{_SELECT} WHERE {condition}".encode(), parameters).fetchall()


class PostgresVoiding(PostgresRebuild):
    """VoidTransaction, READ COMMITTED: whoever appends does not wait for it."""

    def mark(
        self, tenant_id: UUID, requests: Collection[VoidRequest], *, by: str, at: datetime
    ) -> Collection[UUID]:
        columns = [
            [request.event_key for request in requests],
            [request.source for request in requests],
            [request.id for request in requests],
            [request.reason for request in requests],
        ]
        new = [key for (key,) in self._connection.execute(_MARK, (tenant_id, at, by, *columns))]
        # It waits for whoever is accepting one of them right now.
        self._connection.execute(_TAKE_IDENTITIES, (tenant_id, GIVEN_UP, at, new))
        return new

    def accepted(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Mapping[UUID, datetime]:
        rows = self._connection.execute(
            "SELECT event_key, received_at FROM usage_inbox"
            " WHERE tenant_id = %s AND event_key = ANY(%s) AND digest <> %s",
            (tenant_id, list(event_keys), GIVEN_UP),
        )
        return dict(rows.fetchall())

    def drop_deltas(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Collection[UUID]:
        identities = tenant_id, list(event_keys)
        # Whoever mends what was put aside would have it counted.
        self._connection.execute(
            "DELETE FROM usage_delta_aside WHERE tenant_id = %s AND event_key = ANY(%s)", identities
        )
        rows = self._connection.execute(
            "DELETE FROM usage_delta WHERE tenant_id = %s AND event_key = ANY(%s)"
            " RETURNING event_key, batch_source, batch_number, batch_at",
            identities,
        ).fetchall()
        for _, *batch in rows:
            self.batches.add(tenant_id, *batch)
        return {key for key, *_ in rows}

    def payloads_of(self, tenant_id: UUID, event_key: UUID, received_at: datetime) -> Sequence[StoredPayload]:
        rows = self._connection.execute(
            "SELECT body, recorded_at, received_at FROM payload"
            " WHERE tenant_id = %s AND event_key = %s AND received_at = %s ORDER BY seq",
            (tenant_id, event_key, received_at),
        )
        return [StoredPayload(*row) for row in rows]

    def note_taken_back(
        self, tenant_id: UUID, event_key: UUID, *, received_at: datetime, records: int, invocations: int
    ) -> None:
        self._connection.execute(
            "UPDATE usage_void SET counted = true, received_at = %s, records = %s, invocations = %s"
            " WHERE tenant_id = %s AND event_key = %s",
            (received_at, records, invocations, tenant_id, event_key),
        )
