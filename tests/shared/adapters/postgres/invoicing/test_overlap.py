"""No period of a tenant is on two invoices, whoever writes them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg.errors import (
    ExclusionViolation,
)

from shared.adapters.postgres.invoicing.overlap import naming_what_is_in_the_way
from shared.adapters.system import new_id
from shared.domain.errors import Conflict, Unavailable
from tests.shared.adapters.postgres.invoicing.invoice_rows import DECEMBER, MIDDLE, NOVEMBER, Books, run
from tests.shared.adapters.postgres.rating_rows import add_tenant


def test_two_invoices_of_a_tenant_never_overlap_and_the_other_is_named(books: Books) -> None:
    books.final()
    refused = pytest.raises(
        Conflict, match=r"INV-2025-000001 of 2025-11-01T00:00:00Z to 2025-12-01T00:00:00Z"
    )
    with (
        refused,
        naming_what_is_in_the_way(books.database, books.tenant_id, new_id(), MIDDLE),
        books.database.transaction() as connection,
    ):
        books.draft(connection, MIDDLE)
    with books.database.transaction() as connection:
        books.draft(connection, DECEMBER)


def test_a_draft_in_the_way_is_named_by_its_id(books: Books) -> None:
    with books.database.transaction() as connection:
        draft = books.draft(connection)
    with (
        pytest.raises(Conflict, match=f"the draft {draft}"),
        naming_what_is_in_the_way(books.database, books.tenant_id, new_id(), MIDDLE),
        books.database.transaction() as connection,
    ):
        books.draft(connection, MIDDLE)


def test_another_exclusion_is_not_taken_for_an_invoice_in_the_way(books: Books) -> None:
    def rate() -> None:
        run(
            books.database,
            "INSERT INTO tax_rate VALUES (%s, %s, 'VAT', 20, false, NULL, NULL)",
            books.tenant_id,
            new_id(),
        )

    rate()
    with (
        pytest.raises(ExclusionViolation),
        naming_what_is_in_the_way(books.database, books.tenant_id, new_id(), NOVEMBER),
    ):
        rate()


def test_of_two_invoices_at_once_one_is_made(books: Books) -> None:
    def make(_: int) -> bool:
        try:
            books.final()
        except (ExclusionViolation, Unavailable):  # as a deadlock, where they meet
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(make, range(4))) == [False, False, False, True]


def test_the_period_of_a_void_invoice_may_be_invoiced_again(books: Books) -> None:
    first = books.final()
    books.void(first)
    second = books.final()
    rows = run(
        books.database,
        "SELECT id, number, status FROM invoice WHERE tenant_id = %s ORDER BY number",
        books.tenant_id,
    )
    assert rows == [(first, "INV-2025-000001", "void"), (second, "INV-2025-000002", "final")]


def test_usage_on_an_organisations_invoice_is_on_no_invoice_of_the_tenants_own(books: Books) -> None:
    child = add_tenant(books.database, slug=f"c{new_id().hex[-12:]}").id
    invoice = books.final()
    cover = (
        "INSERT INTO invoiced_period (tenant_id, invoice_tenant_id, invoice_id, period_start, period_end)"
        " VALUES (%s, %s, %s, %s, %s)"
    )
    run(books.database, cover, child, books.tenant_id, invoice, *NOVEMBER)
    with (
        pytest.raises(Conflict, match="INV-2025-000001"),
        naming_what_is_in_the_way(books.database, child, new_id(), MIDDLE),
        books.database.transaction() as connection,
    ):
        books.draft(connection, MIDDLE, tenant_id=child)
    books.void(invoice)
    with books.database.transaction() as connection:
        books.draft(connection, MIDDLE, tenant_id=child)


def test_a_draft_that_is_removed_leaves_its_period_free(books: Books) -> None:
    with books.database.transaction() as connection:
        draft = books.draft(connection)
        books.line(connection, draft, "a")
    run(books.database, "UPDATE invoice SET period_end = %s WHERE id = %s", MIDDLE.start, draft)
    kept = run(books.database, "SELECT period_end FROM invoiced_period WHERE invoice_id = %s", draft)
    assert kept == [(MIDDLE.start,)]
    run(books.database, "DELETE FROM invoice WHERE id = %s", draft)
    assert run(books.database, "SELECT FROM invoiced_period WHERE invoice_id = %s", draft) == []
    books.final()
