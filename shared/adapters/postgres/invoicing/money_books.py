"""Money that moves, in PostgreSQL: each book is one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg.errors import UniqueViolation

from shared.adapters.postgres import outbox
from shared.adapters.postgres.invoicing import closing, grants, invoice_rows, party_rows, postings
from shared.adapters.postgres.invoicing import money_rows as rows
from shared.adapters.postgres.invoicing.numbers import issue_number, take_number
from shared.adapters.postgres.invoicing.party_book import PostgresPartyBook
from shared.adapters.postgres.pool import Connection
from shared.domain.errors import Conflict
from shared.domain.events import Fact
from shared.domain.invoicing.credits import CreditUse, Grant
from shared.domain.invoicing.invoice import Invoice
from shared.domain.invoicing.numbers import Counter
from shared.domain.invoicing.parties import BillingEntity
from shared.domain.invoicing.party_change import PartyChange
from shared.domain.invoicing.postings import Posting
from shared.service.invoicing.invoice_ports import StoredInvoice
from shared.service.invoicing.money_ports import (
    CreditGrant,
    CreditNote,
    InvoiceCredits,
    Payment,
    Refund,
    UseKind,
)
from shared.service.ports import NewId

_T = TypeVar("_T")
_LATER: Final = """
    SELECT i.number FROM invoiced_period own
    JOIN invoiced_period p ON p.tenant_id = own.tenant_id AND p.period_start >= own.period_end
    JOIN invoice i ON (i.tenant_id, i.id) = (p.invoice_tenant_id, p.invoice_id)
    WHERE (own.invoice_tenant_id, own.invoice_id) = (%(tenant_id)s, %(invoice_id)s)
      AND i.status NOT IN ('draft', 'void')
    ORDER BY p.period_start, i.number LIMIT 1
