"""Percentiles that custom meters count: exact, of the values that windows keep, or of the windows' sums."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from shared.adapters.postgres.pool import Connection
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.quantity import Ranked, percentile
from shared.domain.windows import GRID, WindowRange, WindowSize, cover

_RANGES: Final = """
    FROM unnest(%(versions)s::int[], %(sizes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        AS range (of_version, size, range_start, range_end)
    JOIN {table} w ON w.tenant_id = %(tenant_id)s AND w.meter_id = %(meter_id)s AND w.window_size = size
        AND w.window_start >= range_start AND w.window_start < range_end AND w.version = of_version
"""
_RECORDS: Final = f"SELECT value, count {_RANGES.format(table='usage_meter_value')}"
_WINDOWS: Final = """
    SELECT value, count(*) AS count FROM windows GROUP BY value
    UNION ALL SELECT 0, %(windows)s - (SELECT count(*) FROM windows) WHERE EXISTS (SELECT FROM windows)
"""
_SUMS: Final = f"SELECT sum(sum) AS value {_RANGES.format(table='usage_meter_window')} GROUP BY window_start"


def _ranked(counted: str) -> str:
    """How many values there are, and the two between which the percentile lies."""
    below = "div(%(percentile)s * (n - 1), 100)"
    return f"""
        SELECT max(n), min(value) FILTER (WHERE until > {below}),
               min(value) FILTER (WHERE until > {below} + 1)
        FROM (
            SELECT value, sum(count) OVER (ORDER BY value) AS until, sum(count) OVER () AS n
            FROM (SELECT value, sum(count) AS count FROM ({counted}) c GROUP BY value) s
            WHERE count > 0
        ) ranked
    """


_OF_RECORDS: Final = _ranked(_RECORDS).encode()
_OF_WINDOWS: Final = f"WITH windows AS MATERIALIZED ({_SUMS}) {_ranked(_WINDOWS)}".encode()


def percentile_between(
    connection: Connection, tenant_id: UUID, meter: MeterDefinition, start: datetime, end: datetime
) -> Fraction:
    """Of [start, end), on the grid. A window of which no record says anything is one of nothing."""
    of_windows = bool(meter.versions[0].of)
    spans = [
        (number, of)
        for number, since, until in meter.spans(start, end)
        for of in _cut(since, until, of_windows)
    ]
    row = connection.execute(
        _OF_WINDOWS if of_windows else _OF_RECORDS,
        {
            "tenant_id": tenant_id,
            "meter_id": meter.id,
            "percentile": meter.versions[0].percentile,
            "versions": [number for number, _ in spans],
            "sizes": [of.size.value for _, of in spans],
            "starts": [of.start for _, of in spans],
            "ends": [of.end for _, of in spans],
            "windows": sum((of.end - of.start) // GRID for _, of in spans),
        },
    ).fetchone()
    if row is None or row[0] is None:
        return Fraction(0)
    n, low, high = row
    return percentile(meter, Ranked(int(n), Fraction(low), Fraction(low if high is None else high)), end)


def _cut(start: datetime, end: datetime, of_windows: bool) -> Sequence[WindowRange]:
    return [WindowRange(WindowSize.M5, start, end)] if of_windows else tuple(cover(start, end))
