"""What the database refuses of the money that moves on invoices, whoever writes it."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest
from psycopg.errors import (
    CheckViolation,
    ForeignKeyViolation,
    RaiseException,
)

from shared.adapters.system import new_id
from tests.shared.adapters.postgres.invoicing.invoice_rows import Books, run

RECEIVABLE = ("accounts_receivable", "RUB", Decimal(120))


def test_a_posting_balances_or_is_not_kept(books: Books) -> None:
    invoice = books.final()
    books.post(invoice, RECEIVABLE, ("revenue", "RUB", Decimal(-100)), ("tax", "RUB", Decimal(-20)))
    for entries in (
        (RECEIVABLE, ("revenue", "RUB", Decimal(-100))),
        (RECEIVABLE, ("revenue", "USD", Decimal(-120))),
        (RECEIVABLE, ("cash", "RUB", Decimal("-120.000000000000000001"))),
    ):
        with pytest.raises(RaiseException, match="does not balance"):
            books.post(invoice, *entries)
    with pytest.raises(RaiseException, match="does not balance"):
        books.post(invoice, declared=2)
    assert run(books.database, "SELECT count(*) FROM posting WHERE invoice_id = %s", invoice) == [(1,)]


def test_nothing_is_added_to_a_posting_later(books: Books) -> None:
    posting = books.post(books.final(), RECEIVABLE, ("revenue", "RUB", Decimal(-120)))

    def add() -> None:
        with books.database.transaction() as connection:
            books.enter(connection, posting, 2, "cash", "RUB", Decimal(1))
            books.enter(connection, posting, 3, "revenue", "RUB", Decimal(-1))

    with pytest.raises(RaiseException, match="4 of 2 entries"):
        add()


def test_an_entry_is_to_an_account_that_there_is(books: Books) -> None:
    with pytest.raises(CheckViolation):
        books.post(books.final(), RECEIVABLE, ("profit", "RUB", Decimal(-120)))


def grant(books: Books, amount: int = 100) -> UUID:
    id = new_id()
    run(
        books.database,
        "INSERT INTO credit_grant (tenant_id, id, kind, currency, amount, priority, description, created_at,"
        " created_by) VALUES (%s, %s, 'prepaid', 'RUB', %s, 0, '', now(), 'admin')",
        books.tenant_id,
        id,
        amount,
    )
    return id


def use(
    books: Books, grant_id: UUID, amount: int, kind: str = "expired", invoice: UUID | None = None
) -> None:
    run(
        books.database,
        "INSERT INTO credit_use (tenant_id, id, grant_id, kind, currency, amount, invoice_id, at)"
        " VALUES (%s, %s, %s, %s, 'RUB', %s, %s, now())",
        books.tenant_id,
        new_id(),
        grant_id,
        kind,
        amount,
        invoice,
    )


def test_a_credit_is_never_used_beyond_what_was_granted(books: Books) -> None:
    credit, invoice = grant(books), books.final()
    use(books, credit, 70, "applied", invoice)
    with pytest.raises(RaiseException, match=r"there would be 101\.0* used of 100"):
        use(books, credit, 31)
    use(books, credit, 70, "returned", invoice)
    with pytest.raises(RaiseException, match="there would be -1"):
        use(books, credit, 1, "returned", invoice)
    use(books, credit, 100, "refunded")


def test_of_two_who_use_up_a_credit_at_once_one_does(books: Books) -> None:
    credit = grant(books)

    def try_to(_: int) -> bool:
        try:
            use(books, credit, 60)
        except RaiseException:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(try_to, range(4))) == [False, False, False, True]


def test_payments_are_more_than_nothing_and_of_the_invoices_currency(books: Books) -> None:
    invoice = books.final()

    def pay(amount: int, currency: str) -> None:
        run(
            books.database,
            "INSERT INTO payment (tenant_id, id, invoice_id, currency, amount, received_at, recorded_at,"
            " recorded_by, method, reference) VALUES (%s, %s, %s, %s, %s, now(), now(), 'admin', 'bank', '')",
            books.tenant_id,
            new_id(),
            invoice,
            currency,
            amount,
        )

    pay(20, "RUB")
    with pytest.raises(CheckViolation):
        pay(0, "RUB")
    with pytest.raises(ForeignKeyViolation):
        pay(20, "USD")
