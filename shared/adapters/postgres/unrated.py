"""Unrated usage in PostgreSQL: windows where a tenant has no plan."""

from collections.abc import Sequence
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.totals import ConnectionTotals
from shared.service.unrated import UnratedPosition, UnratedUsage

# Before a tenant's first subscription, and from each row without a plan to the next one.
_GAPS = """
    WITH gap AS (
        SELECT t.id AS tenant_id, '-infinity'::timestamptz AS starts_at, coalesce(
                   (SELECT min(s.starts_at) FROM subscription s WHERE s.tenant_id = t.id), 'infinity'
               ) AS ends_at
        FROM tenant t
        UNION ALL
        SELECT tenant_id, starts_at, ends_at FROM (
            SELECT tenant_id, starts_at, plan_id,
                   lead(starts_at, 1, 'infinity') OVER (PARTITION BY tenant_id ORDER BY starts_at) AS ends_at
            FROM subscription
        ) held
        WHERE plan_id IS NULL
    )
"""
_WINDOWS = """
    usage_aggregate a
    WHERE a.tenant_id = gap.tenant_id AND a.window_size = '5m'
        AND a.window_start >= gap.starts_at AND a.window_start < gap.ends_at AND a.records > 0
"""
_LIST = f"""
    {_GAPS}
    SELECT gap.tenant_id, tenant.slug, nullif(gap.starts_at, '-infinity'), nullif(gap.ends_at, 'infinity'),
           first.window_start, last.window_end
    FROM gap
    JOIN tenant ON tenant.id = gap.tenant_id
    CROSS JOIN LATERAL (SELECT window_start FROM {_WINDOWS} ORDER BY window_start LIMIT 1) first
    CROSS JOIN LATERAL (SELECT window_end FROM {_WINDOWS} ORDER BY window_start DESC LIMIT 1) last
    WHERE (%(tenant_id)s::uuid IS NULL OR gap.tenant_id = %(tenant_id)s)
        AND (%(after_id)s::uuid IS NULL
             OR (gap.tenant_id, first.window_start) > (%(after_id)s, %(after_from)s::timestamptz))
    ORDER BY gap.tenant_id, first.window_start LIMIT %(limit)s
""".encode()
_COUNT = f"""
    {_GAPS} SELECT count(DISTINCT gap.tenant_id) FROM gap WHERE EXISTS (SELECT FROM {_WINDOWS})
""".encode()


class PostgresUnrated:
    """UnratedReport."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def usage(
        self, tenant_id: UUID | None, *, limit: int, after: UnratedPosition | None = None
    ) -> Sequence[UnratedUsage]:
        after_id, after_from = after or (None, None)
        parameters = {
            "tenant_id": tenant_id,
            "after_id": after_id,
            "after_from": after_from,
            "limit": limit,
        }
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            totals = ConnectionTotals(connection)
            rows = connection.execute(_LIST, parameters).fetchall()
            return [
                UnratedUsage(id, slug, since, until, start, end, totals.total(id, start, end).invocations)
                for id, slug, since, until, start, end in rows
            ]

    def tenants(self) -> int:
        with self._database.statement() as connection:
            (count,) = connection.execute(_COUNT).fetchall()[0]
            return int(count)
