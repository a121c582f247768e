"""The windows in PostgreSQL, to be read."""

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

from psycopg import IsolationLevel
from psycopg.rows import dict_row

from shared.adapters.postgres.pool import Database
from shared.domain import sketch
from shared.domain.windows import WindowSize
from shared.service.usage_report import UsageWindow, WindowFilter, WindowPage, WindowPosition

_NAMES = {
    "tenant": "tenant.slug",
    "namespace": "service.namespace",
    "service_name": "service.name",
    "revision": "revision.name",
}
_PERCENTILES = ("p50_duration_ms", "p95_duration_ms")
_SHOWN = [f.name for f in fields(UsageWindow) if f.name not in _PERCENTILES]
_COLUMNS = ", ".join([*(f"{_NAMES.get(name, 'a.' + name)} AS {name}" for name in _SHOWN), "a.sketch"])
_INTEGERS = [f.name for f in fields(UsageWindow) if f.type is int]
_KEY = "a.tenant_id, a.window_size, a.window_start, a.service_id, a.revision_id"
_FROM = """
    usage_aggregate a
    JOIN tenant ON tenant.id = a.tenant_id
    JOIN service ON (service.tenant_id, service.id) = (a.tenant_id, a.service_id)
    JOIN revision ON (revision.tenant_id, revision.id) = (a.tenant_id, a.revision_id)
"""
# What waits for a fold is in no window yet: they are complete up to the oldest of it.
_AS_OF = b"""
    SELECT coalesce(min(received_at), statement_timestamp())
    FROM usage_delta d JOIN usage_inbox USING (tenant_id, event_key)
    WHERE %(tenant_id)s::uuid IS NULL OR d.tenant_id = %(tenant_id)s
"""


class PostgresUsageReport:
    """UsageReport."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self, wanted: WindowFilter, *, limit: int, after: WindowPosition | None = None) -> WindowPage:
        conditions = dict(_conditions(wanted, after))
        where = " AND ".join(conditions) or "true"
        parameters = {name: value for values in conditions.values() for name, value in values.items()}
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            as_of = connection.execute(_AS_OF, {"tenant_id": wanted.tenant_id}).fetchone()
            assert as_of is not None
            with connection.cursor(row_factory=dict_row) as cursor:
                query = f"SELECT {_COLUMNS} FROM {_FROM} WHERE {where} ORDER BY {_KEY} LIMIT %(limit)s"
                cursor.execute(query.encode(), parameters | {"limit": limit})
                return WindowPage(as_of[0], [_window(row) for row in cursor])


def _conditions(wanted: WindowFilter, after: WindowPosition | None) -> Iterator[tuple[str, dict[str, Any]]]:
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
        names = [f"after_{name}" for name in after._fields]
        values = after._replace(window_size=after.window_size.value)  # type: ignore[arg-type]
        yield (
            f"({_KEY}) > ({', '.join(f'%({name})s' for name in names)})",
            dict(zip(names, values, strict=True)),
        )


def _window(row: dict[str, Any]) -> UsageWindow:
    # The view computes percentiles too, in thirty times the time.
    durations = sketch.decode(row.pop("sketch"))
    percentiles = {
        name: Decimal(ns).scaleb(-6)
        for name, ns in zip(_PERCENTILES, sketch.percentiles_ns(durations, (50, 95)), strict=True)
    }
    whole = {name: int(row[name]) for name in _INTEGERS}
    return UsageWindow(**{**row, **whole, **percentiles, "window_size": WindowSize(row["window_size"])})
