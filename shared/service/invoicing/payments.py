"""Money for invoices: it comes, is given back, or will never come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from shared.domain import money
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.invoicing import postings
from shared.domain.invoicing.credits import CreditUse, give_back
from shared.domain.invoicing.invoice import Invoice, Status
from shared.service.invoicing.asked import (
    amount_faults,
    check,
    check_same,
    find_tenant,
    in_currency,
    past_faults,
    text_faults,
)
from shared.service.invoicing.invoice_ports import StoredInvoice
from shared.service.invoicing.money_ports import InvoiceBook, MoneyStore, Payment, Refund, Statement
from shared.service.invoicing.settling import closed_by_hand, settle
from shared.service.ports import Clock, NewId, TenantDirectory


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment, and its invoice as it is since."""

    payment: Payment
    invoice: StoredInvoice


@dataclass(frozen=True, slots=True)
class Repaid:
    """A refund of a payment, and the invoice as it is since."""

    refund: Refund
    invoice: StoredInvoice


class Payments:
    """Each of these is one transaction: its row, its posting, and what the invoice is by it.

    An invoice is found by UUID or number; NotFound is raised where the tenant has no such one, Conflict
    where its status does not allow what is asked. Whoever asks again under the same idempotency key gets
    the same answer, and Conflict where something else is asked.
    """

    def __init__(self, *, money: MoneyStore, tenants: TenantDirectory, clock: Clock, new_id: NewId) -> None:
        self._money = money
        self._tenants = tenants
        self._clock = clock
        self._new_id = new_id

    def pay(
        self,
        tenant_ref: str,
        invoice_ref: str,
        amount: Decimal | None = None,
        *,
        method: str,
        reference: str = "",
        received_at: datetime | None = None,
        idempotency_key: str | None = None,
        who: str,
    ) -> Paid:
        """Note money that came: all that is due where no amount is given, now where no time is.

        Raises Rejected for more than is due, naming that.
        """
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(
            text_faults("method", method),
            text_faults("reference", reference, may_be_empty=True),
            text_faults("idempotency_key", idempotency_key),
            past_faults("received_at", received_at, now),
        )
        with self._money.opened(tenant.id, invoice_ref) as book:
            invoice = book.stored.invoice
            if idempotency_key is not None and (known := book.payment_with_key(idempotency_key)) is not None:
                check_same(
                    idempotency_key,
                    known.invoice_id == invoice.id,
                    amount in (None, known.amount),
                    received_at in (None, known.received_at),
                    (method, reference) == (known.method, known.reference),
                )
                return Paid(known, book.stored)
            check(amount_faults("amount", amount, invoice.currency))
            amount = _all_due(invoice) if amount is None else in_currency(amount, invoice.currency)
            after = invoice.pay(amount)
            payment = Payment(
                id=self._new_id(),
                invoice_id=invoice.id,
                currency=invoice.currency,
                amount=amount,
                received_at=received_at or now,
                recorded_at=now,
                recorded_by=who,
                method=method,
                reference=reference,
                idempotency_key=idempotency_key,
                refunded=money.total((), invoice.currency),
            )
            book.add_payment(payment)
            book.post(postings.paid(amount, invoice.currency), payment.id, now)
            settle(book, tenant, after, now)
            return Paid(payment, book.stored)

    def refund(
        self,
        tenant_ref: str,
        payment_id: UUID,
        amount: Decimal | None = None,
        *,
        reason: str,
        idempotency_key: str | None = None,
        who: str,
    ) -> Repaid:
        """Give a payment back, or a part of it: it is due again.

        Raises NotFound; Rejected for more than is left of the payment, and for more than was paid and is no
        credit by now.
        """
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(text_faults("reason", reason), text_faults("idempotency_key", idempotency_key))
        found = self._money.payment(tenant.id, payment_id)
        if found is None:
            raise _no_payment(payment_id)
        check(amount_faults("amount", amount, found.currency))
        with self._money.opened(tenant.id, str(found.invoice_id)) as book:
            if idempotency_key is not None and (known := book.refund_with_key(idempotency_key)) is not None:
                check_same(
                    idempotency_key,
                    known.payment_id == payment_id,
                    amount in (None, known.amount),
                    reason == known.reason,
                )
                return Repaid(known, book.stored)
            payment = book.payment(payment_id)
            if payment is None:
                raise _no_payment(payment_id)
            left = _left_of(payment)
            amount = left if amount is None else in_currency(amount, payment.currency)
            after = book.stored.invoice.take_back(amount)
            if amount > left:
                said = f"is more than the {left:f} {payment.currency} that are left of the payment"
                raise Rejected.because("amount", said)
            refund = Refund(
                id=self._new_id(),
                payment_id=payment_id,
                grant_id=None,
                currency=payment.currency,
                amount=amount,
                refunded_at=now,
                refunded_by=who,
                reason=reason,
                idempotency_key=idempotency_key,
            )
            book.add_refund(refund)
            book.post(postings.payment_refunded(amount, payment.currency), refund.id, now)
            settle(book, tenant, after, now)
            return Repaid(refund, book.stored)

    def write_off(self, tenant_ref: str, invoice_ref: str, *, reason: str, who: str) -> StoredInvoice:
        """What is due will never come: it is a bad debt, and nothing is due any more."""
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(text_faults("reason", reason))
        with self._money.opened(tenant.id, invoice_ref) as book:
            before = book.stored.invoice
            after = before.write_off()
            book.post(postings.written_off(before.due, before.currency), before.id, now)
            settle(book, tenant, after, now)
            book.note(closed_by_hand(before, after, reason, now, who))
            return book.stored

    def void(self, tenant_ref: str, invoice_ref: str, reason: str, *, who: str) -> StoredInvoice:
        """An invoice that should not be: its postings are reversed, the credit it used returns and the one it
        made is withdrawn, and its period may be invoiced again.

        Raises Conflict for one with payments or credit notes, one that a later one follows, and one that
        made a credit that was used since.
        """
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(text_faults("reason", reason))
        with self._money.opened(tenant.id, invoice_ref, is_closing=True) as book:
            before = book.stored.invoice
            after = before.void(book.later())
            withdrawn = _unused_credit(book)
            book.post(postings.reversed_by_void(book.postings(), before.currency), before.id, now)
            book.use(withdrawn, "withdrawn", now)
            uses, returned = book.credits()
            applied = money.total((use.amount for use in uses), before.currency)
            book.use(give_back(uses, applied, returned), "returned", now)
            settle(book, tenant, after, now, reason=reason)
            book.reopen()
            book.note(closed_by_hand(before, after, reason, now, who))
            return book.stored

    def list(self, tenant_ref: str, invoice_ref: str) -> Sequence[Payment]:
        """The payments of an invoice, the oldest first."""
        return self._money.payments(find_tenant(self._tenants, tenant_ref).id, invoice_ref)

    def refunds(self, tenant_ref: str, invoice_ref: str) -> Sequence[Refund]:
        """What was given back of the payments of an invoice, the oldest first."""
        return self._money.refunds(find_tenant(self._tenants, tenant_ref).id, invoice_ref)

    def statement(self, tenant_ref: str, *, limit: int, before: UUID | None = None) -> Statement:
        """The tenant's ledger, the newest posting first, from the one behind `before`."""
        tenant = find_tenant(self._tenants, tenant_ref)
        return self._money.statement(tenant.id, limit=limit, before=before)


def _all_due(invoice: Invoice) -> Decimal:
    if invoice.status is Status.PAID:
        raise Conflict.because("status", f"invoice {invoice.number} is paid: nothing is due")
    return invoice.due


def _left_of(payment: Payment) -> Decimal:
    """What was not given back yet."""
    left = money.difference(payment.amount, payment.refunded)
    if not left:
        raise Conflict.because("payment", f"payment '{payment.id}' was given back already")
    return left


def _unused_credit(book: InvoiceBook) -> Sequence[CreditUse]:
    granted = book.granted()
    for credit in granted:
        if credit.grant.remaining != credit.amount:
            used = money.difference(credit.amount, credit.grant.remaining)
            said = (
                f"invoice {book.stored.invoice.number} carried over credit, of which {used:f}"
                f" {credit.grant.currency} are used: correct it by the next invoice instead"
            )
            raise Conflict.because("credit", said)
    return [CreditUse(credit.grant, credit.amount) for credit in granted]


def _no_payment(payment_id: UUID) -> Rejected:
    return NotFound.because("payment_id", f"no payment '{payment_id}'")
