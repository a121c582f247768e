"""A fold without a way out of the database and back: it adds the lines of deltas to the windows by itself.

Windows hold what adds up, and nothing that follows from it: `usage_aggregate` is a view that shows the rest.
Sketches are pairs that may repeat a bucket, so that adding to one is appending to it.
"""

from alembic import op

from shared.domain.facts import NUMBERS

revision = "0006"
down_revision = "0005"

_KEY = "tenant_id, window_size, window_start, service_id, revision_id"
_FACTS = ", ".join(NUMBERS)


def upgrade() -> None:
    op.execute(f"""
    CREATE TYPE usage_delta_window AS (
        start_s bigint,
        service_id uuid,
        revision_id uuid,
        {", ".join(f"{name} numeric" for name in NUMBERS)},
        sketch bytea
    );

    ALTER TABLE usage_aggregate RENAME TO usage_window;
    ALTER TABLE usage_window RENAME CONSTRAINT usage_aggregate_pkey TO usage_window_pkey;
    ALTER TABLE usage_window RENAME CONSTRAINT usage_aggregate_tenant_id_service_id_revision_id_fkey
        TO usage_window_revision_fkey;
    ALTER TABLE usage_window RENAME CONSTRAINT usage_aggregate_window_size_check
        TO usage_window_window_size_check;
    ALTER TABLE usage_window
        DROP COLUMN id, DROP COLUMN window_end, DROP COLUMN p50_duration_ms, DROP COLUMN p95_duration_ms,
        DROP COLUMN total_duration_ms, DROP COLUMN avg_duration_ms,
        DROP COLUMN max_memory_mb, DROP COLUMN avg_memory_mb;
    -- Whole numbers all the same: what is appended is. A precision is enforced anew with each addition, which
    -- took a quarter of a fold's time.
    ALTER TABLE usage_window {", ".join(f"ALTER {name} TYPE numeric" for name in NUMBERS)};
    ALTER TABLE usage_window ALTER sketch SET STORAGE EXTERNAL;
    """)
    op.execute(r"""
    -- Little-endian u16 buckets and then u64 counts, as they were, to big-endian pairs.
    CREATE FUNCTION pg_temp.pairs(old bytea) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
        SELECT coalesce(string_agg(
            int2send((get_byte(old, 2 * i) | (get_byte(old, 2 * i + 1) << 8))::smallint) || (
                SELECT int8send(bit_or(get_byte(old, 2 * n + 8 * i + k)::bigint << 8 * k))
                FROM generate_series(0, 7) k
            ), '' ORDER BY i), '')
        FROM (SELECT octet_length(old) / 10 AS n) size, generate_series(0, n - 1) i
    $$;
    UPDATE usage_window SET sketch = pg_temp.pairs(sketch) WHERE sketch <> '';

    -- JSON, as they were, to lines.
    CREATE FUNCTION pg_temp.lines(old text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
        SELECT string_agg(concat('(', concat_ws(',', w ->> 0, w ->> 1, w ->> 2,
                (SELECT string_agg(value, ',' ORDER BY n)
                 FROM json_array_elements_text(w -> 3) WITH ORDINALITY v (value, n)),
                '\\x' || encode(coalesce(
                    (SELECT string_agg(int2send(key::smallint) || int8send(value::bigint), ''
                                       ORDER BY key::int)
                     FROM json_each_text(w -> 4)), ''), 'hex')
            ), ')'), chr(10))
        FROM json_array_elements(old::json) w
    $$;
    UPDATE usage_delta SET delta = coalesce(pg_temp.lines(delta), '');
    """)
    op.execute("""
    DO $$ BEGIN
        ALTER TABLE usage_delta ALTER delta SET COMPRESSION lz4;
        ALTER TABLE usage_delta ALTER delta SET STORAGE EXTENDED;
    EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
        NULL;  -- a server without lz4 keeps it plain, as payloads are
    END $$;
    """)
    op.execute(r"""
    -- The quantile of a sketch's durations: at rank p(n-1), linear between neighbours, to the nanosecond.
    CREATE FUNCTION usage_duration_ms(sketch bytea, p numeric) RETURNS numeric
        IMMUTABLE PARALLEL SAFE LANGUAGE sql
    AS $$
        WITH pair AS (
            SELECT get_byte(sketch, 10 * i) << 8 | get_byte(sketch, 10 * i + 1) AS bucket,
                   ('x' || encode(substr(sketch, 10 * i + 3, 8), 'hex'))::bit(64)::bigint AS count
            FROM generate_series(0, octet_length(sketch) / 10 - 1) i
        ), bucket AS (
            SELECT bucket, bucket >> 6 AS octave, (bucket & 63) + 64 AS scaled,
                   sum(sum(count)) OVER (ORDER BY bucket) AS reached
            FROM pair GROUP BY bucket
        ), middle AS (
            SELECT reached, CASE
                WHEN bucket = 0 THEN 0
                WHEN octave < 7 THEN scaled >> 7 - octave
                ELSE (scaled::bigint << octave - 7) + ((1::bigint << octave - 7) - 1) / 2.0
            END AS ns
            FROM bucket
        ), rank AS (
            SELECT floor(p * (max(reached) - 1)) AS below, p * (max(reached) - 1) % 1 AS rest FROM middle
        ), neighbour AS (
            SELECT rest,
                   (SELECT min(ns) FROM middle WHERE reached > below) AS lower,
                   (SELECT min(ns) FROM middle WHERE reached > below + 1) AS upper
            FROM rank
        )
        SELECT coalesce(round(lower + (coalesce(upper, lower) - lower) * rest) / 1e6, 0)::numeric(18, 6)
        FROM neighbour
    $$;
    """)
    op.execute(f"""
    CREATE VIEW usage_aggregate AS
    SELECT {_KEY}, {_FACTS}, sketch,
        -- Of the key, so that a rebuilt window keeps it: name-based (RFC 9562, version 8).
        overlay(overlay(md5(concat_ws(' ', tenant_id, window_size, extract(epoch FROM window_start)::bigint,
            service_id, revision_id)) PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid AS id,
        window_start + CASE window_size
            WHEN '5m' THEN '5 minutes'::interval WHEN '1h' THEN '1 hour' ELSE '24 hours' END AS window_end,
        usage_duration_ms(sketch, 0.5) AS p50_duration_ms,
        usage_duration_ms(sketch, 0.95) AS p95_duration_ms,
        (duration_ns / 1e6)::numeric(44, 6) AS total_duration_ms,
        coalesce(duration_ns / nullif(invocations, 0) / 1e6, 0)::numeric(44, 6) AS avg_duration_ms,
        (max_memory_bytes / 1048576.0)::numeric(18, 6) AS max_memory_mb,
        coalesce(memory_bytes / nullif(invocations, 0) / 1048576.0, 0)::numeric(44, 6) AS avg_memory_mb
    FROM usage_window;
    """)
