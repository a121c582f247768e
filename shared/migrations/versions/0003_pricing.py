"""Pricing: plans, who has which plan from when, and what has accrued."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
    -- The flat columns are the short form of a plan, `prices` the long one; a plan's prices are both.
    CREATE TABLE pricing_plan (
        id uuid PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        tenant_id uuid REFERENCES tenant,
        currency text NOT NULL REFERENCES currency,
        price_per_invocation numeric(38, 18) CHECK (price_per_invocation >= 0),
        price_per_mb_ms numeric(38, 18) CHECK (price_per_mb_ms >= 0),
        price_per_cold_start numeric(38, 18) CHECK (price_per_cold_start >= 0),
        price_per_cpu_ms numeric(38, 18) CHECK (price_per_cpu_ms >= 0),
        free_tier_invocations numeric(38, 0) CHECK (free_tier_invocations >= 0),
        free_tier_mb_ms numeric(38, 0) CHECK (free_tier_mb_ms >= 0),
        prices jsonb NOT NULL DEFAULT '[]',
        created_at timestamptz NOT NULL,
        active boolean NOT NULL DEFAULT true
    );
    CREATE UNIQUE INDEX pricing_plan_name_key
        ON pricing_plan (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'), name);

    CREATE TABLE subscription (
        tenant_id uuid NOT NULL REFERENCES tenant,
        starts_at timestamptz NOT NULL,
        plan_id uuid NOT NULL REFERENCES pricing_plan,
        PRIMARY KEY (tenant_id, starts_at)
    );

    CREATE TABLE accrued_cost (
        tenant_id uuid NOT NULL REFERENCES tenant,
        period_start timestamptz NOT NULL,
        period_end timestamptz NOT NULL,
        currency text NOT NULL REFERENCES currency,
        plan_id uuid NOT NULL REFERENCES pricing_plan,
        amount numeric(58, 18) NOT NULL,
        lines jsonb NOT NULL,
        usage_sequence bigint NOT NULL,
        as_of timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, period_start),
        CHECK (period_start < period_end)
    );
    CREATE TABLE accrual_cursor (
        tenant_id uuid PRIMARY KEY REFERENCES tenant,
        usage_sequence bigint NOT NULL
    );
    """)
