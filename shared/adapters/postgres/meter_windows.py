"""The windows of custom meters: as lines that a fold adds, as rows, and replaced as a whole."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from shared.adapters.postgres.meter_folding import (
    COUNTED,
    COUNTED_TIMES,
    COUNTED_VALUE,
    ENTRIES,
    ENTRY,
    HELD,
    LEDGER_KEY,
    UNIQUES,
)
from shared.adapters.postgres.meter_rows import meters_of
from shared.adapters.postgres.pool import Connection
from shared.domain.aggregate import Series
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.windows import (
    Dimensions,
    Entry,
    MeterFacts,
    MeterKey,
    MeterWindows,
    ValuesKey,
    ledgers,
    unique_values,
    value_counts,
)
from shared.domain.money import exact_text
from shared.domain.windows import EPOCH, WindowSize

_OF_DAY: Final = "tenant_id = %s AND meter_id = ANY(%s) AND window_start >= %s AND window_start < %s"
_ENTRIES_OF_DAY: Final = "tenant_id = %s AND meter_id = ANY(%s) AND at >= %s AND at < %s"
_WINDOWS: Final = f"""
    SELECT meter_id, version, window_size, window_start, service_id, revision_id, dimensions,
           sum, count, max, latest_at, latest, held_ns
    FROM usage_meter_window WHERE {_OF_DAY}
""".encode()
_VALUES: Final = f"""
    SELECT meter_id, version, window_size, window_start, dimensions, array_agg(value)
    FROM usage_meter_unique WHERE {_OF_DAY} GROUP BY 1, 2, 3, 4, 5
""".encode()
_COUNTS: Final = f"""
    SELECT meter_id, version, window_size, window_start, dimensions, value, count
    FROM usage_meter_value WHERE {_OF_DAY}
""".encode()
_ENTRIES: Final = f"""
    SELECT meter_id, at, event_key, seq, position, value FROM usage_meter_ledger WHERE {_ENTRIES_OF_DAY}
""".encode()
_DELETE: Final = (
    f"DELETE FROM usage_meter_window WHERE {_OF_DAY}".encode(),
    f"DELETE FROM usage_meter_unique WHERE {_OF_DAY}".encode(),
    f"DELETE FROM usage_meter_value WHERE {_OF_DAY}".encode(),
    f"DELETE FROM usage_meter_ledger WHERE {_ENTRIES_OF_DAY}".encode(),
)
_INSERT: Final = f"""
    WITH line AS MATERIALIZED (
        SELECT size, line::usage_delta_meter AS m FROM unnest(%s::text[], %s::text[]) l (size, line)
    ), windows AS (
        INSERT INTO usage_meter_window (tenant_id, meter_id, window_size, window_start, version, service_id,
            revision_id, dimensions_key, dimensions, sum, count, max, latest_at, latest, held_ns)
        SELECT %s, (m).meter_id, size, to_timestamp((m).start_s), (m).version, (m).service_id,
               (m).revision_id, text_key((m).dimensions), (m).dimensions,
               (m).sum, (m).count, (m).max, (m).latest_at, (m).latest, {HELD}
        FROM line
    ), kept AS MATERIALIZED (
        SELECT %s::uuid AS tenant_id, (m).meter_id, size, to_timestamp((m).start_s) AS start, (m).version,
               text_key((m).dimensions) AS dimensions_key, (m).dimensions, (m).uniques::jsonb AS kept
        FROM line WHERE (m).uniques IS NOT NULL
    ), uniques AS (
        INSERT INTO usage_meter_unique (tenant_id, meter_id, window_size, window_start, version,
            dimensions_key, value_key, dimensions, value)
        SELECT DISTINCT tenant_id, meter_id, size, start, version, dimensions_key, text_key(value),
               dimensions, value
        FROM kept {UNIQUES}
    ), counts AS (
        INSERT INTO usage_meter_value (tenant_id, meter_id, window_size, window_start, version,
            dimensions_key, value, dimensions, count)
        SELECT tenant_id, meter_id, size, start, version, dimensions_key, {COUNTED_VALUE}, dimensions,
               sum({COUNTED_TIMES})
        FROM kept {COUNTED} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    )
    INSERT INTO usage_meter_ledger ({LEDGER_KEY}, value)
    SELECT tenant_id, meter_id, {ENTRY} FROM kept {ENTRIES}
""".encode()


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
        if (
            self._windows(of_day) == {key: _numbers(facts) for key, facts in windows.items()}
            and self._values(of_day) == unique_values(windows)
            and self._counts(of_day) == value_counts(windows)
            and self._ledgers(of_day) == ledgers(windows)
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

    def _windows(self, of_day: tuple[object, ...]) -> Mapping[MeterKey, tuple[object, ...]]:
        return {
            MeterKey(
                meter_id,
                version,
                WindowSize(size),
                start,
                Series(service_id, revision_id),
                tuple(json.loads(dimensions)),
            ): (
                Fraction(total),
                int(count),
                Fraction(most),
                latest_at,
                Fraction(latest),
                None if held_ns is None else Fraction(held_ns),
            )
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
                held_ns,
            ) in self._connection.execute(_WINDOWS, of_day)
        }

    def _values(self, of_day: tuple[object, ...]) -> Mapping[ValuesKey, set[str]]:
        return {_values_key(*key): set(found) for *key, found in self._connection.execute(_VALUES, of_day)}

    def _counts(self, of_day: tuple[object, ...]) -> Mapping[ValuesKey, Mapping[Fraction, int]]:
        counts: dict[ValuesKey, dict[Fraction, int]] = {}
        for *key, value, count in self._connection.execute(_COUNTS, of_day):
            counts.setdefault(_values_key(*key), {})[Fraction(value)] = int(count)
        return counts

    def _ledgers(self, of_day: tuple[object, ...]) -> Mapping[UUID, Mapping[Entry, Fraction]]:
        ledgers: dict[UUID, dict[Entry, Fraction]] = {}
        for meter_id, *entry, value in self._connection.execute(_ENTRIES, of_day):
            ledgers.setdefault(meter_id, {})[Entry(*entry)] = Fraction(value)
        return ledgers


def _numbers(facts: MeterFacts) -> tuple[object, ...]:
    return facts.sum, facts.count, facts.max, facts.latest_at, facts.latest, facts.held_ns


def _values_key(meter_id: UUID, version: int, size: str, start: datetime, dimensions: str) -> ValuesKey:
    return ValuesKey(meter_id, version, WindowSize(size), start, tuple(json.loads(dimensions)))


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
        _quoted(kept) if (kept := _kept(facts)) else "",
    )
    return f"({','.join(fields)})"


def _kept(facts: MeterFacts) -> str:
    """What beside the numbers is kept of a window, as the fold reads it: see `meter_folding.HELD`."""
    if facts.values:
        return _json(sorted(facts.values))
    if facts.held_ns is not None:
        return _json({"held_ns": exact_text(facts.held_ns)})
    if facts.counts:
        return _json({"values": [(exact_text(value), times) for value, times in facts.counts.items()]})
    if facts.entries:
        return _json({"ledger": [_entry(entry, value) for entry, value in facts.entries.items()]})
    return ""


def _entry(entry: Entry, value: Fraction) -> tuple[object, ...]:
    return entry.at.isoformat(), entry.event_key.hex, entry.seq, entry.position, exact_text(value)


def _quoted(text: str) -> str:
    """As a field of a row; JSON has no line breaks."""
    escaped = text.replace("\\", "\\\\").replace('"', '""')
    return f'"{escaped}"'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
