"""Voids: parts of usage that count no more, whether they came before or come later."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE usage_void (
        tenant_id uuid NOT NULL,
        event_key uuid NOT NULL,
        source text NOT NULL,
        event_id text NOT NULL,
        reason text NOT NULL CHECK (reason <> ''),
        voided_at timestamptz NOT NULL,
        voided_by text NOT NULL,
        -- When the part came; NULL as long as none has come.
        received_at timestamptz,
        -- Whether it had come before it was voided, and what was taken back then.
        counted boolean NOT NULL DEFAULT false,
        records bigint NOT NULL DEFAULT 0,
        invocations bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant_id, event_key),
        CHECK (received_at IS NOT NULL OR NOT counted),
        CHECK (counted OR (records, invocations) = (0, 0))
    );
    CREATE INDEX usage_void_newest ON usage_void (tenant_id, voided_at);
    """)
    op.execute(r"""
    CREATE OR REPLACE VIEW usage_raw AS
    WITH record AS (
        SELECT p.tenant_id, p.event_key, p.seq, r.ordinality, p.recorded_at, r.value AS r
        FROM payload p
        CROSS JOIN LATERAL (SELECT p.body::jsonb AS body OFFSET 0) b
        CROSS JOIN LATERAL jsonb_array_elements(
            CASE WHEN b.body ? 'records' THEN b.body -> 'records' ELSE jsonb_build_array(b.body) END
        ) WITH ORDINALITY r
        WHERE NOT EXISTS (
            SELECT FROM usage_void v WHERE (v.tenant_id, v.event_key) = (p.tenant_id, p.event_key))
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
