"""Credits, payments and what is posted of them, as migration 0012 makes them."""

from typing import Final

from shared.migrations.invoice_tables.columns import CURRENCY, MONEY

CREDITS: Final = f"""
    CREATE TABLE credit_grant (
        tenant_id uuid NOT NULL REFERENCES tenant,
        id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('prepaid', 'promotional', 'carried_over', 'credit_note')),
        currency {CURRENCY},
        amount {MONEY} CHECK (amount > 0),
        -- Smaller first, then what expires sooner, then the oldest.
        priority integer NOT NULL,
        expires_at timestamptz,
        description text NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        -- The invoice that was less than nothing, or the one that a credit note is for.
        invoice_id uuid,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, id, currency),
        FOREIGN KEY (tenant_id, invoice_id, currency) REFERENCES invoice (tenant_id, id, currency),
        CHECK ((kind IN ('carried_over', 'credit_note')) = (invoice_id IS NOT NULL))
    );
    -- What became of a grant; `returned` gives back what was applied to an invoice that is void now.
    CREATE TABLE credit_use (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        grant_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('applied', 'returned', 'expired', 'refunded', 'withdrawn')),
        currency {CURRENCY},
        amount {MONEY} CHECK (amount > 0),
        invoice_id uuid,
        at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, grant_id, currency) REFERENCES credit_grant (tenant_id, id, currency),
        FOREIGN KEY (tenant_id, invoice_id, currency) REFERENCES invoice (tenant_id, id, currency),
        CHECK ((kind IN ('applied', 'returned')) = (invoice_id IS NOT NULL))
    );
    CREATE INDEX credit_use_grant ON credit_use (tenant_id, grant_id);
    CREATE INDEX credit_use_invoice ON credit_use (tenant_id, invoice_id);
    CREATE FUNCTION refuse_credit_overuse() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        granted numeric;
        used numeric;
    BEGIN
        -- Held, so that of two who use the same grant the second sees what the first took.
        SELECT amount INTO granted FROM credit_grant
        WHERE (tenant_id, id) = (NEW.tenant_id, NEW.grant_id) FOR NO KEY UPDATE;
        SELECT coalesce(sum(CASE kind WHEN 'returned' THEN -amount ELSE amount END), 0) INTO used
        FROM credit_use WHERE (tenant_id, grant_id) = (NEW.tenant_id, NEW.grant_id);
        IF NEW.kind = 'returned' THEN
            used := used - NEW.amount;
        ELSE
            used := used + NEW.amount;
        END IF;
        IF used > granted OR used < 0 THEN
            RAISE 'of credit grant % there would be % used of %', NEW.grant_id, used, granted;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER credit_use_within_grant BEFORE INSERT ON credit_use
        FOR EACH ROW EXECUTE FUNCTION refuse_credit_overuse();
"""

