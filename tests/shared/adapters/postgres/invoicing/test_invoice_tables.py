"""What the database refuses of invoices, whoever writes it."""

from uuid import UUID

import psycopg
import pytest
from psycopg.errors import (
    CheckViolation,
    ForeignKeyViolation,
    RaiseException,
    UniqueViolation,
)

from shared.adapters.postgres.invoicing.numbers import issue_number, take_number
from shared.adapters.postgres.pool import Database
from shared.adapters.system import new_id
from shared.domain.invoicing.numbers import Series
from tests.shared.adapters.postgres.invoicing.invoice_rows import AT, DECEMBER, Books, run


@pytest.mark.parametrize(
    ("change", "frozen"),
    {
        "number = 'INV-2025-000009'": "number",
        "document = '{\"total\": 0}'": "document",
        "basis = '{\"plan\": 0}'": "basis",
        "period_start = period_start - interval '1 day'": "period_start",
        "period_end = period_end + interval '1 day'": "period_end",
        "currency = 'USD'": "currency",
        "net = 99, tax_total = 21": "net, tax_total",
        "total = 121, amount_due = 121, carried_over = 1": "amount_due, carried_over, total",
        "credits_applied = 120, amount_due = 0": "amount_due, credits_applied",
        "issued_at = now()": "issued_at",
        "due_at = now()": "due_at",
        "billing_entity_id = NULL": "billing_entity_id",
        "rated_sequence = 8": "rated_sequence",
    }.items(),
)
def test_a_final_invoice_never_changes_what_it_says(books: Books, change: str, frozen: str) -> None:
    invoice = books.final()
    before = run(books.database, "SELECT * FROM invoice WHERE id = %s", invoice)
    with pytest.raises(RaiseException, match=f"is final and frozen: its {frozen} never changes"):
        run(books.database, f"UPDATE invoice SET {change} WHERE id = %s", invoice)
    assert run(books.database, "SELECT * FROM invoice WHERE id = %s", invoice) == before


@pytest.mark.parametrize("status", ["paid", "uncollectible", "void"])
def test_a_final_invoice_changes_its_status_but_never_back_to_a_draft(books: Books, status: str) -> None:
    invoice = books.final()
    column = {"paid": "paid_at", "uncollectible": "uncollectible_at", "void": "voided_at"}[status]
    with pytest.raises(CheckViolation):
        run(books.database, "UPDATE invoice SET status = %s WHERE id = %s", status, invoice)
    run(books.database, f"UPDATE invoice SET status = %s, {column} = %s WHERE id = %s", status, AT, invoice)
    with pytest.raises(RaiseException, match=f"is {status} and never becomes draft"):
        run(books.database, "UPDATE invoice SET status = 'draft' WHERE id = %s", invoice)
    with pytest.raises(RaiseException, match=f"is {status} and is never removed"):
        run(books.database, "DELETE FROM invoice WHERE id = %s", invoice)


def test_a_void_invoice_stays_void(books: Books) -> None:
    invoice = books.final()
    books.void(invoice)
    with pytest.raises(RaiseException, match="is void and never becomes final"):
        run(books.database, "UPDATE invoice SET status = 'final', voided_at = NULL WHERE id = %s", invoice)


@pytest.mark.parametrize(
    "column", ["billing_entity_id", "number", "issued_at", "due_at", "document", "basis"]
)
def test_a_final_invoice_has_all_that_makes_it_one(books: Books, column: str) -> None:
    def make_without() -> None:
        with books.database.transaction() as connection:
            draft = books.draft(connection)
            books.finalise(connection, draft)
            connection.execute("ALTER TABLE invoice DISABLE TRIGGER invoice_frozen")
            connection.execute(f"UPDATE invoice SET {column} = NULL WHERE id = %s".encode(), (draft,))

    with pytest.raises(CheckViolation, match="invoice_final_is_whole"):
        make_without()


@pytest.mark.parametrize(
    "change",
    [
        "net = -121, total = -101, amount_due = -101",
        "net = 99",
        "carried_over = -1, total = 119, amount_due = 119",
        "credits_applied = -1, amount_due = 121",
        "credits_applied = 121, amount_due = -1",
        "amount_due = 119",
        "status = 'open'",
        "period_end = period_start",
        "period_end = period_end + interval '1 minute'",
        "number = 'INV-1'",
    ],
)
def test_an_invoice_that_cannot_be_is_refused(books: Books, change: str) -> None:
    with books.database.transaction() as connection:
        draft = books.draft(connection)
    with pytest.raises(CheckViolation):
        run(books.database, f"UPDATE invoice SET {change} WHERE id = %s", draft)


