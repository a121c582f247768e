"""Credit notes: an invoice is taken back, whole or line by line, under a number of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from shared.domain import money
from shared.domain.errors import Conflict, NotFound
from shared.domain.invoicing import postings
from shared.domain.invoicing.credit_notes import Heading, Wanted, credit_note
from shared.domain.invoicing.credits import Grant, give_back
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.invoice import Invoice
from shared.domain.invoicing.numbers import Series, counter_of, number_text
from shared.domain.usage import TEXT_MAX
from shared.service.invoicing.asked import (
    check,
    check_same,
    find_tenant,
    in_currency,
    size_faults,
    text_faults,
)
from shared.service.invoicing.invoice_ports import StoredInvoice
from shared.service.invoicing.money_ports import CreditNote, InvoiceBook, MoneyStore
from shared.service.invoicing.settling import settle
from shared.service.ports import Clock, NewId, TenantDirectory

_NOTHING: Final = Decimal(0)
_NO_NUMBER: Final = ""


@dataclass(frozen=True, slots=True)
class Credited:
    """A credit note, and its invoice as it is since."""

    note: CreditNote
    invoice: StoredInvoice


class CreditNotes:
    """A credit note reduces what is due of its invoice. What was paid of the rest becomes credit of the
    tenant, to be used or paid out; what credit had paid goes back to it."""

    def __init__(self, *, money: MoneyStore, tenants: TenantDirectory, clock: Clock, new_id: NewId) -> None:
        self._money = money
        self._tenants = tenants
        self._clock = clock
        self._new_id = new_id

    def issue(
        self,
        tenant_ref: str,
        invoice_ref: str,
        lines: Sequence[Wanted] | None,
        *,
        reason: str,
        idempotency_key: str | None = None,
        who: str,
    ) -> Credited:
        """Credit so much of these lines, taxes in proportion; all that is left of the invoice where None are
        given.

        Raises NotFound; Rejected with every fault; Conflict where the invoice's status does not allow it,
        where nothing is left of it, and where the key was used for something else.
        """
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(text_faults("reason", reason), text_faults("idempotency_key", idempotency_key))
        with self._money.opened(tenant.id, invoice_ref) as book:
            if idempotency_key is not None and (known := book.note_with_key(idempotency_key)) is not None:
                _check_known(known, book.stored, lines, reason, idempotency_key)
                return Credited(known, book.stored)
            note = self._issued(book, lines, reason, now, who)
            note = replace(note, idempotency_key=idempotency_key)
            before = book.stored.invoice
            after = before.credit(note.document.total)
            assert before.settlement is not None
            assert after.settlement is not None
            counter = counter_of(book.seller(), Series.CREDIT_NOTE, now)
            number = book.take_number(counter)
            label = number_text(book.seller(), counter, number)
            note = replace(note, document=replace(note.document, number=label))
            book.add_note(note, counter, number)
            book.post(postings.credited(note.document, before.settlement, after.settlement), note.id, now)
            self._leave_credit(book, note, before, after, who)
            settle(book, tenant, after, now)
            return Credited(note, book.stored)

    def preview(
        self, tenant_ref: str, invoice_ref: str, lines: Sequence[Wanted] | None, *, reason: str
    ) -> InvoiceDocument:
        """What `issue` would say, without a number; nothing is kept. Raises as it does."""
        tenant = find_tenant(self._tenants, tenant_ref)
        check(text_faults("reason", reason))
        with self._money.opened(tenant.id, invoice_ref) as book:
            return _document(book, lines, reason, self._clock())

    def get(self, tenant_ref: str | None, ref: str) -> CreditNote:
        """By UUID or number. Raises NotFound."""
        tenant_id = None if tenant_ref is None else find_tenant(self._tenants, tenant_ref).id
        note = self._money.find_note(tenant_id, ref)
        if note is None:
            raise NotFound.because("credit_note", f"no credit note {ref[:TEXT_MAX]!r}")
        return note

    def list(
        self,
        tenant_ref: str | None,
        invoice_ref: str | None = None,
        *,
        limit: int,
        after: UUID | None = None,
    ) -> Sequence[CreditNote]:
        """In order of time; those of one invoice where it is named, by UUID or number."""
        tenant_id = None if tenant_ref is None else find_tenant(self._tenants, tenant_ref).id
        return self._money.notes(tenant_id, invoice_ref, limit=limit, after=after)

    def _issued(
        self, book: InvoiceBook, lines: Sequence[Wanted] | None, reason: str, now: datetime, who: str
    ) -> CreditNote:
        document, stored = _document(book, lines, reason, now), book.stored
        assert stored.billing_entity_id is not None, "a final invoice has a seller"
        return CreditNote(
            id=self._new_id(),
            tenant_id=stored.invoice.tenant_id,
            invoice_id=stored.invoice.id,
            billing_entity_id=stored.billing_entity_id,
            document=document,
            reason=reason,
            issued_by=who,
            idempotency_key=None,
        )

    def _leave_credit(
        self, book: InvoiceBook, note: CreditNote, before: Invoice, after: Invoice, who: str
    ) -> None:
        """What the note takes off what was due no more."""
        was, now = before.settlement, after.settlement
        assert was is not None
        assert now is not None
        if refundable := money.difference(now.refundable, was.refundable):
            grant = Grant(
                id=self._new_id(),
                kind="credit_note",
                description=f"Credit note {note.document.number}",
                currency=before.currency,
                remaining=refundable,
                priority=0,
                created_at=note.document.issued_at,
            )
            book.add_grant(grant, who)
        if back := money.difference(now.returned, was.returned):
            uses, returned = book.credits()
            book.use(give_back(uses, back, returned), "returned", note.document.issued_at)


def _document(
    book: InvoiceBook, lines: Sequence[Wanted] | None, reason: str, now: datetime
) -> InvoiceDocument:
    invoice = book.stored.invoice
    invoice.credit(_NOTHING)  # raises where its status allows no credit note, before its lines are looked at
    check(*(size_faults(f"lines[{n}].amount", line.amount) for n, line in enumerate(lines or ())))
    if lines is not None:
        lines = [Wanted(line_id, in_currency(amount, invoice.currency)) for line_id, amount in lines]
    earlier = [note.document for note in book.notes()]
    document = credit_note(book.stored.document, earlier, lines, Heading(_NO_NUMBER, now, reason))
    if document.total <= 0:
        raise Conflict.because("lines", "come to nothing with taxes: there is nothing to credit")
    return document


def _check_known(
    known: CreditNote, stored: StoredInvoice, lines: Sequence[Wanted] | None, reason: str, key: str
) -> None:
    credited = {line.id: line.amount for line in known.document.lines}
    check_same(
        key,
        known.invoice_id == stored.invoice.id,
        lines is None or (len(lines) == len(credited) and dict(lines) == credited),
        reason == known.reason,
    )
