"""The windows in PostgreSQL, to be read."""

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from psycopg import IsolationLevel
from psycopg.rows import dict_row

from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.totals import chosen
from shared.domain import sketch
from shared.domain.facts import NUMBERS, SUMS
from shared.domain.windows import WindowSize
from shared.service.usage_report import UsageWindow, WindowFilter, WindowPage, WindowPosition

_NAMES = {
    "tenant": "tenant.slug",
    "namespace": "service.namespace",
    "service_name": "service.name",
    "revision": "revision.name",
}
_PERCENTILES = ("p50_duration_ms", "p95_duration_ms")
_SHOWN = [f.name for f in fields(UsageWindow) if f.name not in (*_PERCENTILES, "dimensions")]
_COLUMNS = ", ".join([*(f"{_NAMES.get(name, 'a.' + name)} AS {name}" for name in _SHOWN), "a.sketch"])
_INTEGERS = [f.name for f in fields(UsageWindow) if f.type is int]
_KEY: Final = "a.tenant_id, a.window_size, a.window_start, a.service_id, a.revision_id"
_FROM: Final = """
    {0} a
    JOIN tenant ON tenant.id = a.tenant_id
    JOIN service ON (service.tenant_id, service.id) = (a.tenant_id, a.service_id)
    JOIN revision ON (revision.tenant_id, revision.id) = (a.tenant_id, a.revision_id)
"""
# What a window shows beside its facts is as the view `usage_aggregate` has it: a window of a revision without
# dimensions is the same in both.
_APART: Final = f"""
    (SELECT *,
        overlay(overlay(md5(concat_ws(' ', tenant_id, window_size, extract(epoch FROM window_start)::bigint,
            service_id, revision_id, nullif(jsonb_object(%(by)s, values), '{{{{}}}}')))
            PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid AS id,
        window_start + CASE window_size
            WHEN '5m' THEN '5 minutes'::interval WHEN '1h' THEN '1 hour' ELSE '24 hours' END AS window_end,
        (duration_ns / 1e6)::numeric(44, 6) AS total_duration_ms,
        coalesce(duration_ns / nullif(invocations, 0) / 1e6, 0)::numeric(44, 6) AS avg_duration_ms,
        (max_memory_bytes / 1048576.0)::numeric(18, 6) AS max_memory_mb,
        coalesce(memory_bytes / nullif(invocations, 0) / 1048576.0, 0)::numeric(44, 6) AS avg_memory_mb
    FROM (
        SELECT w.tenant_id, window_size, window_start, w.service_id, coalesce(r.base_id, r.id) AS revision_id,
            {{values}} AS values, string_agg(sketch, '') AS sketch,
            {", ".join(f"{'sum' if name in SUMS else 'max'}({name}) AS {name}" for name in NUMBERS)}
        FROM usage_window w JOIN revision r ON (r.tenant_id, r.id) = (w.tenant_id, w.revision_id)
        WHERE NOT EXISTS (SELECT FROM jsonb_each(%(include)s) AS of (label, wanted)
                          WHERE NOT wanted ? coalesce(r.dimensions ->> label, ''))
            AND NOT EXISTS (SELECT FROM jsonb_each(%(exclude)s) AS of (label, unwanted)
                            WHERE unwanted ? coalesce(r.dimensions ->> label, ''))
        GROUP BY 1, 2, 3, 4, 5, 6
    ) together)
"""
# What waits for a fold is in no window yet: they are complete up to the oldest of it.
_AS_OF = b"""
    SELECT coalesce(min(received_at), statement_timestamp())
    FROM usage_delta d JOIN usage_inbox USING (tenant_id, event_key)
    WHERE %(tenant_id)s::uuid IS NULL OR d.tenant_id = %(tenant_id)s
"""
_HAS_DECLARED = b"""
    SELECT EXISTS (
        SELECT FROM tenant_dimension WHERE %(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
"""


