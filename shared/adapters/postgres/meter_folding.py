"""What a fold does with the lines that custom meters add: parts of its one statement.

Without such lines, and where no meters are defined, they read nothing and write nothing.
"""

from typing import Final
from uuid import UUID

_SERIES: Final = "meter_id, version, service_id, revision_id, dimensions"
_ADDED: Final = """
    sum(sum) AS sum, sum(count) AS count, max(max) AS max, max(latest_at) AS latest_at,
    (array_agg(latest ORDER BY latest_at DESC, latest DESC))[1] AS latest
"""
_KEY: Final = (
    "tenant_id, meter_id, window_size, window_start, version, service_id, revision_id, dimensions_key"
)
_UNIQUE_KEY: Final = "tenant_id, meter_id, window_size, window_start, version, dimensions_key, value_key"
_VALUE_KEY: Final = "tenant_id, meter_id, window_size, window_start, version, dimensions_key, value"
LEDGER_KEY: Final = "tenant_id, meter_id, at, event_key, seq, position"
SIZES: Final = "(VALUES ('5m', 300), ('1h', 3600), ('1d', 86400)) s (size, length_s)"


def _held(window_s: int, of_s: int) -> str:
    """What windows hold together by the end of the longer one that they are in."""
    later_s = f"({window_s - of_s} - mod(start_s, {window_s}))"
    return f"sum(held_ns + sum * {later_s} * 1000000000) AS held_ns"


HELD: Final = """
    CASE WHEN starts_with((m).uniques, '{"held_ns"') THEN ((m).uniques::jsonb ->> 'held_ns')::numeric END
"""
"""The last field of a line is a list of unique values, or an object of what else a meter keeps."""
COUNTED: Final = "CROSS JOIN jsonb_array_elements(kept -> 'values') v"
COUNTED_VALUE: Final = "(v ->> 0)::numeric"
COUNTED_TIMES: Final = "(v ->> 1)::numeric"
ENTRIES: Final = "CROSS JOIN jsonb_array_elements(kept -> 'ledger') e"
ENTRY: Final = (
    "(e ->> 0)::timestamptz, (e ->> 1)::uuid, (e ->> 2)::integer, (e ->> 3)::integer, (e ->> 4)::numeric"
)
UNIQUES: Final = (
    "CROSS JOIN jsonb_array_elements_text(CASE WHEN jsonb_typeof(kept) = 'array' THEN kept END) value"
)

METER_SIZE: Final = "coalesce(octet_length(meters), 0)"
METER_COLUMNS: Final = "meters, meters_known"
METER_CTES: Final = f"""
    meter_line AS (
        SELECT tenant_id, line::usage_delta_meter AS m
        FROM taken, string_to_table(meters, E'\\n') line OFFSET 0
    ), meter_m5 AS MATERIALIZED (
        SELECT tenant_id, '5m' AS window_size, start_s, {_SERIES}, {_ADDED}, sum(held_ns) AS held_ns
        FROM (SELECT tenant_id, (m).*, {HELD} AS held_ns FROM meter_line) d
        GROUP BY tenant_id, start_s, {_SERIES}
    ), meter_h1 AS MATERIALIZED (
        SELECT tenant_id, '1h' AS window_size, start_s / 3600 * 3600 AS start_s, {_SERIES}, {_ADDED},
               {_held(3_600, 300)}
        FROM meter_m5 GROUP BY tenant_id, meter_m5.start_s / 3600, {_SERIES}
    ), meter_d1 AS MATERIALIZED (
        SELECT tenant_id, '1d' AS window_size, start_s / 86400 * 86400 AS start_s, {_SERIES}, {_ADDED},
               {_held(86_400, 3_600)}
        FROM meter_h1 GROUP BY tenant_id, meter_h1.start_s / 86400, {_SERIES}
    ), meter_stored AS (
        INSERT INTO usage_meter_window AS a ({_KEY}, dimensions, sum, count, max, latest_at, latest, held_ns)
        SELECT tenant_id, meter_id, window_size, to_timestamp(start_s), version, service_id, revision_id,
               text_key(dimensions), dimensions, sum, count, max, latest_at, latest, held_ns
        FROM (SELECT * FROM meter_m5 UNION ALL SELECT * FROM meter_h1 UNION ALL SELECT * FROM meter_d1) w
        ORDER BY tenant_id, meter_id, window_size, start_s
        ON CONFLICT ({_KEY}) DO UPDATE SET
            sum = a.sum + excluded.sum, count = a.count + excluded.count,
            max = greatest(a.max, excluded.max), latest_at = greatest(a.latest_at, excluded.latest_at),
            latest = CASE WHEN (excluded.latest_at, excluded.latest) > (a.latest_at, a.latest)
                THEN excluded.latest ELSE a.latest END,
            held_ns = a.held_ns + excluded.held_ns
    ), meter_kept AS MATERIALIZED (
        SELECT tenant_id, (m).meter_id, (m).start_s, (m).version, (m).dimensions, (m).uniques::jsonb AS kept
        FROM meter_line WHERE (m).uniques IS NOT NULL
    ), meter_unique AS (
        INSERT INTO usage_meter_unique ({_UNIQUE_KEY}, dimensions, value)
        SELECT DISTINCT tenant_id, meter_id, size, to_timestamp(start_s / length_s * length_s),
               version, text_key(dimensions), text_key(value), dimensions, value
        FROM meter_kept {UNIQUES} CROSS JOIN {SIZES}
        ORDER BY 1, 2, 3, 4
        ON CONFLICT DO NOTHING
    ), meter_value AS (
        INSERT INTO usage_meter_value AS a ({_VALUE_KEY}, dimensions, count)
        SELECT tenant_id, meter_id, size, to_timestamp(start_s / length_s * length_s),
               version, text_key(dimensions), {COUNTED_VALUE}, dimensions, sum({COUNTED_TIMES})
        FROM meter_kept {COUNTED} CROSS JOIN {SIZES}
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        ORDER BY 1, 2, 3, 4
        ON CONFLICT ({_VALUE_KEY}) DO UPDATE SET count = a.count + excluded.count
    ), meter_ledger AS (
        INSERT INTO usage_meter_ledger ({LEDGER_KEY}, value)
        SELECT tenant_id, meter_id, {ENTRY} FROM meter_kept {ENTRIES}
        ORDER BY 1, 2, 3
        ON CONFLICT ({LEDGER_KEY}) DO UPDATE SET value = excluded.value
    ), meter_stale AS (
        -- Whoever accepted it did not know the tenant's meters as they are: its days are computed anew.
        INSERT INTO meter_stale_day (tenant_id, day)
        SELECT DISTINCT d1.tenant_id, to_timestamp(d1.start_s)::date
        FROM d1 JOIN (
            SELECT DISTINCT taken.tenant_id FROM taken LEFT JOIN meter_scope own USING (tenant_id)
            WHERE meters_known < greatest(own.revision, (
                SELECT revision FROM meter_scope WHERE tenant_id = '{UUID(int=0)}'))
        ) stale USING (tenant_id)
        WHERE EXISTS (SELECT FROM meter_scope)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING
    )
"""
"""Beside `taken` and `d1`; `taken` has METER_COLUMNS."""
