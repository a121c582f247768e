"""Payments and refunds on the wire, and the ledger that they are posted in."""

from collections.abc import Iterable
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Input, Instant, Money, Page, Text, Time
from functions.billing_api.schemas.invoicing.invoices import InvoiceHead, InvoicePath
from functions.billing_api.schemas.invoicing.money import Amount
from shared.domain.invoicing.postings import Account
from shared.domain.usage import TEXT_MAX
from shared.service.invoicing import money_ports


class NewPayment(Input):
    """Money that came for an invoice: all that is due where no amount is given, now where no time is."""

    amount: Amount | None = None
    method: Annotated[Text, Field(description="How it came, such as bank_transfer.")]
    reference: Annotated[str, Field(max_length=TEXT_MAX, description="What the bank calls it.")] = ""
    received_at: Instant | None = None


class PaymentPath(InvoicePath):
    payment: Annotated[UUID, Field(description="The payment's UUID.")]


class Refund(Answer):
    """Money that was given back: of a payment, or of a credit; the other is null."""

    id: UUID
    payment_id: UUID | None
    credit_id: UUID | None
    amount: Money
    currency: str
    reason: str
    refunded_at: Time
    refunded_by: str

    @classmethod
    def of(cls, refund: money_ports.Refund) -> Self:
        return cls(
            id=refund.id,
            payment_id=refund.payment_id,
            credit_id=refund.grant_id,
            amount=refund.amount,
            currency=refund.currency,
            reason=refund.reason,
            refunded_at=refund.refunded_at,
            refunded_by=refund.refunded_by,
        )


class Payment(Answer):
    """Money that came for an invoice; `refunded` of it was given back."""

    id: UUID
    invoice_id: UUID
    amount: Money
    refunded: Money
    currency: str
    method: str
    reference: str
    received_at: Time
    recorded_at: Time
    recorded_by: str

    @classmethod
    def of(cls, payment: money_ports.Payment) -> Self:
        return cls.model_validate(payment, from_attributes=True)


class PaymentEntry(Payment):
    """A payment with its refunds, the oldest first."""

    refunds: list[Refund]


class PaymentList(Page[PaymentEntry]):
    """All payments of an invoice, the oldest first."""

    @classmethod
    def of(cls, payments: Iterable[money_ports.Payment], refunds: Iterable[money_ports.Refund]) -> Self:
        by_payment: dict[UUID | None, list[Refund]] = {}
        for refund in refunds:
            by_payment.setdefault(refund.payment_id, []).append(Refund.of(refund))
        items = [
            PaymentEntry(**Payment.of(payment).model_dump(), refunds=by_payment.get(payment.id, []))
            for payment in payments
        ]
        return cls(items=items, next_cursor=None)


class PaidInvoice(Answer):
    """A payment, and its invoice as it is since."""

    payment: Payment
    invoice: InvoiceHead


class RepaidInvoice(Answer):
    """A refund of a payment, and the invoice as it is since."""

    refund: Refund
    invoice: InvoiceHead


class LedgerEntry(Answer):
    """A debit where it is positive, a credit where it is negative."""

    account: Account
    amount: Money


class LedgerPosting(Answer):
    """What one event moved: its entries come to nothing together. `source_id` is what it is about."""

    id: UUID
    at: Time
    kind: str
    source_id: UUID
    invoice_id: UUID | None
    currency: str
    entries: list[LedgerEntry]

    @classmethod
    def of(cls, posted: money_ports.Posted) -> Self:
        entries = posted.posting.entries
        return cls(
            id=posted.id,
            at=posted.at,
            kind=posted.posting.kind,
            source_id=posted.source_id,
            invoice_id=posted.invoice_id,
            currency=posted.posting.currency,
            entries=[LedgerEntry(account=entry.account, amount=entry.amount) for entry in entries],
        )


class LedgerBalance(Answer):
    """What an account comes to over all postings of the tenant."""

    account: Account
    currency: str
    amount: Money

    @classmethod
    def of(cls, balance: money_ports.Balance) -> Self:
        return cls(account=balance.account, currency=balance.currency, amount=balance.amount)


class LedgerPostingList(Page[LedgerPosting]):
    """The newest first; the balances come to nothing together."""

    balances: list[LedgerBalance]
