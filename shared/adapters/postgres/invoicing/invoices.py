"""Invoices in PostgreSQL: read in one snapshot, written in one transaction alone at their tenants."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres import outbox
from shared.adapters.postgres.invoicing import closing, grants, holds, invoice_rows, numbers, postings
from shared.adapters.postgres.invoicing.candidates import candidates
from shared.adapters.postgres.invoicing.invoice_view import PostgresInvoiceView, draft_from
from shared.adapters.postgres.invoicing.overlap import naming_what_is_in_the_way
from shared.adapters.postgres.pool import Connection, Database
from shared.domain.errors import Conflict
from shared.domain.events import InvoiceFact
from shared.domain.invoicing.credits import CreditUse, Grant
from shared.domain.invoicing.holds import Hold, Override
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.numbers import Counter
from shared.domain.invoicing.postings import Posting
from shared.domain.period import Period
from shared.service.invoicing.invoice_ports import (
    Account,
    Candidate,
    ClosedUntil,
    DraftRef,
    Overtaken,
    StoredInvoice,
)
from shared.service.ports import NewId

_LOCK_TIMEOUT = b"SET LOCAL lock_timeout = '3s'"
_FOUND = b"""
    SELECT tenant_id, id FROM invoice
    WHERE (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s) AND (id = %(id)s OR number = %(number)s)
    LIMIT 2
"""
_LIST = b"""
    SELECT tenant_id, id FROM invoice
    WHERE (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
        AND (%(status)s::text IS NULL OR status = %(status)s)
        AND (%(after)s::uuid IS NULL OR id > %(after)s)
    ORDER BY id LIMIT %(limit)s
"""
_DISCARD_OTHERS = b"""
    DELETE FROM invoice i USING invoiced_period p
    WHERE (i.tenant_id, i.id) = (p.invoice_tenant_id, p.invoice_id) AND i.status = 'draft' AND i.id <> %s
        AND p.tenant_id = %s AND tstzrange(p.period_start, p.period_end) && tstzrange(%s, %s)
"""


class PostgresInvoices:
    """InvoiceStore."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    @contextmanager
    def view(self) -> Iterator[PostgresInvoiceView]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield PostgresInvoiceView(connection)

    @contextmanager
    def changing(self, account: Account, invoice_id: UUID, period: Period) -> Iterator["PostgresInvoiceBook"]:
        tenant_ids = [member.tenant.id for member in account.members]
        with (
            naming_what_is_in_the_way(self._database, account.tenant.id, invoice_id, period),
            self._database.transaction() as connection,
        ):
            connection.execute(_LOCK_TIMEOUT)
            closing.lock(connection, tenant_ids)
            if closing.read(connection, tenant_ids) != account.closed:
                raise Overtaken
            yield PostgresInvoiceBook(connection, self._new_id)

    def candidates(self) -> Sequence[Candidate]:
        with self._database.statement() as connection:
            return candidates(connection)

    def find(self, tenant_id: UUID | None, ref: str) -> StoredInvoice | None:
        try:
            id = UUID(ref)
        except ValueError:
            id = None
        number = ref if ref.isprintable() else ""
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            of = {"tenant_id": tenant_id, "id": id, "number": number}
            found = connection.execute(_FOUND, of).fetchall()
            if len(found) > 1:
                said = f"several sellers have given out the number {ref}: name the invoice by its id"
                raise Conflict.because("invoice", said)
            return invoice_rows.load(connection, *found[0]) if found else None

    def list(
        self, tenant_id: UUID | None, status: Status | None, *, limit: int, after: UUID | None
    ) -> Sequence[StoredInvoice]:
        of = {
            "tenant_id": tenant_id,
            "status": None if status is None else str(status),
            "after": after,
            "limit": limit,
        }
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            found = connection.execute(_LIST, of).fetchall()
            loaded = (invoice_rows.load(connection, *row) for row in found)
            return [stored for stored in loaded if stored is not None]


class PostgresInvoiceBook:
    """InvoiceBook."""

    def __init__(self, connection: Connection, new_id: NewId) -> None:
        self._connection = connection
        self._new_id = new_id

    def draft_from(self, tenant_id: UUID, start: datetime) -> DraftRef | None:
        return draft_from(self._connection, tenant_id, start)

    def load(self, tenant_id: UUID, invoice_id: UUID) -> StoredInvoice | None:
        return invoice_rows.load(self._connection, tenant_id, invoice_id, lock=True)

    def holds(self, tenant_ids: Iterable[UUID], period: Period, until: datetime) -> Sequence[Hold]:
        return holds.find(self._connection, tenant_ids, period, until)

    def add_override(self, tenant_id: UUID, invoice_id: UUID, override: Override) -> None:
        invoice_rows.add_override(self._connection, self._new_id(), tenant_id, invoice_id, override)

    def grants(self, tenant_id: UUID) -> Sequence[Grant]:
        return grants.remaining(self._connection, tenant_id, lock=True)

    def take_number(self, counter: Counter) -> int:
        return numbers.take_number(self._connection, counter)

    def put_draft(self, draft: StoredInvoice) -> None:
        invoice = draft.invoice
        spans = {invoice.tenant_id: invoice.period}
        spans |= {part.tenant_id: part.period for part in (draft.basis.parts if draft.basis else ())}
        for tenant_id, period in spans.items():
            self._connection.execute(_DISCARD_OTHERS, (invoice.id, tenant_id, *period))
        invoice_rows.put_draft(self._connection, draft)

    def discard(self, tenant_id: UUID, invoice_id: UUID) -> None:
        invoice_rows.discard(self._connection, tenant_id, invoice_id)

    def finalise(self, invoice: Invoice, counter: Counter, number: int, at: datetime) -> None:
        assert invoice.number is not None
        numbers.issue_number(
            self._connection,
            counter,
            number,
            label=invoice.number,
            tenant_id=invoice.tenant_id,
            document_id=invoice.id,
        )
        invoice_rows.finalise(self._connection, invoice, at)

    def use(self, tenant_id: UUID, uses: Sequence[CreditUse], at: datetime, invoice_id: UUID) -> None:
        grants.use(self._connection, tenant_id, uses, "applied", at, invoice_id, self._new_id)

    def grant(self, tenant_id: UUID, grant: Grant, amount: Decimal, who: str, invoice_id: UUID) -> None:
        grants.add(self._connection, tenant_id, grant, amount, who, invoice_id)

    def post(self, tenant_id: UUID, posting: Posting, at: datetime, invoice_id: UUID) -> None:
        postings.post(
            self._connection,
            tenant_id,
            self._new_id(),
            at,
            posting,
            source_id=invoice_id,
            invoice_id=invoice_id,
        )

    def move(self, tenant_id: UUID, until: ClosedUntil) -> None:
        closing.move(self._connection, tenant_id, until)

    def announce(self, fact: InvoiceFact) -> None:
        outbox.add(self._connection, [(self._new_id(), fact)], fact.as_of)
