"""What invoices need from outside."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.events import InvoiceFact
from shared.domain.invoicing.basis import Basis
from shared.domain.invoicing.credits import CreditUse, Grant
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.holds import Hold, Override
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.lines import InvoiceLine
from shared.domain.invoicing.numbers import Counter
from shared.domain.invoicing.parties import (
    CALENDAR_MONTHS,
    GRACE_S,
    BillingDetails,
    BillingEntity,
    Organisation,
    TaxRate,
)
from shared.domain.invoicing.postings import Posting
from shared.domain.period import Period
from shared.domain.plan import Subscription
from shared.domain.tenant import Tenant
from shared.service.explain import SeriesTotals


@dataclass(frozen=True, slots=True)
class StoredInvoice:
    """An invoice with all that is kept of it.

    `rated_sequence` is that of the tenant's usage when it was rated, at `rated_at`; `basis` is what by.
    `overrides` are the oldest first.
    """

    invoice: Invoice
    document: InvoiceDocument
    lines: tuple[InvoiceLine, ...]
    basis: Basis | None
    billing_entity_id: UUID | None
    organisation_id: UUID | None
    rated_sequence: int
    rated_at: datetime
    created_at: datetime
    overrides: tuple[Override, ...] = ()
    void_reason: str | None = None


class ClosedUntil(NamedTuple):
    """Everything before `at` is closed; usage up to `sequence` was counted for it."""

    at: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class Billed:
    """A tenant whose usage goes on an invoice, as it is now; `closed` is None where nothing was closed yet,
    `sequence` that of its usage, `first_used` the start of its first window."""

    tenant: Tenant
    subscriptions: tuple[Subscription, ...]
    closed: ClosedUntil | None
    sequence: int
    first_used: datetime | None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.tenant.timezone)


@dataclass(frozen=True, slots=True)
class Account:
    """Who gets an invoice and from whom, and whose usage is on it: `members`, the payer first.

    Without details, or a seller, there may be a draft, and no invoice. `organisation` is the one whose
    invoice it is.
    """

    payer: Billed
    members: tuple[Billed, ...]
    details: BillingDetails | None
    seller: BillingEntity | None
    organisation: Organisation | None
    tax_rates: tuple[TaxRate, ...]

    @property
    def tenant(self) -> Tenant:
        return self.payer.tenant

    @property
    def cycle(self) -> BillingCycle:
        return CALENDAR_MONTHS if self.details is None else self.details.cycle

    @property
    def zero_invoices(self) -> bool:
        return self.details is not None and self.details.zero_invoices

    @property
    def grace_s(self) -> int:
        return GRACE_S if self.seller is None else self.seller.grace_s

    @property
    def closed(self) -> Mapping[UUID, ClosedUntil]:
        return {one.tenant.id: one.closed for one in self.members if one.closed is not None}


class DraftRef(NamedTuple):
    id: UUID
    period: Period
    created_at: datetime
    rated_at: datetime
    rated_sequence: int


class ClosedInvoice(NamedTuple):
    """What of a tenant's usage is on a final invoice, perhaps that of another."""

    period: Period
    payer_id: UUID
    invoice_id: UUID
    number: str


class Candidate(NamedTuple):
    """A tenant that gets invoices, and what tells whether one is due.

    `since` is when its next period begins or began; `draft_until` and `draft_rated_at` are of the draft that
    begins then, or of the first there is, where nothing was ever closed.
    """

    tenant_id: UUID
    since: datetime
    is_closed: bool
    timezone: str
    cycle: BillingCycle
    grace_s: int
    plan_ends_at: datetime | None
    draft_until: datetime | None
    draft_rated_at: datetime | None


