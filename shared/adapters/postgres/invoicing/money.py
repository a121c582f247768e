"""Payments, credits, credit notes and the ledger in PostgreSQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.invoicing import closing, grants, invoice_rows, postings
from shared.adapters.postgres.invoicing import money_rows as rows
from shared.adapters.postgres.invoicing.amounts import in_currency
from shared.adapters.postgres.invoicing.money_books import PostgresCreditBook, PostgresInvoiceBook
from shared.adapters.postgres.pool import Connection, Database
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.invoicing.postings import Account
from shared.domain.usage import TEXT_MAX
from shared.service.invoicing.money_ports import (
    Balance,
    CreditGrant,
    CreditNote,
    Payment,
    Refund,
    Statement,
)
from shared.service.ports import NewId

_T = TypeVar("_T")
_INVOICE: Final = b"""
    SELECT id FROM invoice WHERE tenant_id = %(tenant_id)s AND (id = %(id)s OR number = %(number)s) LIMIT 2
"""
_LOCK_TIMEOUT = b"SET LOCAL lock_timeout = '3s'"
_MEMBERS = b"SELECT tenant_id FROM invoiced_period WHERE (invoice_tenant_id, invoice_id) = (%s, %s)"
# Found by when it expires: what was written off already is left out by what remains.
_LAPSED = b"""
    SELECT g.tenant_id FROM credit_grant g
    WHERE g.expires_at <= %s AND g.amount > (
        SELECT coalesce(sum(CASE u.kind WHEN 'returned' THEN -u.amount ELSE u.amount END), 0)
        FROM credit_use u WHERE (u.tenant_id, u.grant_id) = (g.tenant_id, g.id))
    GROUP BY g.tenant_id ORDER BY min(g.expires_at)
"""
_BALANCES = b"""
    SELECT account, currency, sum(amount) FROM posting_entry WHERE tenant_id = %s
    GROUP BY account, currency ORDER BY currency
