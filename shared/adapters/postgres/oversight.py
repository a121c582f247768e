"""Metering gaps and usage conflicts in PostgreSQL, to be read."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar
from uuid import UUID

from psycopg.rows import class_row

from shared.adapters.postgres.pool import Database
from shared.service.oversight import ConflictPosition, GapPosition, MeteringGap, UsageConflict

_Row = TypeVar("_Row")
_GAPS = """
    SELECT g.tenant_id, tenant.slug AS tenant, g.source_key, source, highest, first, last, since
    FROM metering_gap g
    JOIN usage_source USING (tenant_id, source_key)
    JOIN tenant ON tenant.id = g.tenant_id
"""
_CONFLICT_COLUMNS = ", ".join(f"c.{f.name}" for f in fields(UsageConflict) if f.name != "tenant")
_CONFLICTS = f"""
    SELECT {_CONFLICT_COLUMNS}, tenant.slug AS tenant
    FROM usage_conflict c JOIN tenant ON tenant.id = c.tenant_id
"""


class PostgresOversight:
    """Oversight."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def gaps(
        self, tenant_id: UUID | None, *, limit: int, after: GapPosition | None = None
    ) -> Sequence[MeteringGap]:
        key = "g.tenant_id, g.source_key, g.first"
        return self._rows(MeteringGap, "g", _GAPS, f"({key}) > (%s, %s, %s)", key, tenant_id, after, limit)

    def conflicts(
        self, tenant_id: UUID | None, *, limit: int, after: ConflictPosition | None = None
    ) -> Sequence[UsageConflict]:
        key = ("c.first_seen_at", "c.tenant_id", "c.event_key", "c.refused_digest")
        behind = f"({', '.join(key)}) < (%s, %s, %s, %s)"
        order = ", ".join(f"{column} DESC" for column in key)
        return self._rows(UsageConflict, "c", _CONFLICTS, behind, order, tenant_id, after, limit)

    def _rows(
        self,
        row: type[_Row],
        table: str,
        query: str,
        behind: str,
        order: str,
        tenant_id: UUID | None,
        after: tuple[Any, ...] | None,
        limit: int,
    ) -> Sequence[_Row]:
        conditions, parameters = ["true"], []
        if tenant_id is not None:
            conditions.append(f"{table}.tenant_id = %s")
            parameters.append(tenant_id)
        if after is not None:
            conditions.append(behind)
            parameters += after
        text = f"{query} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %s"
        with (
            self._database.statement() as connection,
            connection.cursor(row_factory=class_row(row)) as cursor,
        ):
            cursor.execute(text.encode(), (*parameters, limit))
            return cursor.fetchall()
