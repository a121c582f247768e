"""Sums of windows, for bills: every read of one bill sees the same snapshot."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.pool import Connection, Database
from shared.domain import sketch
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.windows import cover

_TOTAL = f"""
    SELECT {", ".join(f"coalesce({'sum' if name in SUMS else 'max'}({name}), 0)" for name in NUMBERS)},
           array_agg(sketch)
    FROM usage_aggregate a
    JOIN unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) r (window_size, range_start, range_end)
      ON a.window_size = r.window_size AND window_start >= range_start AND window_start < range_end
    WHERE tenant_id = %s
""".encode()


class PostgresUsage:
    """UsageReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator["SnapshotTotals"]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield SnapshotTotals(connection)


class SnapshotTotals:
    """UsageTotals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        """What the tenant used in [start, end), both on the 5-minute grid."""
        ranges = list(cover(start, end))
        row = self._connection.execute(
            _TOTAL,
            (
                [r.size.value for r in ranges],
                [r.start for r in ranges],
                [r.end for r in ranges],
                tenant_id,
            ),
        ).fetchone()
        assert row is not None
        durations: sketch.Sketch = {}
        for each in row[-1] or ():
            sketch.merge(durations, sketch.decode(each))
        return WindowFacts.of(map(int, row[:-1]), durations)
