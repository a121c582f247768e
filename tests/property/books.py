"""The books of one tenant, in memory: periods that are closed, corrected, credited and paid."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from shared.domain.errors import Conflict
from shared.domain.invoicing import postings
from shared.domain.invoicing.adjustments import Closed, adjustment_lines
from shared.domain.invoicing.assembly import Assembled, assemble
from shared.domain.invoicing.credit_notes import Heading, Wanted, credit_note
from shared.domain.invoicing.credits import CreditUse, Grant, GrantKind, give_back, lapsed
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.lines import InvoiceLine, LineKey
from shared.domain.invoicing.postings import Account, Posting
from shared.domain.invoicing.taxes import Rates
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.period import Period
from tests.shared.domain.invoicing import made

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Rating = Mapping[str, Decimal]
"""What a period truly costs, by price."""


@dataclass
class Kept:
    """An invoice and all that belongs to it."""

    index: int
    rates: Rates
    invoice: Invoice
    assembled: Assembled
    rated_before: Mapping[int, Rating]
    posted: list[Posting] = field(default_factory=list)
    notes: list[InvoiceDocument] = field(default_factory=list)
    returned: dict[UUID, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    carried_to: UUID | None = None
    """The grant that it made, since it came to less than nothing."""

    @property
    def document(self) -> InvoiceDocument:
        return self.assembled.document

    @property
    def closed(self) -> Closed:
        return Closed(period_of(self.index), self.rates, self.invoice.id, self.invoice.number)


@dataclass
class Books:
    currency: str
    true: dict[int, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    rated: Mapping[int, Rating] = field(default_factory=dict)
    """Each closed period as it was rated last."""
    invoices: list[Kept] = field(default_factory=list)
    grants: dict[UUID, Grant] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)
    numbers: int = 0

    @property
    def standing(self) -> list[Kept]:
        return [kept for kept in self.invoices if kept.invoice.status is not Status.VOID]

    @property
    def now(self) -> datetime:
        return period_of(len(self.standing)).end

    def amount(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-CURRENCY_EXPONENTS[self.currency])

    def balance(self, account: Account) -> Decimal:
        entries = (entry for posting in self.postings for entry in posting.entries)
        return sum((entry.amount for entry in entries if entry.account is account), Decimal(0))

    def charged(self, index: int) -> list[InvoiceLine]:
        """Everything charged for a period so far."""
        (of,) = (kept.invoice.id for kept in self.standing if kept.index == index)
        return [
            line
            for kept in self.standing
            for line in kept.assembled.lines
            if line.key is not None and (line.adjusts or kept.invoice.id) == of
        ]

    def close(self, rates: Rates) -> None:
        """The next period's invoice, with what became of the earlier ones."""
        index, id = len(self.standing), self._id()
        lines = list(self._lines(index, rates, id))
        for kept in self.standing:
            rated = self._lines(kept.index, kept.rates, kept.invoice.id)
            charged = self.charged(kept.index)
            lines += adjustment_lines(id, kept.closed, charged, list(rated), self.currency)
        heading = made.heading(
            currency=self.currency, number=f"INV-{id.int}", invoice_id=id, issued_at=period_of(index).end
        )
        assembled = assemble(replace(heading, period=period_of(index)), lines, grants=self.grants.values())
        draft = Invoice(id, made.TENANT, period_of(index), self.currency)
        kept = Kept(index, rates, draft.finalise(assembled.document), assembled, self.rated)
        self.rated = {at: dict(self.true[at]) for at in range(index + 1)}
        self.invoices.append(kept)
        self._post(postings.issued(assembled.document), kept)
        for use in assembled.uses:
            self._take(use)
            self._post(postings.applied(use.amount, self.currency), kept)
        if assembled.carried_over:
            kept.carried_to = self._grant("carried_over", assembled.carried_over)

    def grant(self, kind: GrantKind, amount: Decimal, priority: int, days: int | None) -> None:
        self._grant(kind, amount, priority, days)
        self._post(postings.granted(kind, amount, self.currency))

    def expire(self) -> None:
        for use in lapsed(self.grants.values(), self.now):
            self._take(use)
            self._post(postings.expired(use.grant.kind, use.amount, self.currency))

    def pay(self, kept: Kept, amount: Decimal) -> None:
        kept.invoice = kept.invoice.pay(amount)
        self._post(postings.paid(amount, self.currency))

    def take_back(self, kept: Kept, amount: Decimal) -> None:
        kept.invoice = kept.invoice.take_back(amount)
        self._post(postings.payment_refunded(amount, self.currency))

    def write_off(self, kept: Kept) -> None:
        amount = kept.invoice.due
        kept.invoice = kept.invoice.write_off()
        self._post(postings.written_off(amount, self.currency))

    def credit(self, kept: Kept, wanted: list[Wanted] | None) -> None:
        heading = Heading(f"CN-{self._id().int}", self.now, "Goodwill")
        note = credit_note(kept.document, kept.notes, wanted, heading)
        before, after = kept.invoice.settlement, kept.invoice.credit(note.total)
        assert before is not None
        assert after.settlement is not None
        kept.invoice = after
        kept.notes.append(note)
        self._post(postings.credited(note, before, after.settlement))
        if refundable := after.settlement.refundable - before.refundable:
            self._grant("credit_note", refundable)
        self._return(kept, after.settlement.returned - before.returned)

    def void(self, kept: Kept) -> None:
        later = next((one.invoice.number for one in self.standing if one.index > kept.index), None)
        void = kept.invoice.void(later)
        if kept.carried_to is not None:
            self._withdraw(self.grants[kept.carried_to], kept.assembled.carried_over)
        kept.invoice = void
        self._post(postings.reversed_by_void(kept.posted, self.currency))
        self._return(kept, sum((use.amount for use in kept.assembled.uses), Decimal(0)))
        # Its adjustments are void, too: its period is to be closed again, and they are to be made again.
        self.rated = kept.rated_before

    def _lines(self, index: int, rates: Rates, invoice_id: UUID) -> Iterable[InvoiceLine]:
        for price, amount in self.true[index].items():
            line = made.line(amount, rates, price, invoice_id)
            key = LineKey(made.TENANT, period_of(index), made.PLAN, 1, price, "", "")
            yield replace(line, key=key)

    def _return(self, kept: Kept, amount: Decimal) -> None:
        for use in give_back(kept.assembled.uses, amount, kept.returned):
            kept.returned[use.grant.id] += use.amount
            held = self.grants[use.grant.id]
            self.grants[held.id] = replace(held, remaining=held.remaining + use.amount)

    def _take(self, use: CreditUse) -> None:
        held = self.grants[use.grant.id]
        self.grants[held.id] = replace(held, remaining=held.remaining - use.amount)

    def _grant(self, kind: GrantKind, amount: Decimal, priority: int = 0, days: int | None = None) -> UUID:
        id = self._id()
        expires_at = None if days is None else self.now + days * DAY
        self.grants[id] = Grant(id, kind, kind, self.currency, amount, priority, self.now, expires_at)
        return id

    def _withdraw(self, grant: Grant, amount: Decimal) -> None:
        if grant.remaining != amount:
            raise Conflict.because("credit", "is used")
        self.grants[grant.id] = replace(grant, remaining=Decimal(0))

    def _post(self, posting: Posting, kept: Kept | None = None) -> None:
        self.postings.append(posting)
        if kept is not None:
            kept.posted.append(posting)

    def _id(self) -> UUID:
        self.numbers += 1
        return UUID(int=1_000 + self.numbers)


def period_of(index: int) -> Period:
    return Period(START + index * 30 * DAY, START + (index + 1) * 30 * DAY)