def test_the_lines_of_a_final_invoice_are_frozen(books: Books) -> None:
    invoice = books.final()
    for change in ("UPDATE invoice_line SET amount = 1 WHERE", "DELETE FROM invoice_line WHERE"):
        with pytest.raises(RaiseException, match="lines of invoice INV-2025-000001 are frozen"):
            run(books.database, f"{change} invoice_id = %s", invoice)
    with (
        pytest.raises(RaiseException, match="are frozen"),
        books.database.transaction() as connection,
    ):
        books.line(connection, invoice, "b")
    with books.database.transaction() as connection:
        draft = books.draft(connection, DECEMBER)
        books.line(connection, draft, "a")
    with pytest.raises(RaiseException, match="are frozen"):
        run(
            books.database,
            "UPDATE invoice_line SET invoice_id = %s, id = 'c' WHERE invoice_id = %s",
            invoice,
            draft,
        )
    run(books.database, "DELETE FROM invoice_line WHERE invoice_id = %s", draft)


def test_all_of_an_invoice_is_in_its_currency(books: Books) -> None:
    with books.database.transaction() as connection:
        draft = books.draft(connection)
    with pytest.raises(ForeignKeyViolation), books.database.transaction() as connection:
        books.line(connection, draft, "a", currency="USD")


def test_numbers_have_no_gap_even_where_a_transaction_is_rolled_back(books: Books) -> None:
    with books.database.transaction() as connection:
        assert books.finalise(connection, books.draft(connection)) == "INV-2025-000001"
        raise psycopg.Rollback
    books.final()
    credit_notes = books.invoices_of_2025._replace(series=Series.CREDIT_NOTE)
    with books.database.transaction() as connection:
        assert take_number(connection, books.invoices_of_2025) == 2
        assert take_number(connection, books.invoices_of_2025._replace(year=2026)) == 1
        assert take_number(connection, credit_notes) == 1


def issue(books: Books, number: int, label: str, document_id: UUID) -> None:
    with books.database.transaction() as connection:
        issue_number(
            connection,
            books.invoices_of_2025,
            number,
            label=label,
            tenant_id=books.tenant_id,
            document_id=document_id,
        )


def test_a_number_is_given_once_and_after_the_one_before_it(books: Books) -> None:
    issue(books, 1, "A-1", new_id())
    with pytest.raises(RaiseException, match="number 3 of series invoice of 2025 would leave a gap"):
        issue(books, 3, "A-3", new_id())
    with pytest.raises(UniqueViolation):
        issue(books, 1, "A-9", new_id())
    with pytest.raises(UniqueViolation):
        issue(books, 2, "A-1", new_id())


def test_an_invoice_has_no_number_that_was_given_to_another(books: Books) -> None:
    books.final()
    with books.database.transaction() as connection:
        draft = books.draft(connection, DECEMBER)
    with pytest.raises(ForeignKeyViolation):
        run(
            books.database,
            "UPDATE invoice SET status = 'final', billing_entity_id = %s, number = 'INV-2025-000001',"
            " issued_at = now(), due_at = now(), document = '', basis = '{}' WHERE id = %s",
            books.entity_id,
            draft,
        )


@pytest.mark.parametrize(
    "table",
    [
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
    ],
)
def test_what_is_written_once_is_never_changed(shared_database: Database, table: str) -> None:
    for change in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(RaiseException, match="are never changed"):
            run(shared_database, change)
    (columns,) = run(
        shared_database,
        "SELECT min(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND attgenerated = ''",
        table,
    )
    with pytest.raises(RaiseException, match=f"rows of {table} are never changed"):
        run(shared_database, f"UPDATE {table} SET {columns[0]} = {columns[0]}")


@pytest.mark.parametrize("table", ["invoice", "invoice_line"])
def test_invoices_are_not_emptied_out(shared_database: Database, table: str) -> None:
    with pytest.raises(RaiseException, match="are never changed"):
        run(shared_database, f"TRUNCATE {table} CASCADE")


def test_the_extension_is_one_that_a_databases_owner_may_create(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT bool_and(v.trusted) FROM pg_extension e JOIN pg_available_extension_versions v"
            " ON (v.name, v.version) = (e.extname, e.extversion) WHERE extname <> 'plpgsql'"
        )
        assert rows.fetchone() == (True,)
