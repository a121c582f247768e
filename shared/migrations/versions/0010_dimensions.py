"""Declared dimensions: labels whose values tell the series of a tenant apart."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("""
    -- A series is a revision together with values of declared dimensions. Each revision has one without any,
    -- which the others refer to as `base_id`.
    ALTER TABLE revision
        ADD dimensions jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(dimensions) = 'object'),
        ADD dimensions_key uuid NOT NULL GENERATED ALWAYS AS (text_key(dimensions::text)) STORED,
        ADD base_id uuid,
        DROP CONSTRAINT revision_name_key,
        ADD CONSTRAINT revision_series_key UNIQUE (tenant_id, service_id, name, dimensions_key),
        ADD CONSTRAINT revision_base_fkey FOREIGN KEY (tenant_id, service_id, base_id)
            REFERENCES revision (tenant_id, service_id, id),
        ADD CONSTRAINT revision_base CHECK ((dimensions = '{}') = (base_id IS NULL));

    -- A declaration holds from `declared_from` until the tenant's next one, so that two can never overlap;
    -- one without labels ends the last.
    CREATE TABLE tenant_dimension (
        tenant_id uuid NOT NULL REFERENCES tenant,
        declared_from timestamptz NOT NULL
            CHECK (isfinite(declared_from) AND extract(epoch FROM declared_from) % 300 = 0),
        labels text[] NOT NULL CHECK (cardinality(labels) <= 8 AND array_position(labels, NULL) IS NULL),
        PRIMARY KEY (tenant_id, declared_from)
    );
    -- What was ever declared, counted beside what meters were ever added: one question asks for both.
    ALTER TABLE meter_registry ADD dimensions bigint NOT NULL DEFAULT 0;

    CREATE TABLE dimension_change (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        at timestamptz NOT NULL,
        who text NOT NULL,
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        PRIMARY KEY (tenant_id, id)
    );
    CREATE TRIGGER dimension_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dimension_change
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

    -- The values of a label that are kept apart, how many they are, and since when there were more.
    CREATE TABLE tenant_dimension_label (
        tenant_id uuid NOT NULL,
        label text NOT NULL,
        size integer NOT NULL,
        overflowed_at timestamptz,
        PRIMARY KEY (tenant_id, label)
    );
    CREATE TABLE tenant_dimension_value (
        tenant_id uuid NOT NULL,
        label text NOT NULL,
        value_key uuid NOT NULL,
        value text NOT NULL,
        PRIMARY KEY (tenant_id, label, value_key)
    );
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
        AND revision.base_id IS NULL
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
