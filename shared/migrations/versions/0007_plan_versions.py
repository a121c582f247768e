"""Versions of plans, the ends of subscriptions, and who changed what."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
    -- The first version of a plan is in its own row.
    CREATE TABLE plan_version (
        plan_id uuid NOT NULL REFERENCES pricing_plan ON DELETE CASCADE,
        number integer NOT NULL CHECK (number > 1),
        effective_from timestamptz NOT NULL
            CHECK (isfinite(effective_from) AND extract(epoch FROM effective_from) % 300 = 0),
        immediate boolean NOT NULL,
        prices jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (plan_id, number)
    );

    -- A tenant has `plan_id`, or no plan where it is null, from `starts_at` until its next row: two plans can
    -- never overlap.
    ALTER TABLE subscription
        ALTER plan_id DROP NOT NULL,
        ADD CONSTRAINT subscription_grid CHECK (
            starts_at = '-infinity' AND plan_id IS NOT NULL
            OR isfinite(starts_at) AND extract(epoch FROM starts_at) % 300 = 0
        );
    CREATE INDEX subscription_plan ON subscription (plan_id);

    -- Of what may be gone by now, so without references.
    CREATE TABLE plan_change (
        id uuid PRIMARY KEY,
        at timestamptz NOT NULL,
        who text NOT NULL,
        what text NOT NULL,
        plan_id uuid NOT NULL,
        tenant_id uuid,
        before jsonb,
        after jsonb,
        CHECK (num_nonnulls(before, after) > 0)
    );
    CREATE INDEX plan_change_plan ON plan_change (plan_id, id);
    CREATE INDEX plan_change_tenant ON plan_change (tenant_id, id);
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE 'rows of % are never changed', TG_TABLE_NAME;
    END $$;
    CREATE TRIGGER plan_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plan_change
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """)
