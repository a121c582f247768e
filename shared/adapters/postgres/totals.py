"""Sums over the windows in PostgreSQL, from disjoint ranges."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from psycopg import IsolationLevel
from psycopg.types.json import Jsonb

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.meters import METERS
from shared.domain.period import Period
from shared.domain.rating.selection import Labels, Where
from shared.domain.windows import cover

USED: Final = """
    FROM unnest(%(sizes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        AS range (size, range_start, range_end)
    JOIN usage_window ON tenant_id = %(tenant_id)s AND window_size = size
        AND window_start >= range_start AND window_start < range_end
"""
"""Windows of disjoint ranges."""
WHERE: Final = """
    WHERE revision_id = ANY(ARRAY(
        SELECT id FROM revision
        WHERE tenant_id = %(tenant_id)s
            AND NOT EXISTS (SELECT FROM jsonb_each(%(include)s) AS of (label, wanted)
                            WHERE NOT wanted ? coalesce(dimensions ->> label, ''))
            AND NOT EXISTS (SELECT FROM jsonb_each(%(exclude)s) AS of (label, unwanted)
                            WHERE unwanted ? coalesce(dimensions ->> label, ''))
    ))
"""
"""And of series of these values of dimensions only."""
_TOTAL = f"""
    SELECT {", ".join(f"{'sum' if name in SUMS else 'max'}({name})" for name in NUMBERS)}
    {USED}
""".encode()


def used_in(tenant_id: UUID, spans: Sequence[Period]) -> dict[str, Any]:
    """The parameters of USED, for spans on the grid and apart from each other."""
    ranges = [of for span in spans for of in cover(*span)]
    return {
        "tenant_id": tenant_id,
        "sizes": [of.size.value for of in ranges],
        "starts": [of.start for of in ranges],
        "ends": [of.end for of in ranges],
    }


def chosen(where: Where) -> dict[str, Any]:
    """The parameters of WHERE."""
    return {"include": _object(where.include), "exclude": _object(where.exclude)}


class ConnectionTotals:
    """UsageTotals, in the snapshot of a connection's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        row = self._connection.execute(_TOTAL, used_in(tenant_id, [Period(start, end)])).fetchone()
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

    def ordered(self, tenant_id: UUID, name: str, start: datetime, end: datetime) -> Sequence[Fraction]:
        from shared.adapters.postgres.meter_ledgers import entries_between

        return entries_between(self._connection, tenant_id, name, start, end)

    def select(
        self,
        tenant_id: UUID,
        spans: Sequence[Period],
        meter: str,
        where: Where,
        *,
        in_parts: bool = False,
    ) -> Fraction:
        built_in = METERS.get(meter)
        if built_in is None:
            from shared.adapters.postgres.meter_selection import selected

            return selected(self._connection, tenant_id, spans, meter, where, in_parts=in_parts)
        if where:
            from shared.adapters.postgres.dimensions import require_declared

            require_declared(self._connection, tenant_id, where.labels, spans[0].start, spans[-1].end)
        query = f"SELECT coalesce(sum({built_in.fact}), 0) {USED} {WHERE if where else ''}".encode()
        row = self._connection.execute(query, used_in(tenant_id, spans) | chosen(where)).fetchone()
        assert row is not None, "an aggregate without GROUP BY has one row"
        return Fraction(int(row[0])) / built_in.divisor


class PostgresUsageReader:
    """UsageReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[ConnectionTotals]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield ConnectionTotals(connection)


def _object(labels: Labels) -> Jsonb:
    return Jsonb({label: list(values) for label, values in labels})
