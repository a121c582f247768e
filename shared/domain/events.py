"""The facts that services announce. `eventing` turns each into a CloudEvent when the outbox is sent."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UsageAggregated:
    """A tenant's windows changed. It says that they did, not by how much: read the state.

    `sequence` grows with every change of the tenant's windows, so that an older announcement can be
    dropped; several changes may be announced at once.
    `changed_from` and `changed_until` (UTC, half-open) span every window touched since the last one.
    """

    tenant_id: UUID
    tenant_slug: str
    sequence: int
    changed_from: datetime
    changed_until: datetime
    as_of: datetime


@dataclass(frozen=True, slots=True)
class CostAccrued:
    """The cost of a counting period so far, in place of any earlier figure for the same period."""

    tenant_id: UUID
    tenant_slug: str
    sequence: int
    period_start: datetime
    period_end: datetime
    currency: str
    amount: Decimal
    plan: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class _InvoiceFact:
    """An invoice, as it is at `as_of`; a draft has no number and no date on which it is due: "" and None.

    `net` + `tax_total`, and what is carried over, is `total`; `amount_due` is what is owed of it.
    """

    tenant_id: UUID
    tenant_slug: str
    invoice_id: UUID
    number: str
    period_start: datetime
    period_end: datetime
    currency: str
    net: Decimal
    tax_total: Decimal
    total: Decimal
    amount_due: Decimal
    due_at: datetime | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class InvoiceDrafted(_InvoiceFact):
    """There is a draft. It may come to something else when it is final."""


@dataclass(frozen=True, slots=True)
class InvoiceFinalized(_InvoiceFact):
    """An invoice has its number, and never changes again."""


@dataclass(frozen=True, slots=True)
class InvoicePaid(_InvoiceFact):
    """Nothing is due any more."""


InvoiceFact = InvoiceDrafted | InvoiceFinalized | InvoicePaid
Fact = UsageAggregated | CostAccrued | InvoiceFact
