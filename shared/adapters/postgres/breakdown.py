"""Sums over the windows in PostgreSQL, by service and revision."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.totals import ConnectionTotals
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.meters import quantities
from shared.domain.windows import cover
from shared.service.explain import RevisionRef, ServiceRef

# Summed first: the names of a series are looked up once, and not for each of its windows.
_BY_SERIES = f"""
    WITH used AS MATERIALIZED (
        SELECT service_id, revision_id,
               {", ".join(f"{'sum' if name in SUMS else 'max'}({name}) AS {name}" for name in NUMBERS)}
        FROM unnest(%(sizes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
            AS range (size, range_start, range_end)
        JOIN usage_window ON tenant_id = %(tenant_id)s AND window_size = size
            AND window_start >= range_start AND window_start < range_end
        GROUP BY service_id, revision_id
    )
    SELECT used.service_id, service.namespace, service.name, used.revision_id, revision.name,
           {", ".join(NUMBERS)}
    FROM used
    JOIN service ON (service.tenant_id, service.id) = (%(tenant_id)s, used.service_id)
    JOIN revision ON (revision.tenant_id, revision.id) = (%(tenant_id)s, used.revision_id)
""".encode()


class ConnectionBreakdown(ConnectionTotals):
    """SeriesTotals, in the snapshot of a connection's transaction."""

    def by_series(
        self, tenant_id: UUID, start: datetime, end: datetime
    ) -> Mapping[tuple[ServiceRef, RevisionRef], Mapping[str, Fraction]]:
        ranges = tuple(cover(start, end))
        rows = self._connection.execute(
            _BY_SERIES,
            {
                "sizes": [of.size.value for of in ranges],
                "starts": [of.start for of in ranges],
                "ends": [of.end for of in ranges],
                "tenant_id": tenant_id,
            },
        )
        return {
            (ServiceRef(*row[:3]), RevisionRef(*row[3:5])): quantities(WindowFacts.of(map(int, row[5:]), {}))
            for row in rows
        }


class PostgresSeriesReader:
    """SeriesReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[ConnectionBreakdown]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield ConnectionBreakdown(connection)
