"""The windows of custom meters: as lines that a fold adds, as rows, and replaced as a whole."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from shared.adapters.postgres.meter_rows import meters_of
from shared.adapters.postgres.pool import Connection
from shared.domain.aggregate import Series
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.windows import (
    Dimensions,
    MeterFacts,
    MeterKey,
    MeterWindows,
    ValuesKey,
    unique_values,
)
from shared.domain.money import exact_text
from shared.domain.windows import EPOCH, WindowSize

_OF_DAY: Final = "tenant_id = %s AND meter_id = ANY(%s) AND window_start >= %s AND window_start < %s"
_WINDOWS: Final = f"""
    SELECT meter_id, version, window_size, window_start, service_id, revision_id, dimensions,
           sum, count, max, latest_at, latest
    FROM usage_meter_window WHERE {_OF_DAY}
""".encode()
_VALUES: Final = f"""
    SELECT meter_id, version, window_size, window_start, dimensions, array_agg(value)
    FROM usage_meter_unique WHERE {_OF_DAY} GROUP BY 1, 2, 3, 4, 5
""".encode()
_DELETE: Final = tuple(
    f"DELETE FROM {table} WHERE {_OF_DAY}".encode() for table in ("usage_meter_window", "usage_meter_unique")
)
_INSERT: Final = b"""
    WITH line AS (
        SELECT size, line::usage_delta_meter AS m FROM unnest(%s::text[], %s::text[]) l (size, line) OFFSET 0
    ), windows AS (
        INSERT INTO usage_meter_window (tenant_id, meter_id, window_size, window_start, version, service_id,
            revision_id, dimensions_key, dimensions, sum, count, max, latest_at, latest)
        SELECT %s, (m).meter_id, size, to_timestamp((m).start_s), (m).version, (m).service_id,
               (m).revision_id, text_key((m).dimensions), (m).dimensions,
               (m).sum, (m).count, (m).max, (m).latest_at, (m).latest
        FROM line
    )
    INSERT INTO usage_meter_unique (tenant_id, meter_id, window_size, window_start, version,
        dimensions_key, value_key, dimensions, value)
    SELECT DISTINCT %s::uuid, (m).meter_id, size, to_timestamp((m).start_s), (m).version,
           text_key((m).dimensions), text_key(value), (m).dimensions, value
    FROM line CROSS JOIN jsonb_array_elements_text((m).uniques::jsonb) value
"""


def encode(windows: MeterWindows) -> str:
    """Lines that PostgreSQL reads as rows of type `usage_delta_meter`."""
    return "\n".join(_line(key, facts) for key, facts in windows.items())


def dimensions_text(dimensions: Dimensions) -> str:
    return _json(dimensions)


class PostgresMeterDays:
    """MeterDays."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def definitions(self, tenant_id: UUID) -> Sequence[MeterDefinition]:
        return meters_of(self._connection, tenant_id)

    def replace(
        self,
        tenant_id: UUID,
        meter_ids: Sequence[UUID],
        start: datetime,
        end: datetime,
        windows: MeterWindows,
    ) -> bool:
        of_day = tenant_id, list(meter_ids), start, end
        stored, values = self._stored(of_day)
        if stored == {key: _numbers(facts) for key, facts in windows.items()} and values == unique_values(
            windows
        ):
            return False
        for delete in _DELETE:
            self._connection.execute(delete, of_day)
        sizes = [key.size.value for key in windows]
        lines = [_line(key, facts) for key, facts in windows.items()]
        self._connection.execute(_INSERT, (sizes, lines, tenant_id, tenant_id))
        return True

    def is_stale(self, tenant_id: UUID, day: datetime) -> bool:
        row = self._connection.execute(
            "SELECT FROM meter_stale_day WHERE tenant_id = %s AND day = %s", (tenant_id, day.date())
        ).fetchone()
        return row is not None

    def freshen(self, tenant_id: UUID, day: datetime) -> None:
        self._connection.execute(
            "DELETE FROM meter_stale_day WHERE tenant_id = %s AND day = %s", (tenant_id, day.date())
        )

    def _stored(
        self, of_day: tuple[object, ...]
    ) -> tuple[Mapping[MeterKey, tuple[object, ...]], Mapping[ValuesKey, set[str]]]:
        windows = {
            MeterKey(
                meter_id,
                version,
                WindowSize(size),
                start,
                Series(service_id, revision_id),
                tuple(json.loads(dimensions)),
            ): (Fraction(total), int(count), Fraction(most), latest_at, Fraction(latest))
            for (
                meter_id,
                version,
                size,
                start,
                service_id,
                revision_id,
                dimensions,
                total,
                count,
                most,
                latest_at,
                latest,
            ) in self._connection.execute(_WINDOWS, of_day)
        }
        values = {
            ValuesKey(meter_id, version, WindowSize(size), start, tuple(json.loads(dimensions))): set(found)
            for meter_id, version, size, start, dimensions, found in self._connection.execute(_VALUES, of_day)
        }
        return windows, values


def _numbers(facts: MeterFacts) -> tuple[object, ...]:
    return facts.sum, facts.count, facts.max, facts.latest_at, facts.latest


def _line(key: MeterKey, facts: MeterFacts) -> str:
    fields = (
        key.meter_id.hex,
        str(key.version),
        str(int((key.start - EPOCH).total_seconds())),
        key.series.service_id.hex,
        key.series.revision_id.hex,
        _quoted(dimensions_text(key.dimensions)),
        exact_text(facts.sum),
        str(facts.count),
        exact_text(facts.max),
        facts.latest_at.isoformat(),
        exact_text(facts.latest),
        _quoted(_json(sorted(facts.values))) if facts.values else "",
    )
    return f"({','.join(fields)})"


def _quoted(text: str) -> str:
    """As a field of a row; JSON has no line breaks."""
    escaped = text.replace("\\", "\\\\").replace('"', '""')
    return f'"{escaped}"'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
