"""Explanations of invoices on the wire."""

from typing import Self
from uuid import UUID

from functions.billing_api.schemas.common import Answer
from functions.billing_api.schemas.explain import ExplainedLine
from functions.billing_api.schemas.invoicing.documents import DocumentLine
from shared.domain.invoicing.encoding import encode
from shared.domain.invoicing.invoice import Status
from shared.service.invoicing import explained


class ExplainedInvoiceLine(Answer):
    """A line as the invoice states it, and `now`: as the usage that there is now makes it, by the plans and
    the time zone that were frozen with the invoice. Null for a line that is about another period.

    Where usage changed since, `changed` is true: the next invoice adjusts it.
    """

    line: DocumentLine
    now: ExplainedLine | None
    changed: bool

    @classmethod
    def of(cls, one: explained.LineExplained) -> Self:
        line = DocumentLine.model_validate(encode(one.line))
        return cls(
            line=line,
            now=None if one.now is None else ExplainedLine.explained(one.now),
            changed=one.now is not None and one.now.line.amount != one.line.amount,
        )


class InvoiceAdjustment(Answer):
    """A line of another invoice that corrects this one. `of_line` is the id of the line here that is about
    the same, null where usage came that nothing was charged for."""

    invoice_id: UUID
    invoice_number: str | None
    invoice_status: Status
    of_line: str | None
    line: DocumentLine

    @classmethod
    def of(cls, adjustment: explained.Adjustment) -> Self:
        invoice = adjustment.invoice.invoice
        return cls(
            invoice_id=invoice.id,
            invoice_number=invoice.number,
            invoice_status=invoice.status,
            of_line=adjustment.of_line,
            line=DocumentLine.model_validate(encode(adjustment.line)),
        )


class ExplainedInvoice(Answer):
    """Each line of an invoice with what it is made of, and every adjustment of it on other invoices."""

    id: UUID
    number: str | None
    status: Status
    currency: str
    lines: list[ExplainedInvoiceLine]
    adjustments: list[InvoiceAdjustment]

    @classmethod
    def of(cls, explanation: explained.InvoiceExplained) -> Self:
        invoice = explanation.invoice.invoice
        return cls(
            id=invoice.id,
            number=invoice.number,
            status=invoice.status,
            currency=invoice.currency,
            lines=[ExplainedInvoiceLine.of(one) for one in explanation.lines],
            adjustments=[InvoiceAdjustment.of(one) for one in explanation.adjustments],
        )
