"""Meters that users define: their versions, their windows, and how far the past is computed."""

from alembic import op

revision = "0009"
down_revision = "0008"

_WINDOW_KEY = "tenant_id, meter_id, window_size, window_start, version"


def upgrade() -> None:
    op.execute(f"""
    -- One row: `revision` counts what was ever added. Whoever adds holds it, so names are given out in turn.
    CREATE TABLE meter_registry (
        only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
        revision bigint NOT NULL
    );
    INSERT INTO meter_registry (revision) VALUES (0);

    CREATE TABLE meter (
        id uuid PRIMARY KEY,
        tenant_id uuid REFERENCES tenant,
        name text NOT NULL,
        unit text NOT NULL,
        units text NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE NULLS NOT DISTINCT (name, tenant_id)
    );
    CREATE TABLE meter_version (
        meter_id uuid NOT NULL REFERENCES meter,
        number integer NOT NULL CHECK (number > 0),
        effective_from timestamptz CHECK (extract(epoch FROM effective_from) % 86400 = 0),
        created_at timestamptz NOT NULL,
        definition jsonb NOT NULL,
        PRIMARY KEY (meter_id, number),
        CHECK (effective_from IS NOT NULL OR number = 1)
    );

    -- The revision at which a tenant's meters last changed; those of all tenants under the nil UUID.
    CREATE TABLE meter_scope (
        tenant_id uuid PRIMARY KEY,
        revision bigint NOT NULL
    );

    -- What the meters add, in lines; and the revision of the meters that whoever accepted the part knew.
    ALTER TABLE usage_delta ADD meters text, ADD meters_known bigint NOT NULL DEFAULT 0;
    ALTER TABLE usage_delta ALTER meters SET STORAGE EXTERNAL;
    ALTER TABLE usage_delta_aside ADD meters text, ADD meters_known bigint NOT NULL DEFAULT 0;
    CREATE TYPE usage_delta_meter AS (
        meter_id uuid,
        version integer,
        start_s bigint,
        service_id uuid,
        revision_id uuid,
        dimensions text,
        sum numeric,
        count numeric,
        max numeric,
        latest_at timestamptz,
        latest numeric,
        uniques text
    );

    -- A text of any length as a part of a key.
    CREATE FUNCTION text_key(text) RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
        SELECT encode(substr(sha256(convert_to($1, 'UTF8')), 1, 16), 'hex')::uuid
    $$;

    CREATE TABLE usage_meter_window (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        window_size text NOT NULL CHECK (window_size IN ('5m', '1h', '1d')),
        window_start timestamptz NOT NULL,
        version integer NOT NULL,
        service_id uuid NOT NULL,
        revision_id uuid NOT NULL,
        dimensions_key uuid NOT NULL,
        -- The values of the version's dimensions: a JSON list of texts, null where there is no such label.
        dimensions text NOT NULL,
        sum numeric NOT NULL,
        count numeric NOT NULL,
        max numeric NOT NULL,
        latest_at timestamptz NOT NULL,
        latest numeric NOT NULL,
        PRIMARY KEY ({_WINDOW_KEY}, service_id, revision_id, dimensions_key)
    );
    CREATE TABLE usage_meter_unique (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        window_size text NOT NULL CHECK (window_size IN ('5m', '1h', '1d')),
        window_start timestamptz NOT NULL,
        version integer NOT NULL,
        dimensions_key uuid NOT NULL,
        value_key uuid NOT NULL,
        dimensions text NOT NULL,
        value text NOT NULL,
        PRIMARY KEY ({_WINDOW_KEY}, dimensions_key, value_key)
    );

    -- The values of a dimension that are kept apart, and how many they are.
    CREATE TABLE meter_dimension (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        label text NOT NULL,
        size integer NOT NULL,
        PRIMARY KEY (tenant_id, meter_id, label)
    );
    CREATE TABLE meter_dimension_value (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        label text NOT NULL,
        value_key uuid NOT NULL,
        value text NOT NULL,
        PRIMARY KEY (tenant_id, meter_id, label, value_key)
    );

    -- Payloads of before a version was added: those of the UTC days before `next_day` are computed.
    CREATE TABLE meter_backfill (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        version integer NOT NULL,
        next_day date NOT NULL,
        done boolean NOT NULL DEFAULT false,
        -- Payloads went before they were computed: the first day that can be.
        computable_from date,
        PRIMARY KEY (tenant_id, meter_id, version)
    );
    CREATE INDEX meter_backfill_open ON meter_backfill (tenant_id) WHERE NOT done;
    -- Days that hold usage which was accepted by who did not know all meters yet.
    CREATE TABLE meter_stale_day (
        tenant_id uuid NOT NULL,
        day date NOT NULL,
        PRIMARY KEY (tenant_id, day)
    );
    """)