"""


class PostgresMoney:
    """MoneyStore."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    @contextmanager
    def opened(
        self, tenant_id: UUID, invoice_ref: str, *, is_closing: bool = False
    ) -> Iterator[PostgresInvoiceBook]:
        with self._database.transaction() as connection:
            connection.execute(_LOCK_TIMEOUT)
            invoice_id = _invoice_id(connection, tenant_id, invoice_ref)
            if is_closing:
                closing.lock(connection, _members(connection, tenant_id, invoice_id))
            stored = invoice_rows.load(connection, tenant_id, invoice_id, lock=True)
            if stored is None:
                raise _no_invoice(invoice_ref)
            yield PostgresInvoiceBook(connection, stored, self._new_id)

    @contextmanager
    def crediting(self, tenant_id: UUID) -> Iterator[PostgresCreditBook]:
        with self._database.transaction() as connection:
            connection.execute(_LOCK_TIMEOUT)
            grants.lock_all(connection, tenant_id)
            yield PostgresCreditBook(connection, tenant_id, self._new_id)

    def payment(self, tenant_id: UUID, payment_id: UUID) -> Payment | None:
        query = f"{rows.PAYMENT} WHERE p.tenant_id = %(tenant_id)s AND p.id = %(id)s"
        return _first(self._rows(rows.payment_of, query, {"tenant_id": tenant_id, "id": payment_id}))

    def payments(self, tenant_id: UUID, invoice_ref: str) -> Sequence[Payment]:
        query = (
            f"{rows.PAYMENT} WHERE p.tenant_id = %(tenant_id)s AND p.invoice_id = %(invoice_id)s"
            " ORDER BY p.id"
        )
        return self._rows(rows.payment_of, query, self._of_invoice(tenant_id, invoice_ref))

    def refunds(self, tenant_id: UUID, invoice_ref: str) -> Sequence[Refund]:
        query = (
            f"{rows.REFUND} JOIN payment p ON (p.tenant_id, p.id) = (r.tenant_id, r.payment_id)"
            " WHERE p.tenant_id = %(tenant_id)s AND p.invoice_id = %(invoice_id)s ORDER BY r.id"
        )
        return self._rows(rows.refund_of, query, self._of_invoice(tenant_id, invoice_ref))

    def grants(self, tenant_id: UUID, *, limit: int, after: UUID | None) -> Sequence[CreditGrant]:
        query = (
            f"{rows.GRANT} WHERE g.tenant_id = %(tenant_id)s"
            " AND (%(after)s::uuid IS NULL OR g.id > %(after)s) ORDER BY g.id LIMIT %(limit)s"
        )
        parameters = {"tenant_id": tenant_id, "after": after, "limit": limit}
        return self._rows(rows.credit_of, query, parameters)

    def lapsed(self, at: datetime) -> Sequence[UUID]:
        with self._database.statement() as connection:
            return [tenant_id for (tenant_id,) in connection.execute(_LAPSED, (at,))]

    def find_note(self, tenant_id: UUID | None, ref: str) -> CreditNote | None:
        query = (
            f"{rows.NOTE} WHERE (%(tenant_id)s::uuid IS NULL OR n.tenant_id = %(tenant_id)s)"
            " AND (n.id = %(id)s OR n.number = %(number)s) LIMIT 2"
        )
        found = self._rows(rows.note_of, query, {"tenant_id": tenant_id, **rows.named(ref)})
        if len(found) > 1:
            raise _ambiguous("credit_note", ref)
        return _first(found)

    def notes(
        self, tenant_id: UUID | None, invoice_ref: str | None, *, limit: int, after: UUID | None
    ) -> Sequence[CreditNote]:
        query = f"""
            {rows.NOTE} JOIN invoice i ON (i.tenant_id, i.id) = (n.tenant_id, n.invoice_id)
            WHERE (%(tenant_id)s::uuid IS NULL OR n.tenant_id = %(tenant_id)s)
              AND (%(invoice_ref)s::text IS NULL OR i.id = %(id)s OR i.number = %(number)s)
              AND (%(after)s::uuid IS NULL OR n.id > %(after)s)
            ORDER BY n.id LIMIT %(limit)s
        """
        parameters = {
            "tenant_id": tenant_id,
            **rows.named(invoice_ref or ""),
            "invoice_ref": None if invoice_ref is None else "",
            "after": after,
            "limit": limit,
        }
        return self._rows(rows.note_of, query, parameters)

    def statement(self, tenant_id: UUID, *, limit: int, before: UUID | None) -> Statement:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            return Statement(
                sorted(
                    Balance(Account(account), currency, in_currency(amount, currency))
                    for account, currency, amount in connection.execute(_BALANCES, (tenant_id,))
                ),
                postings.page(connection, tenant_id, limit=limit, before=before),
            )

    def _of_invoice(self, tenant_id: UUID, invoice_ref: str) -> Mapping[str, object]:
        with self._database.statement() as connection:
            invoice_id = _invoice_id(connection, tenant_id, invoice_ref)
        return {"tenant_id": tenant_id, "invoice_id": invoice_id}

    def _rows(
        self, read: Callable[[Sequence[Any]], _T], query: str, parameters: Mapping[str, object]
    ) -> list[_T]:
        with self._database.statement() as connection:
            return [read(row) for row in connection.execute(query.encode(), parameters)]


def _invoice_id(connection: Connection, tenant_id: UUID, ref: str) -> UUID:
    found = connection.execute(_INVOICE, {"tenant_id": tenant_id, **rows.named(ref)}).fetchall()
    if len(found) > 1:
        raise _ambiguous("invoice", ref)
    for (id,) in found:
        assert isinstance(id, UUID)
        return id
    raise _no_invoice(ref)


def _ambiguous(field: str, ref: str) -> Rejected:
    said = f"several sellers have given out the number {ref[:TEXT_MAX]}: name it by its id"
    return Conflict.because(field, said)


def _members(connection: Connection, tenant_id: UUID, invoice_id: UUID) -> Sequence[UUID]:
    """Whose usage the invoice is about, its own tenant first of all."""
    found = connection.execute(_MEMBERS, (tenant_id, invoice_id))
    return list({tenant_id, *(member for (member,) in found)})


def _no_invoice(ref: str) -> Rejected:
    return NotFound.because("invoice", f"no invoice {ref[:TEXT_MAX]!r}")


def _first(found: Sequence[_T]) -> _T | None:
    return found[0] if found else None
