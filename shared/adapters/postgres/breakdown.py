"""Sums over the windows in PostgreSQL, by service, revision and values of dimensions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.totals import USED, WHERE, ConnectionTotals, chosen, used_in
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.meters import quantities
from shared.domain.period import Period
from shared.domain.rating.selection import EVERYWHERE, Where
from shared.service.explain import DimensionsRef, RevisionRef, SeriesRef, ServiceRef

# Summed first: the names of a series are looked up once, and not for each of its windows.
_BY_SERIES = f"""
    WITH used AS MATERIALIZED (
        SELECT service_id, revision_id,
               {", ".join(f"{'sum' if name in SUMS else 'max'}({name}) AS {name}" for name in NUMBERS)}
        {USED} {{where}}
        GROUP BY service_id, revision_id
    )
    SELECT used.service_id, service.namespace, service.name,
           coalesce(revision.base_id, revision.id), revision.name, revision.dimensions,
           {", ".join(NUMBERS)}
    FROM used
    JOIN service ON (service.tenant_id, service.id) = (%(tenant_id)s, used.service_id)
    JOIN revision ON (revision.tenant_id, revision.id) = (%(tenant_id)s, used.revision_id)
"""


class ConnectionBreakdown(ConnectionTotals):
    """SeriesTotals, in the snapshot of a connection's transaction."""

    def by_series(
        self, tenant_id: UUID, spans: Sequence[Period], where: Where = EVERYWHERE
    ) -> Mapping[SeriesRef, Mapping[str, Fraction]]:
        query = _BY_SERIES.format(where=WHERE if where else "").encode()
        rows = self._connection.execute(query, used_in(tenant_id, spans) | chosen(where))
        return {
            (
                ServiceRef(*row[:3]),
                RevisionRef(*row[3:5]),
                DimensionsRef(tuple(sorted(row[5].items()))),
            ): quantities(WindowFacts.of(map(int, row[6:]), {}))
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
