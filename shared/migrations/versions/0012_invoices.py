"""Invoices: the parties to them, what they say, what is paid and owed, and how far each tenant is closed."""

from alembic import op

from shared.migrations.invoice_tables.invoices import INVOICED_PERIODS, INVOICES, NUMBERS
from shared.migrations.invoice_tables.money import CREDITS, MONEY_EVENTS, POSTINGS
from shared.migrations.invoice_tables.parties import PARTIES

revision = "0012"
down_revision = "0011"

_APPEND_ONLY = (
    "party_change",
    "issued_number",
    "credit_note",
    "credit_grant",
    "credit_use",
    "payment",
    "refund",
    "posting",
    "posting_entry",
    "invoice_override",
)


def upgrade() -> None:
    # For the equality of a tenant beside the overlap of ranges; trusted, so the owner of a database may.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute(PARTIES)
    op.execute(NUMBERS)
    op.execute(INVOICES)
    op.execute(INVOICED_PERIODS)
    op.execute(CREDITS)
    op.execute(MONEY_EVENTS)
    op.execute(POSTINGS)
    op.execute(_CLOSING)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


_CLOSING = """
    -- How far a tenant's periods are closed, and by what usage the last one was rated.
    CREATE TABLE closing (
        tenant_id uuid PRIMARY KEY REFERENCES tenant,
        closed_until timestamptz NOT NULL,
        rated_sequence bigint NOT NULL
    );
    -- Dead letters of a tenant that nobody has dealt with, copied from where they are kept.
    CREATE TABLE dead_letter_held (
        tenant_id uuid NOT NULL,
        id text NOT NULL,
        type text NOT NULL,
        time timestamptz NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (tenant_id, id)
    );
    CREATE INDEX dead_letter_held_time ON dead_letter_held (tenant_id, time);
"""