class PostgresUsageReport:
    """UsageReport."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self, wanted: WindowFilter, *, limit: int, after: WindowPosition | None = None) -> WindowPage:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            as_of = connection.execute(_AS_OF, {"tenant_id": wanted.tenant_id}).fetchone()
            assert as_of is not None
            source, key, parameters = "usage_aggregate", _KEY, dict[str, Any]()
            if _are_apart(connection, wanted):
                source, parameters = _together(wanted)
                key = f"{_KEY}, a.values"
            conditions = dict(_conditions(wanted, after, key))
            for values in conditions.values():
                parameters |= values
            where = " AND ".join(conditions) or "true"
            with connection.cursor(row_factory=dict_row) as cursor:
                query = (
                    f"SELECT {_COLUMNS}{key.removeprefix(_KEY)} FROM {_FROM.format(source)} WHERE {where}"
                    f" ORDER BY {key} LIMIT %(limit)s"
                )
                cursor.execute(query.encode(), parameters | {"limit": limit})
                return WindowPage(as_of[0], [_window(row, wanted.by) for row in cursor])


def _are_apart(connection: Connection, wanted: WindowFilter) -> bool:
    """Whether a revision may have several windows of one time; to put them together costs a sort, so where
    nothing is declared the windows are read as they are."""
    if wanted.by or wanted.where:
        return True
    row = connection.execute(_HAS_DECLARED, {"tenant_id": wanted.tenant_id}).fetchone()
    return row is not None and bool(row[0])


def _together(wanted: WindowFilter) -> tuple[str, dict[str, Any]]:
    """The windows of a revision and of the values that are to be told apart as one, with the parameters."""
    labels = {f"by_{number}": label for number, label in enumerate(wanted.by)}
    values = ", ".join(f"coalesce(r.dimensions ->> %({name})s, '')" for name in labels)
    source = _APART.format(values=f"ARRAY[{values}]::text[]")
    return source, {**labels, "by": list(wanted.by), **chosen(wanted.where)}


def _conditions(
    wanted: WindowFilter, after: WindowPosition | None, key: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The conditions asked for, each with its parameters; one plan for each combination."""
    if wanted.tenant_id is not None:
        yield "a.tenant_id = %(tenant_id)s", {"tenant_id": wanted.tenant_id}
    if wanted.service_id is not None:
        yield "a.service_id = %(service_id)s", {"service_id": wanted.service_id}
    if wanted.window_size is not None:
        yield "a.window_size = %(window_size)s", {"window_size": wanted.window_size.value}
    if wanted.start is not None:
        yield "a.window_start >= %(start)s", {"start": wanted.start}
    if wanted.end is not None:
        yield "a.window_start < %(end)s", {"end": wanted.end}
    if after is not None:
        columns = key.split(", ")
        place = [after.tenant_id, after.window_size.value, *after[2:5], list(after.values)][: len(columns)]
        named = {f"after_{number}": part for number, part in enumerate(place)}
        yield f"({key}) > ({', '.join(f'%({name})s' for name in named)})", named
        # Implied; an index has it, where windows are put together.
        yield f"({', '.join(columns[:3])}) >= (%(after_0)s, %(after_1)s, %(after_2)s)", {}


def _window(row: dict[str, Any], by: tuple[str, ...]) -> UsageWindow:
    # The view computes percentiles too, in thirty times the time.
    durations = sketch.decode(row.pop("sketch"))
    percentiles = {
        name: Decimal(ns).scaleb(-6)
        for name, ns in zip(_PERCENTILES, sketch.percentiles_ns(durations, (50, 95)), strict=True)
    }
    whole = {name: int(row[name]) for name in _INTEGERS}
    dimensions = dict(zip(by, row.pop("values", []), strict=True))
    size = WindowSize(row["window_size"])
    return UsageWindow(**{**row, **whole, **percentiles, "window_size": size, "dimensions": dimensions})
