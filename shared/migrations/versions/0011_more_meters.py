"""Percentiles, weighted sums, and ledgers of single values, for meters that users define."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("""
    -- Of a weighted sum: each change times the ns from then to the end of the window.
    ALTER TABLE usage_meter_window ADD held_ns numeric;

    -- The values of a percentile, each with how often it comes.
    CREATE TABLE usage_meter_value (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        window_size text NOT NULL CHECK (window_size IN ('5m', '1h', '1d')),
        window_start timestamptz NOT NULL,
        version integer NOT NULL,
        dimensions_key uuid NOT NULL,
        value numeric NOT NULL,
        dimensions text NOT NULL,
        count numeric NOT NULL,
        PRIMARY KEY (tenant_id, meter_id, window_size, window_start, version, dimensions_key, value)
    );

    -- The values of records one by one, in order: by time, and then by part, payload and place in it.
    CREATE TABLE usage_meter_ledger (
        tenant_id uuid NOT NULL,
        meter_id uuid NOT NULL,
        at timestamptz NOT NULL,
        event_key uuid NOT NULL,
        seq integer NOT NULL,
        position integer NOT NULL,
        value numeric NOT NULL,
        PRIMARY KEY (tenant_id, meter_id, at, event_key, seq, position)
    );
    """)
