"""Who is party to an invoice: the seller, the organisations of buyers, and what a buyer is billed by."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from shared.domain.errors import Fault, Rejected
from shared.domain.invoicing.cycle import BillingCycle

Language = Literal["en", "ru"]
Invoicing = Literal["children", "parent"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "ru")
INTERVALS: Final[tuple[Literal["month", "week"], ...]] = ("month", "week")
CHILDREN: Final[Invoicing] = "children"
PARENT: Final[Invoicing] = "parent"
INVOICING: Final = (CHILDREN, PARENT)
PERCENT_MAX: Final = 100
GRACE_S: Final = 3_600
PAYMENT_TERMS_DAYS: Final = 14
CALENDAR_MONTHS: Final = BillingCycle()

TaxIds = tuple[tuple[str, str], ...]
"""Names and values, such as ("VAT", "DE123456789")."""


@dataclass(frozen=True, slots=True)
class BillingEntity:
    """A seller, who numbers its invoices by the years of `timezone`.

    Drafts become final `grace_s` after the end of their period, and are due `payment_terms_days` after
    that. `country` has the shape of ISO 3166-1 alpha-2.
    """

    id: UUID
    name: str
    legal_name: str
    address: tuple[str, ...]
    tax_ids: TaxIds
    country: str
    timezone: str
    invoice_prefix: str
    credit_note_prefix: str
    grace_s: int
    payment_terms_days: int
    bank_details: tuple[str, ...]
    email: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Organisation:
    """Tenants of one currency that belong together.

    With `invoicing` "children" each is invoiced for itself; with "parent" all are on one invoice, to
    `payer_tenant_id`, one of them, by its billing details. The currency never changes.
    """

    id: UUID
    slug: str
    name: str
    currency: str
    invoicing: Invoicing
    created_at: datetime
    payer_tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class BillingDetails:
    """The buyer that a tenant is, and how it is invoiced.

    Without `billing_entity_id` the only billing entity there is sells to it. With `tax_exempt_reason`, which
    its invoices state, it pays no tax; `zero_invoices` asks for invoices of nothing, too.
    """

    tenant_id: UUID
    billing_entity_id: UUID | None
    legal_name: str
    address: tuple[str, ...]
    tax_ids: TaxIds
    email: str
    language: Language = "en"
    cycle: BillingCycle = CALENDAR_MONTHS
    zero_invoices: bool = False
    tax_exempt_reason: str | None = None
    organisation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax on what a tenant is charged in [valid_from, valid_until), of `percent` of it: on top of the
    prices, or `inclusive` in them. None: no bound.

    Rates of one name never overlap. Raises Rejected with every fault.
    """

    id: UUID
    tenant_id: UUID
    name: str
    percent: Decimal
    inclusive: bool
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        faults = []
        if not 0 <= self.percent <= PERCENT_MAX:
            faults.append(Fault("percent", f"must be from 0 to {PERCENT_MAX}"))
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            faults.append(Fault("valid_until", "must be after valid_from"))
        if faults:
            raise Rejected(*faults)

    def is_valid(self, instant: datetime) -> bool:
        return (self.valid_from is None or self.valid_from <= instant) and (
            self.valid_until is None or instant < self.valid_until
        )
