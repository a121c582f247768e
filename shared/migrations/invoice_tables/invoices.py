"""Invoices and their numbers, as migration 0012 makes them."""

from typing import Final

from shared.migrations.invoice_tables.columns import CURRENCY, MONEY, on_grid

NUMBERS: Final = """
    -- The row that whoever gives out a number holds until it is given.
    CREATE TABLE invoice_series (
        billing_entity_id uuid NOT NULL REFERENCES billing_entity,
        series text NOT NULL CHECK (series IN ('invoice', 'credit_note')),
        year integer NOT NULL,
        next integer NOT NULL CHECK (next > 0),
        PRIMARY KEY (billing_entity_id, series, year)
    );
    -- Every number ever given, and to what: unique across tenants, which no key of theirs can be.
    CREATE TABLE issued_number (
        billing_entity_id uuid NOT NULL REFERENCES billing_entity,
        series text NOT NULL CHECK (series IN ('invoice', 'credit_note')),
        year integer NOT NULL,
        number integer NOT NULL CHECK (number > 0),
        label text NOT NULL,
        tenant_id uuid NOT NULL,
        document_id uuid NOT NULL,
        PRIMARY KEY (billing_entity_id, series, year, number),
        CONSTRAINT issued_number_label_key UNIQUE (billing_entity_id, label),
        UNIQUE (billing_entity_id, series, label, tenant_id, document_id)
    );
    CREATE FUNCTION refuse_number_gap() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.number > 1 AND NOT EXISTS (
            SELECT FROM issued_number
            WHERE (billing_entity_id, series, year, number)
                = (NEW.billing_entity_id, NEW.series, NEW.year, NEW.number - 1)
        ) THEN
            RAISE 'number % of series % of % would leave a gap', NEW.number, NEW.series, NEW.year;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER issued_number_gapless BEFORE INSERT ON issued_number
        FOR EACH ROW EXECUTE FUNCTION refuse_number_gap();
"""

INVOICES: Final = f"""
    CREATE TABLE invoice (
        tenant_id uuid NOT NULL REFERENCES tenant,
        id uuid NOT NULL,
        status text NOT NULL CHECK (status IN ('draft', 'final', 'paid', 'void', 'uncollectible')),
        -- NULL as long as a draft waits for one.
        billing_entity_id uuid REFERENCES billing_entity,
        organisation_id uuid REFERENCES organisation,
        period_start timestamptz NOT NULL CHECK {on_grid("period_start")},
        period_end timestamptz NOT NULL CHECK {on_grid("period_end")},
        currency {CURRENCY},
        net {MONEY},
        tax_total {MONEY},
        -- What would be below zero: a credit now.
        carried_over {MONEY} CHECK (carried_over >= 0),
        total {MONEY} CHECK (total >= 0),
        credits_applied {MONEY} CHECK (credits_applied >= 0),
        amount_due {MONEY} CHECK (amount_due >= 0),
        -- The tenant's usage sequence by which it was rated.
        rated_sequence bigint NOT NULL,
        created_at timestamptz NOT NULL,
        rated_at timestamptz NOT NULL,
        series text NOT NULL GENERATED ALWAYS AS ('invoice') STORED,
        number text,
        issued_at timestamptz,
        due_at timestamptz,
        -- What it says, to the letter; and that by which its period is rated again.
        document text,
        basis jsonb,
        -- What may change once it is final, with the status.
        paid_at timestamptz,
        uncollectible_at timestamptz,
        voided_at timestamptz,
        void_reason text,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, id, currency),
        CHECK (period_start < period_end),
        CHECK (total = net + tax_total + carried_over),
        CHECK (amount_due = total - credits_applied),
        CONSTRAINT invoice_final_is_whole CHECK (CASE status
            WHEN 'draft' THEN num_nonnulls(number, issued_at, due_at) = 0
            ELSE num_nulls(billing_entity_id, number, issued_at, due_at, document, basis) = 0 END),
        CHECK ((status = 'void') = (voided_at IS NOT NULL)),
        CHECK (status <> 'paid' OR paid_at IS NOT NULL),
        CHECK (status <> 'uncollectible' OR uncollectible_at IS NOT NULL),
        FOREIGN KEY (billing_entity_id, series, number, tenant_id, id)
            REFERENCES issued_number (billing_entity_id, series, label, tenant_id, document_id),
        CONSTRAINT invoice_no_overlap EXCLUDE USING gist (
            tenant_id WITH =, tstzrange(period_start, period_end) WITH &&) WHERE (status <> 'void')
    );
    CREATE INDEX invoice_open ON invoice (tenant_id, due_at) WHERE status IN ('draft', 'final');
    -- Named without its tenant.
    CREATE INDEX invoice_id ON invoice (id);
    CREATE INDEX invoice_number ON invoice (number);
    CREATE INDEX invoice_organisation ON invoice (organisation_id, tenant_id);

    -- A column that is not named here is frozen: those to come, too.
    CREATE FUNCTION refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        -- A generated column has no value yet here.
        free constant text[] := '{{series,status,paid_at,uncollectible_at,voided_at,void_reason}}';
        changed text;
    BEGIN
        IF OLD.status <> 'draft' AND TG_OP = 'DELETE' THEN
            RAISE 'invoice % is % and is never removed', OLD.number, OLD.status;
        ELSIF OLD.status <> 'draft' THEN
            SELECT string_agg(o.key, ', ' ORDER BY o.key) INTO changed
            FROM jsonb_each(to_jsonb(OLD)) o JOIN jsonb_each(to_jsonb(NEW)) n USING (key)
            WHERE o.value IS DISTINCT FROM n.value AND NOT o.key = ANY (free);
            IF changed IS NOT NULL THEN
                RAISE 'invoice % is % and frozen: its % never changes', OLD.number, OLD.status, changed;
            ELSIF NEW.status = 'draft' OR OLD.status = 'void' AND NEW.status <> 'void' THEN
                RAISE 'invoice % is % and never becomes %', OLD.number, OLD.status, NEW.status;
            END IF;
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER invoice_frozen BEFORE UPDATE OR DELETE ON invoice
        FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change();
    CREATE TRIGGER invoice_never_emptied BEFORE TRUNCATE ON invoice
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

    -- The lines of `document` once more, to be asked for. The key of a line: its counting period, plan and
    -- version, price, meter and part, and whose usage it is.
    CREATE TABLE invoice_line (
        tenant_id uuid NOT NULL,
        invoice_id uuid NOT NULL,
        id text NOT NULL,
        position integer NOT NULL CHECK (position >= 0),
        kind text NOT NULL CHECK (kind IN ('usage', 'adjustment', 'carried_over')),
        usage_tenant_id uuid NOT NULL,
        period_start timestamptz NOT NULL,
        period_end timestamptz NOT NULL,
        counting_start timestamptz,
        counting_end timestamptz,
        plan_id uuid,
        plan_version integer,
        price text NOT NULL,
        meter text NOT NULL,
        part text NOT NULL,
        currency {CURRENCY},
        amount {MONEY},
        -- The invoice of this tenant whose charge an adjustment takes back or makes anew.
        adjusts_invoice_id uuid,
        PRIMARY KEY (tenant_id, invoice_id, id),
        FOREIGN KEY (tenant_id, invoice_id, currency)
            REFERENCES invoice (tenant_id, id, currency) ON DELETE CASCADE,
        FOREIGN KEY (tenant_id, adjusts_invoice_id, currency) REFERENCES invoice (tenant_id, id, currency),
        CHECK ((kind = 'adjustment') = (adjusts_invoice_id IS NOT NULL))
    );
    CREATE INDEX invoice_line_adjusts ON invoice_line (tenant_id, adjusts_invoice_id)
        WHERE adjusts_invoice_id IS NOT NULL;
    CREATE INDEX invoice_line_usage ON invoice_line (usage_tenant_id, period_start);
    CREATE FUNCTION refuse_line_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        invoice_of record;
    BEGIN
        -- Held, so that it is not made final meanwhile.
        FOR invoice_of IN
            SELECT i.number, i.status FROM invoice i
            WHERE (i.tenant_id, i.id) IN ((OLD.tenant_id, OLD.invoice_id), (NEW.tenant_id, NEW.invoice_id))
            FOR SHARE
        LOOP
            IF invoice_of.status <> 'draft' THEN
                RAISE 'the lines of invoice % are frozen', invoice_of.number;
            END IF;
        END LOOP;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER invoice_line_frozen BEFORE INSERT OR UPDATE OR DELETE ON invoice_line
        FOR EACH ROW EXECUTE FUNCTION refuse_line_change();
    CREATE TRIGGER invoice_line_never_emptied BEFORE TRUNCATE ON invoice_line
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

    -- Reasons to hold an invoice back that somebody found were none.
    CREATE TABLE invoice_override (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        invoice_id uuid NOT NULL,
        at timestamptz NOT NULL,
        who text NOT NULL CHECK (who <> ''),
        why text NOT NULL CHECK (why <> ''),
        reasons text[] NOT NULL CHECK (cardinality(reasons) > 0),
        PRIMARY KEY (tenant_id, id)
    );
    CREATE INDEX invoice_override_invoice ON invoice_override (tenant_id, invoice_id);
"""

