"""What custom meters counted, from disjoint ranges of their windows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time
from fractions import Fraction
from typing import Final
from uuid import UUID

from shared.adapters.postgres.meter_levels import held_between
from shared.adapters.postgres.meter_percentiles import percentile_between
from shared.adapters.postgres.meter_rows import meters_of
from shared.adapters.postgres.pool import Connection
from shared.domain.errors import Fault
from shared.domain.meter_definition import PERCENTILE, UNIQUE, WEIGHTED_SUM, MeterDefinition
from shared.domain.metering.quantity import MeterTotal, Uncomputed, VersionTotal, quantity, uncomputed
from shared.domain.usage import EARLIEST
from shared.domain.windows import WindowRange, cover

_RANGES: Final = """
    FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[])
        AS range (of_meter, of_version, size, range_start, range_end)
    JOIN {table} w ON w.tenant_id = %s AND w.meter_id = of_meter AND w.window_size = size
        AND w.window_start >= range_start AND w.window_start < range_end AND w.version = of_version
    GROUP BY meter_id
"""
_TOTALS: Final = f"""
    SELECT meter_id, version, sum(sum), sum(count), max(max), max(latest_at),
           (array_agg(latest ORDER BY latest_at DESC, latest DESC))[1]
    {_RANGES.format(table="usage_meter_window")}, version
""".encode()
_UNIQUE: Final = f"""
    SELECT meter_id, count(DISTINCT value_key) {_RANGES.format(table="usage_meter_unique")}
""".encode()
_OPEN: Final = b"""
    SELECT meter_id, version, next_day, computable_from FROM meter_backfill
    WHERE tenant_id = %s AND meter_id = ANY(%s) AND NOT done ORDER BY version
"""
_STALE: Final = b"SELECT min(day) FROM meter_stale_day WHERE tenant_id = %s AND day >= %s AND day < %s"

MeterRange = tuple[UUID, int, WindowRange]


def quantities(
    connection: Connection, tenant_id: UUID, names: Collection[str], start: datetime, end: datetime
) -> Mapping[str, Fraction]:
    """What [start, end), on the grid, counts by the meters of these names, under what prices call them.

    In the snapshot of the connection's transaction. Raises Uncomputed where that is not known.
    """
    meters = [meter for meter in meters_of(connection, tenant_id) if meter.name in names]
    require_computed(connection, tenant_id, names, meters, start, end)
    levels = [meter for meter in meters if meter.aggregation == WEIGHTED_SUM]
    if levels:
        # What they were at the start is what changed before.
        require_computed(connection, tenant_id, (), levels, EARLIEST, end)
    read = {PERCENTILE: percentile_between, WEIGHTED_SUM: held_between}
    of_their_own = {
        meter.price_name: read[meter.aggregation](connection, tenant_id, meter, start, end)
        for meter in meters
        if meter.aggregation in read
    }
    others = [meter for meter in meters if meter.aggregation not in read]
    return {**of_their_own, **_added_up(connection, tenant_id, others, start, end)}


def _added_up(
    connection: Connection,
    tenant_id: UUID,
    meters: Sequence[MeterDefinition],
    start: datetime,
    end: datetime,
) -> Mapping[str, Fraction]:
    if not meters:
        return {}
    ranges = [one for meter in meters for one in ranges_of(meter, start, end)]
    totals: dict[UUID, list[VersionTotal]] = {}
    for meter_id, version, total, count, most, latest_at, latest in connection.execute(
        _TOTALS, (*columns_of(ranges), tenant_id)
    ):
        of = VersionTotal(version, Fraction(total), int(count), Fraction(most), latest_at, Fraction(latest))
        totals.setdefault(meter_id, []).append(of)
    unique: dict[UUID, int] = {}
    counted = {meter.id for meter in meters if meter.aggregation == UNIQUE}
    if counted:
        of_unique = [one for one in ranges if one[0] in counted]
        unique = dict(connection.execute(_UNIQUE, (*columns_of(of_unique), tenant_id)).fetchall())
    return {
        meter.price_name: quantity(meter, MeterTotal(totals.get(meter.id, ()), unique.get(meter.id, 0)))
        for meter in meters
    }


def ranges_of(meter: MeterDefinition, start: datetime, end: datetime) -> list[MeterRange]:
    """Each version's share of the time; they change at starts of UTC days, as windows of any size do."""
    return [
        (meter.id, number, of)
        for number, since, until in meter.spans(start, end)
        for of in cover(since, until)
    ]


def columns_of(ranges: Sequence[MeterRange]) -> tuple[list[object], ...]:
    return (
        [meter_id for meter_id, _, _ in ranges],
        [version for _, version, _ in ranges],
        [of.size.value for _, _, of in ranges],
        [of.start for _, _, of in ranges],
        [of.end for _, _, of in ranges],
    )


def require_computed(
    connection: Connection,
    tenant_id: UUID,
    names: Collection[str],
    meters: Sequence[MeterDefinition],
    start: datetime,
    end: datetime,
) -> None:
    """Raises Uncomputed where what these meters count in [start, end) is not known."""
    by_id = {meter.id: meter for meter in meters}
    faults = [
        Fault("meter", f"no meter {name!r} is defined")
        for name in sorted(set(names) - {meter.name for meter in meters})
    ]
    for meter_id, number, next_day, computable_from in connection.execute(_OPEN, (tenant_id, [*by_id])):
        meter = by_id[meter_id]
        version = meter.versions[number - 1]
        computed_until = datetime.combine(next_day, time(), UTC)
        if max(start, computed_until) < min(end, meter.end_of(version) or end):
            if computable_from is None:
                why = f"usage from {next_day} on is still being computed; ask again later"
            else:
                why = f"usage is gone that it would count; the first day that can be is {computable_from}"
            faults.append(uncomputed(meter, why))
    row = connection.execute(_STALE, (tenant_id, start.date(), end)).fetchone()
    if row is not None and row[0] is not None:
        why = f"usage of {row[0]} is being computed anew; ask again later"
        faults += (uncomputed(meter, why) for meter in meters)
    if faults:
        raise Uncomputed(*faults)
