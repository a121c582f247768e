"""What payments, credits and credit notes need from outside, and what is kept of them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from shared.domain.events import Fact
from shared.domain.invoicing.credits import CreditUse, Grant
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.invoice import Invoice
from shared.domain.invoicing.numbers import Counter
from shared.domain.invoicing.parties import BillingEntity
from shared.domain.invoicing.party_change import PartyChange
from shared.domain.invoicing.postings import Account, Posting
from shared.service.invoicing.invoice_ports import StoredInvoice

UseKind = Literal["applied", "returned", "expired", "refunded", "withdrawn"]
"""`applied` and `returned` are about an invoice, the others are not."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came for an invoice at `received_at`; `refunded` of it was given back since."""

    id: UUID
    invoice_id: UUID
    currency: str
    amount: Decimal
    received_at: datetime
    recorded_at: datetime
    recorded_by: str
    method: str
    reference: str
    idempotency_key: str | None
    refunded: Decimal


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that was given back: of a payment or of a credit grant, the other is None."""

    id: UUID
    payment_id: UUID | None
    grant_id: UUID | None
    currency: str
    amount: Decimal
    refunded_at: datetime
    refunded_by: str
    reason: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A credit note as it was issued: `document` says everything, and never changes."""

    id: UUID
    tenant_id: UUID
    invoice_id: UUID
    billing_entity_id: UUID
    document: InvoiceDocument
    reason: str
    issued_by: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """`amount` was granted, `grant` says what remains of it. `invoice_id` is the invoice that was below zero,
    or the one that was credited."""

    grant: Grant
    amount: Decimal
    created_by: str
    invoice_id: UUID | None


class InvoiceCredits(NamedTuple):
    """What an invoice used, in the order in which it did, and what of it was returned, by grant."""

    uses: Sequence[CreditUse]
    returned: Mapping[UUID, Decimal]


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting as it stands in the books; `source_id` is what it is about."""

    id: UUID
    at: datetime
    source_id: UUID
    invoice_id: UUID | None
    posting: Posting


class Balance(NamedTuple):
    """What an account of a tenant comes to: debits are positive, credits negative."""

    account: Account
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A page of postings, the newest first, and the balances over all of them."""

    balances: Sequence[Balance]
    postings: Sequence[Posted]


class Book(Protocol):
    """The books of a tenant in one transaction: all of it is kept or nothing."""

    def refund_with_key(self, idempotency_key: str) -> Refund | None: ...

    def add_refund(self, refund: Refund) -> None:
        """Raises Conflict where the key was used for another."""

    def use(self, uses: Sequence[CreditUse], kind: UseKind, at: datetime) -> Sequence[UUID]:
        """Note what became of credit grants; the ids of these uses, in their order."""

    def post(self, posting: Posting, source_id: UUID, at: datetime) -> None:
        """Nothing where it moves nothing."""


class CreditBook(Book, Protocol):
    """The credit of a tenant, which nobody else uses until the block of `MoneyStore.crediting` ends."""

    def grants(self) -> Sequence[Grant]:
        """Those of which something remains."""

    def grant(self, grant_id: UUID) -> CreditGrant | None: ...

    def add_grant(self, grant: Grant, who: str) -> bool:
        """False where there is a grant of that id."""


class InvoiceBook(Book, Protocol):
    """An invoice and its money, which nobody else changes until the block of `MoneyStore.opened` ends."""

    @property
    def stored(self) -> StoredInvoice:
        """As it is by now."""

    def payment(self, payment_id: UUID) -> Payment | None: ...

    def payment_with_key(self, idempotency_key: str) -> Payment | None:
        """Of any invoice of the tenant."""

    def add_payment(self, payment: Payment) -> None:
        """Raises Conflict where the key was used for another."""

    def notes(self) -> Sequence[CreditNote]:
        """Those of the invoice, in the order in which they were issued."""

    def note_with_key(self, idempotency_key: str) -> CreditNote | None:
        """Of any invoice of the tenant."""

    def seller(self) -> BillingEntity:
        """Who issued the invoice, as it is today."""

    def take_number(self, counter: Counter) -> int: ...

    def add_note(self, note: CreditNote, counter: Counter, number: int) -> None:
        """Raises Conflict where the key was used for another."""

    def credits(self) -> InvoiceCredits:
        """Nobody uses any of it meanwhile."""

    def granted(self) -> Sequence[CreditGrant]:
        """What the invoice carried over as credit; nobody uses it meanwhile."""

    def add_grant(self, grant: Grant, who: str) -> None:
        """Credit that the invoice leaves."""

    def postings(self) -> Sequence[Posting]:
        """All that was posted for the invoice."""

    def settle(self, invoice: Invoice, at: datetime, reason: str | None = None) -> None:
        """What became of the invoice; `reason` is why it is void."""

    def later(self) -> str | None:
        """The number of the next final invoice of any tenant whose usage this one is about."""

    def reopen(self) -> None:
        """Have the periods of the invoice be closed again."""

    def announce(self, fact: Fact) -> None:
        """Leave the fact in the outbox."""

    def note(self, change: PartyChange) -> None:
        """Keep, for ever, who changed what."""


class MoneyStore(Protocol):
    def opened(
        self, tenant_id: UUID, invoice_ref: str, *, is_closing: bool = False
    ) -> AbstractContextManager[InvoiceBook]:
        """An invoice by UUID or number; `is_closing` keeps the tenant's periods from being closed meanwhile.
        Raises NotFound."""

    def crediting(self, tenant_id: UUID) -> AbstractContextManager[CreditBook]: ...

    def payment(self, tenant_id: UUID, payment_id: UUID) -> Payment | None: ...

    def payments(self, tenant_id: UUID, invoice_ref: str) -> Sequence[Payment]:
        """Those of an invoice, the oldest first. Raises NotFound."""

    def refunds(self, tenant_id: UUID, invoice_ref: str) -> Sequence[Refund]:
        """Those of an invoice's payments, the oldest first. Raises NotFound."""

    def grants(self, tenant_id: UUID, *, limit: int, after: UUID | None) -> Sequence[CreditGrant]:
        """In order of id, from the one behind `after`; those that are used up, too."""

    def lapsed(self, at: datetime) -> Sequence[UUID]:
        """The tenants with credit that has expired unused."""

    def find_note(self, tenant_id: UUID | None, ref: str) -> CreditNote | None:
        """By UUID or number."""

    def notes(
        self, tenant_id: UUID | None, invoice_ref: str | None, *, limit: int, after: UUID | None
    ) -> Sequence[CreditNote]:
        """In order of id, from the one behind `after`; of all tenants, and all invoices, where none is
        named."""

    def statement(self, tenant_id: UUID, *, limit: int, before: UUID | None) -> Statement: ...
