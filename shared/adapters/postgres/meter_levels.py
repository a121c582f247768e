"""Levels that custom meters count by how long they are held: weighted sums."""

from datetime import datetime
from fractions import Fraction
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.adapters.postgres.pool import Connection
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.quantity import held
from shared.domain.period import month_of
from shared.domain.usage import EARLIEST
from shared.domain.windows import cover

# What changed before the start is held for all of the time; what changes in a window, from then to its end,
# and from there on.
_HELD: Final = b"""
    SELECT sum(sum * CASE WHEN window_start < %(start)s THEN extract(epoch FROM %(end)s - %(start)s)
                          ELSE extract(epoch FROM %(end)s - window_start)
                               - CASE window_size WHEN '5m' THEN 300 WHEN '1h' THEN 3600 ELSE 86400 END
                     END * 1000000000)
           + coalesce(sum(held_ns) FILTER (WHERE window_start >= %(start)s), 0)
    FROM unnest(%(versions)s::int[], %(sizes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        AS range (of_version, size, range_start, range_end)
    JOIN usage_meter_window w ON w.tenant_id = %(tenant_id)s AND w.meter_id = %(meter_id)s
        AND w.window_size = size AND w.window_start >= range_start AND w.window_start < range_end
        AND w.version = of_version
"""


def held_between(
    connection: Connection, tenant_id: UUID, meter: MeterDefinition, start: datetime, end: datetime
) -> Fraction:
    """Of [start, end), on the grid, as a share of the counting period that `start` lies in."""
    spans = [
        (number, of)
        for begin, until in ((EARLIEST, start), (start, end))
        for number, *span in meter.spans(begin, until)
        for of in cover(*span)
    ]
    row = connection.execute(
        _HELD,
        {
            "tenant_id": tenant_id,
            "meter_id": meter.id,
            "start": start,
            "end": end,
            "versions": [number for number, _ in spans],
            "sizes": [of.size.value for _, of in spans],
            "starts": [of.start for _, of in spans],
            "ends": [of.end for _, of in spans],
        },
    ).fetchone()
    if row is None or row[0] is None:
        return Fraction(0)
    zone = connection.execute("SELECT timezone FROM tenant WHERE id = %s", (tenant_id,)).fetchone()
    assert zone is not None, "a tenant with usage"
    return held(meter, Fraction(row[0]), month_of(start, ZoneInfo(zone[0])), end)