INVOICED_PERIODS: Final = """
    -- Whose usage of when is on which invoice: on the tenant's own, or on that of its organisation's payer,
    -- never on both. An invoice's own tenant is written by trigger; other tenants by who makes the invoice.
    -- Without a reference, since the invoice may be another tenant's.
    CREATE TABLE invoiced_period (
        tenant_id uuid NOT NULL,
        invoice_tenant_id uuid NOT NULL,
        invoice_id uuid NOT NULL,
        period_start timestamptz NOT NULL,
        period_end timestamptz NOT NULL,
        is_void boolean NOT NULL DEFAULT false,
        PRIMARY KEY (tenant_id, invoice_tenant_id, invoice_id),
        CHECK (period_start < period_end),
        CONSTRAINT invoiced_period_no_overlap EXCLUDE USING gist (
            tenant_id WITH =, tstzrange(period_start, period_end) WITH &&) WHERE (NOT is_void)
    );
    CREATE INDEX invoiced_period_invoice ON invoiced_period (invoice_tenant_id, invoice_id);
    CREATE FUNCTION keep_invoiced_periods() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM invoiced_period WHERE (invoice_tenant_id, invoice_id) = (OLD.tenant_id, OLD.id);
        ELSIF TG_OP = 'INSERT' THEN
            INSERT INTO invoiced_period
                (tenant_id, invoice_tenant_id, invoice_id, period_start, period_end, is_void)
            VALUES (NEW.tenant_id, NEW.tenant_id, NEW.id, NEW.period_start, NEW.period_end,
                    NEW.status = 'void');
        ELSE
            UPDATE invoiced_period SET is_void = NEW.status = 'void'
            WHERE (invoice_tenant_id, invoice_id) = (NEW.tenant_id, NEW.id);
            UPDATE invoiced_period SET (period_start, period_end) = (NEW.period_start, NEW.period_end)
            WHERE (tenant_id, invoice_tenant_id, invoice_id) = (NEW.tenant_id, NEW.tenant_id, NEW.id);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER invoice_keeps_periods
        AFTER INSERT OR DELETE OR UPDATE OF status, period_start, period_end ON invoice
        FOR EACH ROW EXECUTE FUNCTION keep_invoiced_periods();
"""
