"""What a part of a custom meter counted: in some spans of time, by some values of its dimensions."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.meter_rows import meters_of
from shared.adapters.postgres.meter_totals import columns_of, ranges_of, require_computed
from shared.adapters.postgres.pool import Connection
from shared.domain.errors import Fault, Rejected
from shared.domain.meter_definition import COUNT, LATEST, MAX, SUM, UNIQUE, MeterDefinition, MeterVersion
from shared.domain.metering.quantity import MeterTotal, VersionTotal, quantity
from shared.domain.meters import CUSTOM
from shared.domain.period import Period
from shared.domain.rating.selection import Labels, Where

SUMMED: Final = frozenset((SUM, COUNT))
"""Aggregations that parts of a time sum up to."""
_SELECTED: Final = SUMMED | {MAX, LATEST, UNIQUE}

# A version's dimensions are kept in its own order, so labels are looked up by their places in it.
_RANGES: Final = """
    FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[],
                %s::jsonb[], %s::jsonb[])
        AS range (of_meter, of_version, size, range_start, range_end, include, exclude)
    JOIN {table} w ON w.tenant_id = %s AND w.meter_id = of_meter AND w.window_size = size
        AND w.window_start >= range_start AND w.window_start < range_end AND w.version = of_version
    WHERE NOT EXISTS (SELECT FROM jsonb_each(include) AS of (place, wanted)
                      WHERE NOT wanted ? coalesce(w.dimensions::jsonb ->> place::int, ''))
        AND NOT EXISTS (SELECT FROM jsonb_each(exclude) AS of (place, unwanted)
                        WHERE unwanted ? coalesce(w.dimensions::jsonb ->> place::int, ''))
"""
_TOTALS: Final = f"""
    SELECT version, sum(sum), sum(count), max(max), max(latest_at),
           (array_agg(latest ORDER BY latest_at DESC, latest DESC))[1]
    {_RANGES.format(table="usage_meter_window")} GROUP BY version
""".encode()
_UNIQUE: Final = f"""
    SELECT count(DISTINCT value_key) {_RANGES.format(table="usage_meter_unique")}
""".encode()


def selected(
    connection: Connection,
    tenant_id: UUID,
    spans: Sequence[Period],
    price_name: str,
    where: Where,
    *,
    in_parts: bool,
) -> Fraction:
    """What `UsageTotals.select` says, of `custom.<name>`, in the snapshot of the connection's transaction."""
    name = price_name.removeprefix(CUSTOM)
    meters = [meter for meter in meters_of(connection, tenant_id) if meter.name == name]
    require_computed(connection, tenant_id, [name], meters, spans[0].start, spans[-1].end)
    (meter,) = meters
    ranges = [of for span in spans for of in ranges_of(meter, *span)]
    faults = _faults(meter, {number for _, number, _ in ranges}, where, in_parts=in_parts)
    if faults:
        raise Rejected(*faults)
    places = {version.number: version for version in meter.versions}
    parameters = (
        *columns_of(ranges),
        [_placed(places[number], where.include) for _, number, _ in ranges],
        [_placed(places[number], where.exclude) for _, number, _ in ranges],
        tenant_id,
    )
    totals = [
        VersionTotal(version, Fraction(total), int(count), Fraction(most), latest_at, Fraction(latest))
        for version, total, count, most, latest_at, latest in connection.execute(_TOTALS, parameters)
    ]
    unique = 0
    if meter.aggregation == UNIQUE:
        ((unique,),) = connection.execute(_UNIQUE, parameters).fetchall()
    return quantity(meter, MeterTotal(totals, unique))


def _faults(meter: MeterDefinition, versions: set[int], where: Where, *, in_parts: bool) -> list[Fault]:
    if in_parts and meter.aggregation not in SUMMED:
        said = f"{meter.price_name} has no bands: {meter.aggregation} is not summed over time"
        return [Fault("meter", said)]
    if meter.aggregation not in _SELECTED:
        said = f"{meter.price_name} cannot be told apart by dimensions: it is a {meter.aggregation}"
        return [Fault("meter", said)]
    return [
        Fault("meter", f"{meter.price_name} keeps no dimension {label!r} apart for all of the period")
        for label in sorted(where.labels)
        if any(v.number in versions and label not in v.dimensions for v in meter.versions)
    ]


def _placed(version: MeterVersion, labels: Labels) -> Jsonb:
    return Jsonb({str(version.dimensions.index(label)): list(values) for label, values in labels})