"""
_ENTITY = f"SELECT {party_rows.ENTITY} FROM billing_entity WHERE id = %(entity_id)s"


class _PostgresBook:
    """Book."""

    _invoice_id: UUID | None = None

    def __init__(self, connection: Connection, tenant_id: UUID, new_id: NewId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._new_id = new_id

    def refund_with_key(self, idempotency_key: str) -> Refund | None:
        query = f"{rows.REFUND} WHERE r.tenant_id = %(tenant_id)s AND r.idempotency_key = %(key)s"
        return self._one(rows.refund_of, query, key=idempotency_key)

    def add_refund(self, refund: Refund) -> None:
        self._insert("refund", rows.refund_row(refund))

    def use(self, uses: Sequence[CreditUse], kind: UseKind, at: datetime) -> Sequence[UUID]:
        about = self._invoice_id if kind in ("applied", "returned") else None
        return grants.use(self._connection, self._tenant_id, uses, kind, at, about, self._new_id)

    def post(self, posting: Posting, source_id: UUID, at: datetime) -> None:
        postings.post(
            self._connection,
            self._tenant_id,
            self._new_id(),
            at,
            posting,
            source_id=source_id,
            invoice_id=self._invoice_id,
        )

    def _insert(self, table: str, row: Mapping[str, object]) -> None:
        row = {"tenant_id": self._tenant_id} | dict(row)
        values = ", ".join(f"%({name})s" for name in row)
        query = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"
        try:
            self._connection.execute(query.encode(), row)
        except UniqueViolation as error:
            if error.diag.constraint_name != f"{table}_idempotency_key":
                raise
            said = f"{row['idempotency_key']!r} is being used for something else: name this by another key"
            raise Conflict.because("idempotency_key", said) from error

    def _one(self, read: Callable[[Sequence[Any]], _T], query: str, **parameters: object) -> _T | None:
        found = self._all(read, query, **parameters)
        return found[0] if found else None

    def _all(self, read: Callable[[Sequence[Any]], _T], query: str, **parameters: object) -> list[_T]:
        parameters |= {"tenant_id": self._tenant_id, "invoice_id": self._invoice_id}
        return [read(row) for row in self._connection.execute(query.encode(), parameters)]


class PostgresCreditBook(_PostgresBook):
    """CreditBook. The grants of the tenant are locked."""

    def grants(self) -> Sequence[Grant]:
        return grants.remaining(self._connection, self._tenant_id, lock=False)

    def grant(self, grant_id: UUID) -> CreditGrant | None:
        query = f"{rows.GRANT} WHERE g.tenant_id = %(tenant_id)s AND g.id = %(id)s"
        return self._one(rows.credit_of, query, id=grant_id)

    def add_grant(self, grant: Grant, who: str) -> bool:
        return grants.add(self._connection, self._tenant_id, grant, grant.remaining, who, None)


class PostgresInvoiceBook(_PostgresBook):
    """InvoiceBook. The row of the invoice is locked."""

    def __init__(self, connection: Connection, stored: StoredInvoice, new_id: NewId) -> None:
        super().__init__(connection, stored.invoice.tenant_id, new_id)
        self._stored = stored
        self._invoice_id = stored.invoice.id

    @property
    def stored(self) -> StoredInvoice:
        return self._stored

    def payment(self, payment_id: UUID) -> Payment | None:
        query = (
            f"{rows.PAYMENT} WHERE p.tenant_id = %(tenant_id)s AND p.id = %(id)s"
            " AND p.invoice_id = %(invoice_id)s"
        )
        return self._one(rows.payment_of, query, id=payment_id)

    def payment_with_key(self, idempotency_key: str) -> Payment | None:
        query = f"{rows.PAYMENT} WHERE p.tenant_id = %(tenant_id)s AND p.idempotency_key = %(key)s"
        return self._one(rows.payment_of, query, key=idempotency_key)

    def add_payment(self, payment: Payment) -> None:
        self._insert("payment", rows.payment_row(payment))

    def notes(self) -> Sequence[CreditNote]:
        query = (
            f"{rows.NOTE} WHERE n.tenant_id = %(tenant_id)s AND n.invoice_id = %(invoice_id)s ORDER BY n.id"
        )
        return self._all(rows.note_of, query)

    def note_with_key(self, idempotency_key: str) -> CreditNote | None:
        query = f"{rows.NOTE} WHERE n.tenant_id = %(tenant_id)s AND n.idempotency_key = %(key)s"
        return self._one(rows.note_of, query, key=idempotency_key)

    def seller(self) -> BillingEntity:
        entity = self._one(party_rows.entity_of, _ENTITY, entity_id=self._stored.billing_entity_id)
        assert entity is not None, "one that has invoices is never deleted"
        return entity

    def take_number(self, counter: Counter) -> int:
        return take_number(self._connection, counter)

    def add_note(self, note: CreditNote, counter: Counter, number: int) -> None:
        issue_number(
            self._connection,
            counter,
            number,
            label=note.document.number,
            tenant_id=self._tenant_id,
            document_id=note.id,
        )
        self._insert("credit_note", rows.note_row(note))

    def credits(self) -> InvoiceCredits:
        grants.lock_all(self._connection, self._tenant_id)
        return grants.of_invoice(self._connection, self._tenant_id, self._stored.invoice.id)

    def granted(self) -> Sequence[CreditGrant]:
        grants.lock_all(self._connection, self._tenant_id)
        query = (
            f"{rows.GRANT} WHERE g.tenant_id = %(tenant_id)s AND g.invoice_id = %(invoice_id)s"
            " AND g.kind = 'carried_over' ORDER BY g.id"
        )
        return self._all(rows.credit_of, query)

    def add_grant(self, grant: Grant, who: str) -> None:
        invoice_id = self._stored.invoice.id
        grants.add(self._connection, self._tenant_id, grant, grant.remaining, who, invoice_id)

    def postings(self) -> Sequence[Posting]:
        return postings.of_invoice(self._connection, self._tenant_id, self._stored.invoice.id)

    def settle(self, invoice: Invoice, at: datetime, reason: str | None = None) -> None:
        invoice_rows.set_status(self._connection, self._tenant_id, invoice, at, reason)
        self._stored = replace(self._stored, invoice=invoice, void_reason=reason or self._stored.void_reason)

    def later(self) -> str | None:
        return self._one(lambda row: str(row[0]), _LATER)

    def reopen(self) -> None:
        closing.reopen(self._connection, self._tenant_id, self._stored.invoice.id)

    def announce(self, fact: Fact) -> None:
        outbox.add(self._connection, [(self._new_id(), fact)], fact.as_of)

    def note(self, change: PartyChange) -> None:
        PostgresPartyBook(self._connection, self._new_id).note(change)
