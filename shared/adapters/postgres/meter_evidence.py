"""What stands behind bills of custom meters in PostgreSQL: their windows, one by one and summed up."""

import json
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.meter_rows import meters_of
from shared.adapters.postgres.meter_totals import MeterRange, columns_of, ranges_of, require_computed
from shared.adapters.postgres.pool import Connection
from shared.domain.aggregate import SeriesName
from shared.domain.errors import Fault, Rejected
from shared.domain.meter_definition import PERCENTILE, WINDOW, MeterDefinition, MeterVersion
from shared.domain.metering.windows import MeterFacts
from shared.domain.rating.selection import Labels, Where
from shared.domain.windows import WindowRange, WindowSize
from shared.service.evidence_ports import CoveringWindow, Scope, WindowPlace

# A version's dimensions are kept in its own order, so labels are looked up by their places in it.
_USED: Final = """
    WITH w AS (
        SELECT w.* FROM unnest(%(meters)s::uuid[], %(versions)s::int[], %(sizes)s::text[],
                %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(includes)s::jsonb[],
                %(excludes)s::jsonb[])
            AS range (of_meter, of_version, size, range_start, range_end, include, exclude)
        JOIN usage_meter_window w ON w.tenant_id = %(tenant_id)s AND w.meter_id = of_meter
            AND w.window_size = size AND w.window_start >= range_start AND w.window_start < range_end
            AND w.version = of_version AND (%(service_id)s::uuid IS NULL OR w.service_id = %(service_id)s)
        WHERE NOT EXISTS (SELECT FROM jsonb_each(include) AS of (place, wanted)
                          WHERE NOT wanted ? coalesce(w.dimensions::jsonb ->> place::int, ''))
            AND NOT EXISTS (SELECT FROM jsonb_each(exclude) AS of (place, unwanted)
                            WHERE unwanted ? coalesce(w.dimensions::jsonb ->> place::int, ''))
    )
"""
_SUMS: Final = f"""
    {_USED} SELECT sum(sum), sum(count), max(max), max(latest_at),
                   (array_agg(latest ORDER BY latest_at DESC, latest DESC))[1] FROM w
""".encode()
_PLACE: Final = "w.window_start, w.service_id, w.revision_id, w.dimensions_key"
_WINDOWS: Final = f"""
    {_USED}
    SELECT {_PLACE}, w.window_size, w.version, w.dimensions, service.namespace, service.name, revision.name,
           w.sum, w.count, w.max, w.latest_at, w.latest
    FROM w
    JOIN service ON (service.tenant_id, service.id) = (w.tenant_id, w.service_id)
    JOIN revision ON (revision.tenant_id, revision.id) = (w.tenant_id, w.revision_id)
    WHERE %(after_start)s::timestamptz IS NULL OR ({_PLACE})
        > (%(after_start)s, %(after_service)s::uuid, %(after_revision)s::uuid, %(after_dimensions)s::uuid)
    ORDER BY {_PLACE} LIMIT %(limit)s
""".encode()


def meter_named(connection: Connection, tenant_id: UUID, name: str) -> MeterDefinition | None:
    return next((meter for meter in meters_of(connection, tenant_id) if meter.name == name), None)


def require_known(connection: Connection, scope: Scope, meter: MeterDefinition) -> None:
    """Raises Uncomputed where it is not computed, and Rejected where it keeps no such dimension apart."""
    require_computed(connection, scope.tenant_id, (), [meter], *scope.whole)
    faults = [
        Fault("where", f"{meter.price_name} keeps no dimension {label!r} apart for all of the time")
        for label in sorted(scope.where.labels)
        if any(label not in meter.versions[number - 1].dimensions for _, number, _ in _ranges(meter, scope))
    ]
    if faults:
        raise Rejected(*faults)


def sums(connection: Connection, scope: Scope, meter: MeterDefinition) -> MeterFacts | None:
    """Over all windows; None where nothing counts."""
    row = connection.execute(_SUMS, _parameters(meter, scope)).fetchone()
    assert row is not None, "an aggregate without GROUP BY has one row"
    return None if row[1] is None else _facts(row)


def windows(
    connection: Connection, scope: Scope, meter: MeterDefinition, *, limit: int, after: WindowPlace | None
) -> Sequence[CoveringWindow[MeterFacts]]:
    """In order, from the one behind `after`."""
    start, service, revision, dimensions = after or (None, None, None, None)
    parameters = _parameters(meter, scope) | {
        "after_start": start,
        "after_service": service,
        "after_revision": revision,
        "after_dimensions": dimensions,
        "limit": limit,
    }
    return [_window(meter, row) for row in connection.execute(_WINDOWS, parameters)]


def kept_values(connection: Connection, tenant_id: UUID, meter_id: UUID, label: str) -> frozenset[str]:
    """The values of a dimension that are kept apart."""
    rows = connection.execute(
        "SELECT value FROM meter_dimension_value WHERE (tenant_id, meter_id, label) = (%s, %s, %s)",
        (tenant_id, meter_id, label),
    )
    return frozenset(value for (value,) in rows)


def _ranges(meter: MeterDefinition, scope: Scope) -> list[MeterRange]:
    of_windows = meter.aggregation == PERCENTILE and meter.versions[0].of == WINDOW
    ranges = [of for span in scope.spans for of in ranges_of(meter, *span)]
    return list(_as_small_ones(ranges)) if of_windows else ranges


def _as_small_ones(ranges: Iterable[MeterRange]) -> Iterator[MeterRange]:
    for meter_id, version, (_, start, end) in ranges:
        yield meter_id, version, WindowRange(WindowSize.M5, start, end)


def _parameters(meter: MeterDefinition, scope: Scope) -> dict[str, Any]:
    ranges = _ranges(meter, scope)
    columns = zip(("meters", "versions", "sizes", "starts", "ends"), columns_of(ranges), strict=True)
    filters = {version.number: _filters(version, scope.where) for version in meter.versions}
    return {
        "tenant_id": scope.tenant_id,
        "service_id": scope.service_id,
        **dict(columns),
        "includes": [filters[number][0] for _, number, _ in ranges],
        "excludes": [filters[number][1] for _, number, _ in ranges],
    }


def _filters(version: MeterVersion, where: Where) -> tuple[Jsonb, Jsonb]:
    return _placed(version, where.include), _placed(version, where.exclude)


def _placed(version: MeterVersion, labels: Labels) -> Jsonb:
    places = {label: str(place) for place, label in enumerate(version.dimensions)}
    return Jsonb({places[label]: list(values) for label, values in labels if label in places})


def _window(meter: MeterDefinition, row: Sequence[Any]) -> CoveringWindow[MeterFacts]:
    place, (size, version, dimensions, namespace, service, revision) = WindowPlace(*row[:4]), row[4:10]
    labels = meter.versions[version - 1].dimensions
    values = zip(labels, json.loads(dimensions), strict=True)
    kept = tuple(sorted((label, value) for label, value in values if value))
    name = SeriesName(namespace, service, revision, kept)
    return CoveringWindow(WindowSize(size), place, place.revision_id, name, _facts(row[10:]))


def _facts(row: Sequence[Any]) -> MeterFacts:
    total, count, most, latest_at, latest = row
    return MeterFacts(Fraction(total), int(count), Fraction(most), latest_at, Fraction(latest))
