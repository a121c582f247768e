"""Who sells, who buys, and what taxes there are, as migration 0012 makes them."""

from typing import Final

from shared.migrations.invoice_tables.columns import CURRENCY, MONEY, on_grid

PARTIES: Final = f"""
    -- Who sells.
    CREATE TABLE billing_entity (
        id uuid PRIMARY KEY,
        name text NOT NULL CONSTRAINT billing_entity_name_key UNIQUE CHECK (name <> ''),
        legal_name text NOT NULL CHECK (legal_name <> ''),
        address text[] NOT NULL,
        tax_ids jsonb NOT NULL,
        country text NOT NULL CHECK (country ~ '^[A-Z]{{2}}$'),
        timezone text NOT NULL,
        invoice_prefix text NOT NULL,
        credit_note_prefix text NOT NULL,
        grace_s integer NOT NULL CHECK (grace_s >= 0),
        payment_terms_days integer NOT NULL CHECK (payment_terms_days >= 0),
        bank_details text[] NOT NULL,
        email text NOT NULL,
        created_at timestamptz NOT NULL,
        CHECK (invoice_prefix <> credit_note_prefix)
    );

    ALTER TABLE tenant ADD CONSTRAINT tenant_id_currency_key UNIQUE (id, currency);
    CREATE TABLE organisation (
        id uuid PRIMARY KEY,
        slug text NOT NULL CONSTRAINT organisation_slug_key UNIQUE
            CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{{0,61}}[a-z0-9])?$'),
        name text NOT NULL CHECK (name <> ''),
        currency {CURRENCY},
        invoicing text NOT NULL CHECK (invoicing IN ('children', 'parent')),
        -- The one of its tenants that gets the one invoice.
        payer_tenant_id uuid,
        created_at timestamptz NOT NULL,
        UNIQUE (id, currency),
        CHECK ((invoicing = 'parent') = (payer_tenant_id IS NOT NULL))
    );
    CREATE TABLE billing_details (
        tenant_id uuid PRIMARY KEY,
        currency text NOT NULL,
        billing_entity_id uuid CONSTRAINT billing_details_entity_fkey REFERENCES billing_entity,
        organisation_id uuid,
        legal_name text NOT NULL CHECK (legal_name <> ''),
        address text[] NOT NULL,
        tax_ids jsonb NOT NULL,
        email text NOT NULL,
        language text NOT NULL CHECK (language IN ('en', 'ru')),
        cycle_interval text NOT NULL CHECK (cycle_interval IN ('month', 'week')),
        cycle_anchor date,
        zero_invoices boolean NOT NULL,
        tax_exempt_reason text CHECK (tax_exempt_reason <> ''),
        UNIQUE (tenant_id, organisation_id),
        FOREIGN KEY (tenant_id, currency) REFERENCES tenant (id, currency),
        CONSTRAINT billing_details_organisation_fkey
            FOREIGN KEY (organisation_id, currency) REFERENCES organisation (id, currency)
    );
    CREATE INDEX billing_details_organisation ON billing_details (organisation_id, tenant_id);
    CREATE INDEX billing_details_entity ON billing_details (billing_entity_id);
    -- A payer is one of the organisation's tenants as long as it pays.
    ALTER TABLE organisation ADD CONSTRAINT organisation_payer_fkey
        FOREIGN KEY (payer_tenant_id, id) REFERENCES billing_details (tenant_id, organisation_id);

    CREATE TABLE tax_rate (
        tenant_id uuid NOT NULL REFERENCES tenant,
        id uuid NOT NULL,
        name text NOT NULL CHECK (name <> ''),
        percent {MONEY} CHECK (percent BETWEEN 0 AND 100),
        inclusive boolean NOT NULL,
        valid_from timestamptz CHECK {on_grid("valid_from")},
        valid_until timestamptz CHECK {on_grid("valid_until")},
        PRIMARY KEY (tenant_id, id),
        CHECK (valid_from < valid_until),
        CONSTRAINT tax_rate_no_overlap EXCLUDE USING gist (
            tenant_id WITH =, name WITH =, tstzrange(valid_from, valid_until) WITH &&)
    );

    -- Of what may be gone by now, so without references. `about` is a billing entity, an organisation or a
    -- tenant.
    CREATE TABLE party_change (
        id uuid PRIMARY KEY,
        at timestamptz NOT NULL,
        who text NOT NULL,
        what text NOT NULL,
        about uuid NOT NULL,
        before jsonb,
        after jsonb,
        CHECK (num_nonnulls(before, after) > 0)
    );
    CREATE INDEX party_change_about ON party_change (about, id);
"""
