"""What senders number and what they use twice: metering gaps, and conflicts."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
    -- Of a numbered batch; the fold that takes the delta notes that its number came.
    ALTER TABLE usage_delta
        ADD COLUMN batch_source text,
        ADD COLUMN batch_number bigint CHECK (batch_number > 0),
        ADD COLUMN batch_at timestamptz,
        ADD CHECK (num_nulls(batch_source, batch_number, batch_at) IN (0, 3));

    -- Everything from 1 to `highest` has come, but what is in a gap. Changed under the fold's lock only.
    CREATE TABLE usage_source (
        tenant_id uuid NOT NULL,
        source_key uuid NOT NULL,
        source text NOT NULL,
        highest bigint NOT NULL,
        PRIMARY KEY (tenant_id, source_key)
    ) WITH (fillfactor = 70);
    CREATE TABLE metering_gap (
        tenant_id uuid NOT NULL,
        source_key uuid NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL,
        since timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, source_key, first),
        FOREIGN KEY (tenant_id, source_key) REFERENCES usage_source (tenant_id, source_key),
        CHECK (0 < first AND first <= last)
    );

    -- An identity used again for other records, by what was refused.
    CREATE TABLE usage_conflict (
        tenant_id uuid NOT NULL,
        event_key uuid NOT NULL,
        refused_digest bytea NOT NULL,
        kept_digest bytea NOT NULL,
        source text NOT NULL,
        event_id text NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        count bigint NOT NULL,
        PRIMARY KEY (tenant_id, event_key, refused_digest)
    );
    CREATE INDEX usage_conflict_newest ON usage_conflict (tenant_id, first_seen_at);
    """)