class InvoiceView(SeriesTotals, Protocol):
    """One snapshot of everything."""

    def account(self, tenant_id: UUID) -> Account:
        """Raises Conflict for a tenant that another of its organisation pays for."""

    def used_from(self, tenant_id: UUID, instant: datetime) -> datetime | None:
        """The start of the tenant's first window from then on."""

    def changed_days(self, tenant_id: UUID, sequence: int) -> Sequence[date]:
        """The UTC days whose windows changed since."""

    def closed_invoices(self, tenant_id: UUID) -> Sequence[ClosedInvoice]:
        """What was invoiced of the tenant's usage, in order of time."""

    def unrated(self, tenant_id: UUID) -> Sequence[Period]:
        """The times of which final invoices say that the tenant's usage had no plan."""

    def basis(self, payer_id: UUID, invoice_id: UUID) -> Basis:
        """Of a final invoice."""

    def charged(self, tenant_id: UUID, period: Period) -> Sequence[InvoiceLine]:
        """All that final invoices have charged for the tenant's usage of the period."""

    def draft_from(self, tenant_id: UUID, start: datetime) -> DraftRef | None:
        """The tenant's draft whose period begins then."""

    def load(self, tenant_id: UUID, invoice_id: UUID) -> StoredInvoice | None: ...

    def grants(self, tenant_id: UUID) -> Sequence[Grant]: ...

    def holds(self, tenant_ids: Iterable[UUID], period: Period, until: datetime) -> Sequence[Hold]:
        """What is wrong with usage of the period, and with what came from its start until then."""


class InvoiceBook(Protocol):
    """One transaction that writes invoices, alone at their tenants; of use in the order of its methods."""

    def draft_from(self, tenant_id: UUID, start: datetime) -> DraftRef | None: ...

    def load(self, tenant_id: UUID, invoice_id: UUID) -> StoredInvoice | None:
        """Locked."""

    def holds(self, tenant_ids: Iterable[UUID], period: Period, until: datetime) -> Sequence[Hold]: ...

    def add_override(self, tenant_id: UUID, invoice_id: UUID, override: Override) -> None: ...

    def grants(self, tenant_id: UUID) -> Sequence[Grant]:
        """Locked."""

    def take_number(self, counter: Counter) -> int:
        """Nobody else gets one of this counter until the transaction ends."""

    def put_draft(self, draft: StoredInvoice) -> None:
        """In the place of any other draft that is about the same time."""

    def discard(self, tenant_id: UUID, invoice_id: UUID) -> None: ...

    def finalise(self, invoice: Invoice, counter: Counter, number: int, at: datetime) -> None:
        """The draft, written as it is to stay, is the invoice that has this number."""

    def use(self, tenant_id: UUID, uses: Sequence[CreditUse], at: datetime, invoice_id: UUID) -> None: ...

    def grant(self, tenant_id: UUID, grant: Grant, amount: Decimal, who: str, invoice_id: UUID) -> None: ...

    def post(self, tenant_id: UUID, posting: Posting, at: datetime, invoice_id: UUID) -> None: ...

    def move(self, tenant_id: UUID, until: ClosedUntil) -> None:
        """Close up to there; never back."""

    def announce(self, fact: InvoiceFact) -> None: ...


class InvoiceStore(Protocol):
    def view(self) -> AbstractContextManager[InvoiceView]: ...

    def changing(
        self, account: Account, invoice_id: UUID, period: Period
    ) -> AbstractContextManager[InvoiceBook]:
        """Raises Overtaken where more, or less, is closed than the account says; Conflict where the period is
        on another invoice."""

    def candidates(self) -> Sequence[Candidate]:
        """Every tenant that gets invoices and may have something to pay for."""

    def find(self, tenant_id: UUID | None, ref: str) -> StoredInvoice | None:
        """By UUID or number. Raises Conflict where several sellers have given out the number."""

    def list(
        self, tenant_id: UUID | None, status: Status | None, *, limit: int, after: UUID | None
    ) -> Sequence[StoredInvoice]:
        """In order of id, from the one behind `after`."""


class Overtaken(Exception):
    """Somebody else closed or reopened a period meanwhile: look again."""
