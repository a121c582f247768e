"""Credit notes on the wire."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    Input,
    Money,
    Page,
    PageQuery,
    TenantRef,
    Text,
    Time,
)
from functions.billing_api.schemas.invoicing.documents import InvoiceDocument
from functions.billing_api.schemas.invoicing.invoices import InvoiceHead
from functions.billing_api.schemas.invoicing.money import Amount
from shared.domain.invoicing.credit_notes import Wanted
from shared.service.invoicing import money_ports


class CreditedLine(Input):
    """A line of the invoice's document, and what of its amount to credit; taxes follow in proportion."""

    id: Text
    amount: Amount


class NewCreditNote(Input):
    """What to credit: all that is left of the invoice where no lines are given."""

    lines: Annotated[list[CreditedLine] | None, Field(min_length=1)] = None
    reason: Annotated[Text, Field(description="The credit note states it.")]

    @property
    def wanted(self) -> list[Wanted] | None:
        return None if self.lines is None else [Wanted(line.id, line.amount) for line in self.lines]


class CreditNotePath(Input):
    credit_note: Annotated[Text, Field(description="The credit note's UUID or number.")]


class CreditNoteQuery(PageQuery):
    tenant_id: TenantRef | None = None


class CreditNoteHead(Answer):
    """What was credited of an invoice, taxes included."""

    id: UUID
    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    invoice_id: UUID
    invoice_number: str | None
    number: str
    currency: str
    net: Money
    tax_total: Money
    total_amount: Money
    reason: str
    issued_at: Time
    issued_by: str

    @classmethod
    def summary(cls, note: money_ports.CreditNote) -> "CreditNoteHead":
        return CreditNoteHead(**_head(note))


class CreditNote(CreditNoteHead):
    """`document` is what it says, and never changes."""

    document: InvoiceDocument

    @classmethod
    def of(cls, note: money_ports.CreditNote) -> Self:
        return cls(**_head(note), document=InvoiceDocument.of(note.document))


class CreditNoteList(Page[CreditNoteHead]):
    """In the order in which they were issued."""


class CreditedInvoice(Answer):
    """A credit note, and its invoice as it is since."""

    credit_note: CreditNote
    invoice: InvoiceHead


class CreditNotePreview(Answer):
    """What the credit note would say, without a number; nothing is kept."""

    document: InvoiceDocument


def _head(note: money_ports.CreditNote) -> dict[str, Any]:
    document = note.document
    return {
        "id": note.id,
        "tenant_id": note.tenant_id,
        "tenant": document.tenant_slug,
        "invoice_id": note.invoice_id,
        "invoice_number": document.corrects,
        "number": document.number,
        "currency": document.currency,
        "net": document.net,
        "tax_total": document.tax_total,
        "total_amount": document.total,
        "reason": note.reason,
        "issued_at": document.issued_at,
        "issued_by": note.issued_by,
    }