MONEY_EVENTS: Final = f"""
    CREATE TABLE payment (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        invoice_id uuid NOT NULL,
        currency {CURRENCY},
        amount {MONEY} CHECK (amount > 0),
        received_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        recorded_by text NOT NULL,
        method text NOT NULL,
        reference text NOT NULL,
        -- What a sender that asks twice names it by.
        idempotency_key text,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, id, currency),
        CONSTRAINT payment_idempotency_key UNIQUE (tenant_id, idempotency_key),
        FOREIGN KEY (tenant_id, invoice_id, currency) REFERENCES invoice (tenant_id, id, currency)
    );
    CREATE INDEX payment_invoice ON payment (tenant_id, invoice_id);

    CREATE TABLE credit_note (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        invoice_id uuid NOT NULL,
        billing_entity_id uuid NOT NULL REFERENCES billing_entity,
        series text NOT NULL GENERATED ALWAYS AS ('credit_note') STORED,
        number text NOT NULL,
        currency {CURRENCY},
        net {MONEY},
        tax_total {MONEY},
        total {MONEY} CHECK (total > 0),
        lines jsonb NOT NULL,
        reason text NOT NULL CHECK (reason <> ''),
        document text NOT NULL,
        issued_at timestamptz NOT NULL,
        issued_by text NOT NULL,
        idempotency_key text,
        PRIMARY KEY (tenant_id, id),
        CHECK (total = net + tax_total),
        CONSTRAINT credit_note_idempotency_key UNIQUE (tenant_id, idempotency_key),
        FOREIGN KEY (tenant_id, invoice_id, currency) REFERENCES invoice (tenant_id, id, currency),
        FOREIGN KEY (billing_entity_id, series, number, tenant_id, id)
            REFERENCES issued_number (billing_entity_id, series, label, tenant_id, document_id)
    );
    CREATE INDEX credit_note_invoice ON credit_note (tenant_id, invoice_id);

    -- Money given back: of a payment, or of a credit grant.
    CREATE TABLE refund (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        payment_id uuid,
        grant_id uuid,
        currency {CURRENCY},
        amount {MONEY} CHECK (amount > 0),
        refunded_at timestamptz NOT NULL,
        refunded_by text NOT NULL,
        reason text NOT NULL CHECK (reason <> ''),
        idempotency_key text,
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT refund_idempotency_key UNIQUE (tenant_id, idempotency_key),
        FOREIGN KEY (tenant_id, payment_id, currency) REFERENCES payment (tenant_id, id, currency),
        FOREIGN KEY (tenant_id, grant_id, currency) REFERENCES credit_grant (tenant_id, id, currency),
        CHECK (num_nonnulls(payment_id, grant_id) = 1)
    );
"""

POSTINGS: Final = f"""
    -- Double entry: debits are positive, credits negative, and the entries of a posting come to nothing.
    CREATE TABLE posting (
        tenant_id uuid NOT NULL REFERENCES tenant,
        id uuid NOT NULL,
        at timestamptz NOT NULL,
        kind text NOT NULL CHECK (kind <> ''),
        -- The row that it is about: of one event of one kind there is one posting.
        source_id uuid NOT NULL,
        invoice_id uuid,
        -- How many entries it has: so none can be added to one that was checked.
        entries smallint NOT NULL CHECK (entries > 1),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT posting_source_key UNIQUE (tenant_id, kind, source_id),
        FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoice (tenant_id, id)
    );
    CREATE INDEX posting_invoice ON posting (tenant_id, invoice_id);
    CREATE TABLE posting_entry (
        tenant_id uuid NOT NULL,
        posting_id uuid NOT NULL,
        position smallint NOT NULL CHECK (position >= 0),
        account text NOT NULL CHECK (account IN (
            'accounts_receivable', 'revenue', 'tax', 'cash', 'credits', 'promotions', 'bad_debt')),
        currency {CURRENCY},
        amount {MONEY} CHECK (amount <> 0),
        PRIMARY KEY (tenant_id, posting_id, position),
        FOREIGN KEY (tenant_id, posting_id) REFERENCES posting (tenant_id, id)
    );
    CREATE FUNCTION refuse_unbalanced_posting() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        posted record;
        found record;
    BEGIN
        IF TG_TABLE_NAME = 'posting' THEN
            posted := NEW;
        ELSE
            SELECT * INTO posted FROM posting WHERE (tenant_id, id) = (NEW.tenant_id, NEW.posting_id);
        END IF;
        SELECT count(*) AS entries, count(DISTINCT currency) AS currencies, sum(amount) AS amount INTO found
        FROM posting_entry WHERE (tenant_id, posting_id) = (posted.tenant_id, posted.id);
        IF found.entries <> posted.entries OR found.currencies <> 1 OR found.amount <> 0 THEN
            RAISE 'posting % does not balance: % of % entries, in % currencies, come to %',
                posted.id, found.entries, posted.entries, found.currencies, found.amount;
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER posting_balanced AFTER INSERT ON posting
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced_posting();
    CREATE CONSTRAINT TRIGGER posting_entry_balanced AFTER INSERT ON posting_entry
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced_posting();
"""
