"""Sums over the windows in PostgreSQL, from disjoint ranges."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.windows import cover

_TOTAL = f"""
    SELECT {", ".join(f"{'sum' if name in SUMS else 'max'}({name})" for name in NUMBERS)}
    FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS range (size, range_start, range_end)
    JOIN usage_window ON tenant_id = %s AND window_size = size
        AND window_start >= range_start AND window_start < range_end
""".encode()


class ConnectionTotals:
    """UsageTotals, in the snapshot of a connection's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        ranges = tuple(cover(start, end))
        parameters = (
            [of.size.value for of in ranges],
            [of.start for of in ranges],
            [of.end for of in ranges],
            tenant_id,
        )
        row = self._connection.execute(_TOTAL, parameters).fetchone()
        assert row is not None, "an aggregate without GROUP BY has one row"
        facts = WindowFacts()
        for name, value in zip(NUMBERS, row, strict=True):
            setattr(facts, name, int(value or 0))
        return facts

    def custom(
        self, tenant_id: UUID, names: Collection[str], start: datetime, end: datetime
    ) -> Mapping[str, Fraction]:
        from shared.adapters.postgres.meter_totals import quantities

        return quantities(self._connection, tenant_id, names, start, end)


class PostgresUsageReader:
    """UsageReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[ConnectionTotals]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield ConnectionTotals(connection)
