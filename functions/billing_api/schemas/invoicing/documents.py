"""What invoices and credit notes say, on the wire: as it was frozen, keys in the order of the alphabet."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from functions.billing_api.schemas.common import Answer, DecimalText
from shared.domain.invoicing import document as domain

_INSTANT: Final = Field(json_schema_extra={"format": "date-time"})
InstantText = Annotated[str, _INSTANT]
"""RFC 3339, in UTC."""


def file_answer(media_type: str, said: str) -> dict[str, Any]:
    """What a route says of a file that it answers with."""
    schema = {"type": "string", "format": "binary"}
    name = {"schema": {"type": "string"}, "description": "Names the file by the document's number."}
    return {
        "description": said,
        "headers": {"Content-Disposition": name},
        "content": {media_type: {"schema": schema}},
    }


class DocumentPeriod(Answer):
    """Half-open."""

    end: InstantText
    start: InstantText


class DocumentParty(Answer):
    """The seller or the buyer. `tax_ids` are pairs of what the number is called and the number."""

    address: list[str]
    email: str
    name: str
    tax_ids: list[tuple[str, str]]


class DocumentShare(Answer):
    """What of a line falls to a service and its revision; "" to the account itself."""

    amount: DecimalText
    label: str
    quantity: str


class DocumentLine(Answer):
    """`quantity` units beyond `included` at `unit_amount` for every `per`, and `flat_amount` in fees.

    What is given back is negative. `section` is the tenant that it is for, "" where there is only one;
    `adjusts` the number of the invoice that an adjustment corrects; `tax` the names of its tax rates. The
    shares sum to `amount`.
    """

    adjusts: str | None
    amount: DecimalText
    description: str
    flat_amount: DecimalText
    id: str
    included: DecimalText
    kind: Literal["usage", "adjustment", "carried_over"]
    per: DecimalText
    period: DocumentPeriod
    quantity: DecimalText
    section: str
    shares: list[DocumentShare]
    tax: list[str]
    unit: str
    unit_amount: DecimalText


class DocumentTax(Answer):
    """One tax rate over the whole document; an inclusive one is contained in `base`."""

    amount: DecimalText
    base: DecimalText
    inclusive: bool
    name: str
    percent: DecimalText


class DocumentFreeTier(Answer):
    """What of a meter was free in a counting period: `used` + `remaining` = `included`."""

    included: DecimalText
    meter: str
    period: DocumentPeriod
    remaining: DecimalText
    unit: str
    used: DecimalText


class DocumentCredit(Answer):
    """What a credit of the tenant pays of the total."""

    amount: DecimalText
    description: str
    kind: str


class InvoiceDocument(Answer):
    """Everything that an invoice or a credit note says. Of a final one not a byte ever changes.

    `net` + `tax_total` + what is carried over = `total`; `total` less `credits` = `amount_due` at issue. A
    draft has no number and no date on which it is due: "" and null. A credit note `corrects` the invoice of
    that number, and its amounts are what is credited.
    """

    amount_due: DecimalText
    buyer: DocumentParty
    corrects: str | None
    credits: list[DocumentCredit]
    currency: str
    due_at: InstantText | None
    exempt_reason: str | None
    free_tier: list[DocumentFreeTier]
    issued_at: InstantText
    kind: Literal["invoice", "credit_note"]
    language: str
    lines: list[DocumentLine]
    net: DecimalText
    notes: list[str]
    number: str
    period: DocumentPeriod
    seller: DocumentParty
    seller_bank_details: list[str]
    status_at_issue: Literal["draft", "final"]
    tax_total: DecimalText
    taxes: list[DocumentTax]
    tenant_slug: str
    timezone: str
    total: DecimalText

    @classmethod
    def of(cls, document: domain.InvoiceDocument) -> Self:
        return cls.model_validate(document.to_dict())
