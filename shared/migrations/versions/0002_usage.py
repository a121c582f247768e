"""Usage: the inbox, the payloads as sent, the deltas waiting for a fold, and the windows."""

from alembic import op

revision = "0002"
down_revision = "0001"

INBOX_PARTITIONS = 16
FOLD_SHARDS = 16


def upgrade() -> None:
    op.execute("""
    CREATE TABLE usage_inbox (
        tenant_id uuid NOT NULL,
        event_key uuid NOT NULL,
        digest bytea NOT NULL,
        received_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, event_key)
    ) PARTITION BY HASH (tenant_id);

    CREATE TABLE payload (
        tenant_id uuid NOT NULL,
        event_key uuid NOT NULL,
        seq integer NOT NULL,
        received_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        source text NOT NULL,
        event_id text NOT NULL,
        -- The windows it adds to lie in [touches_from, touches_until).
        touches_from timestamptz NOT NULL,
        touches_until timestamptz NOT NULL,
        body text NOT NULL,
        PRIMARY KEY (tenant_id, event_key, seq, received_at)
    ) PARTITION BY RANGE (received_at);
    CREATE INDEX payload_event_times ON payload (tenant_id, touches_from, touches_until);

    CREATE TABLE usage_delta (
        tenant_id uuid NOT NULL,
        event_key uuid NOT NULL,
        shard smallint NOT NULL,
        delta text NOT NULL,
        PRIMARY KEY (tenant_id, event_key)
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
    CREATE INDEX usage_delta_shard ON usage_delta (shard);
    ALTER TABLE usage_delta ALTER delta SET STORAGE EXTERNAL;

    -- Deltas that no fold could read or add: errors of ours, kept for whoever mends them.
    CREATE TABLE usage_delta_aside (
        tenant_id uuid NOT NULL,
        event_key uuid NOT NULL,
        delta text NOT NULL,
        reason text NOT NULL,
        put_aside_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, event_key)
    );

    CREATE TABLE fold_shard (shard smallint PRIMARY KEY);

    CREATE TABLE usage_aggregate (
        tenant_id uuid NOT NULL,
        window_size text NOT NULL CHECK (window_size IN ('5m', '1h', '1d')),
        window_start timestamptz NOT NULL,
        service_id uuid NOT NULL,
        revision_id uuid NOT NULL,
        id uuid NOT NULL,
        window_end timestamptz NOT NULL,
        records numeric(38, 0) NOT NULL,
        invocations numeric(38, 0) NOT NULL,
        errors numeric(38, 0) NOT NULL,
        cold_starts numeric(38, 0) NOT NULL,
        duration_ns numeric(38, 0) NOT NULL,
        cpu_ns numeric(38, 0) NOT NULL,
        egress_bytes numeric(38, 0) NOT NULL,
        provisioned_ms numeric(38, 0) NOT NULL,
        max_memory_bytes numeric(38, 0) NOT NULL,
        memory_bytes numeric(38, 0) NOT NULL,
        -- 151 of the largest records allowed would not fit into 38 digits.
        memory_byte_ns numeric(48, 0) NOT NULL,
        billed_1ms_ms numeric(38, 0) NOT NULL,
        billed_100ms_ms numeric(38, 0) NOT NULL,
        byte_ms_1ms numeric(48, 0) NOT NULL,
        byte_ms_100ms numeric(48, 0) NOT NULL,
        mb128_ms_1ms numeric(38, 0) NOT NULL,
        mb128_ms_100ms numeric(38, 0) NOT NULL,
        sketch bytea NOT NULL,
        p50_duration_ms numeric(18, 6) NOT NULL,
        p95_duration_ms numeric(18, 6) NOT NULL,
        total_duration_ms numeric(44, 6) NOT NULL GENERATED ALWAYS AS (duration_ns / 1e6) STORED,
        avg_duration_ms numeric(44, 6) NOT NULL GENERATED ALWAYS AS (
            coalesce(duration_ns / nullif(invocations, 0) / 1e6, 0)) STORED,
        max_memory_mb numeric(18, 6) NOT NULL GENERATED ALWAYS AS (max_memory_bytes / 1048576.0) STORED,
        avg_memory_mb numeric(18, 6) NOT NULL GENERATED ALWAYS AS (
            coalesce(memory_bytes / nullif(invocations, 0) / 1048576.0, 0)) STORED,
        PRIMARY KEY (tenant_id, window_size, window_start, service_id, revision_id),
        FOREIGN KEY (tenant_id, service_id) REFERENCES service (tenant_id, id),
        FOREIGN KEY (tenant_id, revision_id) REFERENCES revision (tenant_id, id)
    );

    -- What each tenant's windows have been through: `sequence` counts its folds.
    CREATE TABLE tenant_usage (
        tenant_id uuid PRIMARY KEY,
        shard smallint NOT NULL,
        sequence bigint NOT NULL,
        announced_at timestamptz NOT NULL DEFAULT '-infinity',
        changed_from timestamptz,
        changed_until timestamptz,
        CHECK ((changed_from IS NULL) = (changed_until IS NULL))
    );
    CREATE INDEX tenant_usage_unannounced ON tenant_usage (shard) WHERE changed_from IS NOT NULL;
    CREATE TABLE usage_change (
        tenant_id uuid NOT NULL,
        day date NOT NULL,
        sequence bigint NOT NULL,
        PRIMARY KEY (tenant_id, day)
    );
    CREATE INDEX usage_change_sequence ON usage_change (tenant_id, sequence);

    CREATE TABLE outbox (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        data json NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id)
    );
    CREATE INDEX outbox_oldest ON outbox (id);
    """)
    for n in range(INBOX_PARTITIONS):
        op.execute(
            f"CREATE TABLE usage_inbox_{n:02} PARTITION OF usage_inbox "
            f"FOR VALUES WITH (MODULUS {INBOX_PARTITIONS}, REMAINDER {n})"
        )
    op.execute(f"INSERT INTO fold_shard SELECT generate_series(0, {FOLD_SHARDS - 1})")
    # pglz costs more time per batch than everything else together; a server without lz4 keeps it plain.
    op.execute("""
    DO $$ BEGIN
        ALTER TABLE payload ALTER body SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
        ALTER TABLE payload ALTER body SET STORAGE EXTERNAL;
    END $$;
    """)
    op.execute(r"""
    CREATE VIEW usage_raw AS
    WITH record AS (
        SELECT p.tenant_id, p.event_key, p.seq, r.ordinality, p.recorded_at, r.value AS r
        FROM payload p
        CROSS JOIN LATERAL (SELECT p.body::jsonb AS body OFFSET 0) b
        CROSS JOIN LATERAL jsonb_array_elements(
            CASE WHEN b.body ? 'records' THEN b.body -> 'records' ELSE jsonb_build_array(b.body) END
        ) WITH ORDINALITY r
    )
    SELECT concat_ws(':', record.event_key, record.seq, record.ordinality, m.metric_name) AS id,
           -- As the windows read it: cut to microseconds, a second 60 as 59.
           coalesce(
               regexp_replace(
                   regexp_replace(r ->> 'timestamp', '(T..:..)[:]60', '\1\:59', 'i'),
                   '(\.[0-9]{6})[0-9]+', '\1'
               )::timestamptz,
               record.recorded_at
           ) AS timestamp,
           record.tenant_id,
           service.id AS service_id,
           revision.id AS revision_id,
           m.metric_name,
           m.value,
           coalesce(r -> 'labels', '{}') AS labels,
           r ->> 'request_id' AS request_id
    FROM record
    JOIN service ON service.tenant_id = record.tenant_id
        AND service.namespace = coalesce(r ->> 'namespace', 'default')
        AND service.name = r ->> 'service_name'
    JOIN revision ON revision.tenant_id = record.tenant_id
        AND revision.service_id = service.id
        AND revision.name = coalesce(r ->> 'revision', 'rev-unknown')
    CROSS JOIN LATERAL (VALUES
        ('invocations', coalesce((r ->> 'invocations')::numeric, 1)),
        ('duration_ms', coalesce((r ->> 'duration_seconds')::numeric * 1000,
                                 (r ->> 'duration_ns')::numeric / 1000000,
                                 (SELECT sum(d::numeric) / 1000000
                                  FROM jsonb_array_elements_text(r -> 'durations_ns') d),
                                 0)),
        ('memory_mb', coalesce((r ->> 'memory_mb')::numeric, 0))
    ) m (metric_name, value);
    """)
