"""Invoices on the wire: what they say, and what became of them beside it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    Input,
    Instant,
    Money,
    Page,
    PageQuery,
    TenantRef,
    Text,
    Time,
)
from functions.billing_api.schemas.invoicing.documents import DocumentLine, InvoiceDocument
from shared.domain import money
from shared.domain.invoicing import holds, settlement
from shared.domain.invoicing.holds import HoldReason
from shared.domain.invoicing.invoice import Status
from shared.service.invoicing.invoice_ports import StoredInvoice
from shared.service.invoicing.invoices import Overriding


class InvoicePath(Input):
    invoice: Annotated[Text, Field(description="The invoice's UUID or number.")]


class InvoiceQuery(PageQuery):
    tenant_id: TenantRef | None = None
    status: Status | None = None


class GenerateRequest(Input):
    """Whose draft to make, and of which period: the next that is due where none is given, else the running
    one."""

    tenant_id: TenantRef
    period_start: Instant | None = None
    period_end: Instant | None = None


class OverrideRequest(Input):
    """Somebody answers for it that these reasons do not hold the invoice back."""

    reasons: Annotated[list[HoldReason], Field(min_length=1)]
    why: Text

    @property
    def overriding(self) -> Overriding:
        return Overriding(frozenset(self.reasons), self.why)


class FinalizeRequest(Input):
    override: OverrideRequest | None = None


class RateRequest(Input):
    """An empty object: there is nothing to say."""


class InvoiceHead(Answer):
    """`number`, `issued_at` and `due_at` are null in a draft. `amount_due` is what is owed now; it is
    `overdue` where that should have come by now."""

    id: UUID
    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    number: str | None
    status: Status
    overdue: bool
    period_start: Time
    period_end: Time
    currency: str
    total_amount: Money
    amount_due: Money
    issued_at: Time | None
    due_at: Time | None
    created_at: Time

    @classmethod
    def summary(cls, stored: StoredInvoice, now: datetime) -> "InvoiceHead":
        return InvoiceHead(**head(stored, now))


class InvoiceList(Page[InvoiceHead]):
    """Invoices, drafts too, in the order they were made."""


class Settlement(Answer):
    """Of `total`, what credits paid when it was issued, what was paid since, what credit notes took off what
    was due, and what was written off; `due` is left.

    The rest of credit notes lies on what was no more due: `refundable` had been paid, `returned` was credit
    before, and is again.
    """

    total: Money
    credits_applied: Money
    paid: Money
    credited: Money
    refundable: Money
    returned: Money
    written_off: Money
    due: Money

    @classmethod
    def of(cls, settled: settlement.Settlement) -> Self:
        return cls(
            total=settled.total,
            credits_applied=settled.applied,
            paid=settled.paid,
            credited=settled.credited,
            refundable=settled.refundable,
            returned=settled.returned,
            written_off=settled.written_off,
            due=settled.due,
        )


class Override(Answer):
    """Who answers for it, and why, that these reasons did not hold the invoice back."""

    who: str
    why: str
    reasons: list[HoldReason]
    at: Time

    @classmethod
    def of(cls, override: holds.Override) -> Self:
        return cls(who=override.who, why=override.why, reasons=sorted(override.reasons), at=override.at)


class Invoice(InvoiceHead):
    """`document` is what the invoice says: of a final one not a byte of it ever changes. Beside it stands
    what became of it; `settlement` is null in a draft."""

    rated_at: Time
    billing_entity_id: UUID | None
    organisation_id: UUID | None
    overrides: list[Override]
    void_reason: str | None
    settlement: Settlement | None
    document: InvoiceDocument

    @classmethod
    def of(cls, stored: StoredInvoice, now: datetime) -> Self:
        return cls(**_fields(stored, now))


class GeneratedInvoice(Invoice):
    """A draft. `line_items` are the lines of its document."""

    line_items: list[DocumentLine]

    @classmethod
    def of(cls, stored: StoredInvoice, now: datetime) -> Self:
        fields = _fields(stored, now)
        return cls(**fields, line_items=fields["document"].lines)


class Hold(Answer):
    """A reason to hold a draft back, how many times there is one, and what to do about it."""

    reason: HoldReason
    count: int
    message: str
    way_out: str
    overridable: bool
    overridden: bool

    @classmethod
    def of(cls, hold: holds.Hold, overridden: frozenset[HoldReason]) -> Self:
        return cls(
            reason=hold.reason,
            count=hold.count,
            message=hold.message,
            way_out=hold.way_out,
            overridable=hold.reason.is_overridable,
            overridden=hold.reason in overridden,
        )


class HoldList(Page[Hold]):
    """All that hold the invoice back now, and what of it is overridden; nothing in a final one."""

    @classmethod
    def of(cls, found: Iterable[holds.Hold], overrides: Iterable[holds.Override]) -> Self:
        overridden = frozenset(reason for override in overrides for reason in override.reasons)
        return cls(items=[Hold.of(hold, overridden) for hold in found], next_cursor=None)


def head(stored: StoredInvoice, now: datetime) -> dict[str, Any]:
    """The fields of InvoiceHead."""
    invoice, document = stored.invoice, stored.document
    return {
        "id": invoice.id,
        "tenant_id": invoice.tenant_id,
        "tenant": document.tenant_slug,
        "number": invoice.number,
        "status": invoice.status,
        "overdue": invoice.is_overdue(now),
        "period_start": invoice.period.start,
        "period_end": invoice.period.end,
        "currency": invoice.currency,
        "total_amount": document.total,
        "amount_due": money.total((invoice.due,), invoice.currency),
        "issued_at": invoice.issued_at,
        "due_at": invoice.due_at,
        "created_at": stored.created_at,
    }


def _fields(stored: StoredInvoice, now: datetime) -> dict[str, Any]:
    """The fields of Invoice."""
    settled = stored.invoice.settlement
    return {
        **head(stored, now),
        "rated_at": stored.rated_at,
        "billing_entity_id": stored.billing_entity_id,
        "organisation_id": stored.organisation_id,
        "overrides": [Override.of(override) for override in stored.overrides],
        "void_reason": stored.void_reason,
        "settlement": None if settled is None else Settlement.of(settled),
        "document": InvoiceDocument.of(stored.document),
    }
