"""Tenants, their aliases, services and revisions; currencies."""

from alembic import op

from shared.domain.money import CURRENCY_EXPONENTS

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE currency (
        code text PRIMARY KEY CHECK (code ~ '^[A-Z]{3}$'),
        exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4)
    );
    CREATE TABLE tenant (
        id uuid PRIMARY KEY,
        slug text NOT NULL CONSTRAINT tenant_slug_key UNIQUE
            CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
        name text NOT NULL CHECK (name <> ''),
        billing_email text,
        currency text NOT NULL CONSTRAINT tenant_currency_fkey REFERENCES currency,
        timezone text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    );
    -- Every name a tenant answers to, its slug included: one name space.
    CREATE TABLE tenant_alias (
        alias text PRIMARY KEY CHECK (alias ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
        tenant_id uuid NOT NULL REFERENCES tenant
    );
    CREATE INDEX tenant_alias_tenant ON tenant_alias (tenant_id);
    CREATE TABLE service (
        tenant_id uuid NOT NULL REFERENCES tenant,
        id uuid NOT NULL,
        name text NOT NULL CHECK (name <> ''),
        namespace text NOT NULL CHECK (namespace <> ''),
        created_at timestamptz NOT NULL,
        runtime text,
        memory_limit_mb numeric(18, 6) CHECK (memory_limit_mb > 0),
        cpu_limit_cores numeric(18, 6) CHECK (cpu_limit_cores > 0),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT service_name_key UNIQUE (tenant_id, namespace, name)
    );
    CREATE TABLE revision (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        service_id uuid NOT NULL,
        name text NOT NULL CHECK (name <> ''),
        image text,
        created_at timestamptz NOT NULL,
        config_env jsonb NOT NULL DEFAULT '{}',
        scaling_config jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT revision_name_key UNIQUE (tenant_id, service_id, name),
        FOREIGN KEY (tenant_id, service_id) REFERENCES service (tenant_id, id)
    );
    """)
    rows = ", ".join(f"('{code}', {exponent})" for code, exponent in sorted(CURRENCY_EXPONENTS.items()))
    op.execute(f"INSERT INTO currency (code, exponent) VALUES {rows}")
