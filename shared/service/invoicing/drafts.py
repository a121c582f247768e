"""What an invoice comes to: the usage of its period, and what became of periods that are closed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.invoicing.adjustments import Closed, adjustment_lines, to_rate_again
from shared.domain.invoicing.assembly import Assembled, Heading, assemble
from shared.domain.invoicing.basis import Basis, UsageBasis, filled, in_period
from shared.domain.invoicing.credits import Grant
from shared.domain.invoicing.document import FreeTier, Party
from shared.domain.invoicing.free_tier import free_tier
from shared.domain.invoicing.invoice import Invoice
from shared.domain.invoicing.lines import InvoiceLine, RatedLine, has_amounts, usage_lines
from shared.domain.invoicing.parties import PAYMENT_TERMS_DAYS, BillingDetails, BillingEntity
from shared.domain.invoicing.taxes import Rates, rates_at_end
from shared.domain.period import Period, counting_periods
from shared.domain.tenant import Tenant
from shared.service.invoicing.invoice_ports import (
    Account,
    Billed,
    ClosedInvoice,
    ClosedUntil,
    InvoiceView,
    StoredInvoice,
)
from shared.service.invoicing.periods import began_at, begins_at, changed_days, open_from
from shared.service.invoicing.rating import rate_usage


@dataclass(frozen=True, slots=True)
class RatedInvoice:
    """What an invoice is made of, but for its number and the credits that pay it."""

    account: Account
    invoice_id: UUID
    period: Period
    lines: tuple[InvoiceLine, ...]
    free_tier: tuple[FreeTier, ...]
    basis: Basis

    @property
    def tenant_ids(self) -> tuple[UUID, ...]:
        return tuple(member.tenant.id for member in self.account.members)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to invoice."""
        return has_amounts(self.lines) or self.account.zero_invoices

    @property
    def grace_ends_at(self) -> datetime:
        return self.period.end + timedelta(seconds=self.account.grace_s)

    def closes(self) -> Iterator[tuple[UUID, ClosedUntil]]:
        """How far each tenant is closed by this."""
        for member in self.account.members:
            part = self.basis.of(member.tenant.id)
            if part is not None:
                yield member.tenant.id, ClosedUntil(part.period.end, part.sequence)
            elif member.closed is not None:
                yield member.tenant.id, ClosedUntil(member.closed.at, member.sequence)


def rate_invoice(view: InvoiceView, account: Account, invoice_id: UUID, period: Period) -> RatedInvoice:
    """The period's usage of every member, by its own plans; and, where it is the next period, what has to be
    taken back or charged anew for those before.

    Raises Uncomputed where a meter has yet to count.
    """
    is_next = period.start <= open_from(account) or account.payer.closed is None
    rates = _rates(account, period)
    lines: list[InvoiceLine] = []
    rated_lines: list[RatedLine] = []
    parts: list[UsageBasis] = []
    for member in account.members:
        span = Period(_starts_at(account, member, period, is_next=is_next), period.end)
        if span.start < span.end:
            part = _part(account, member, span)
            rated, unrated = rate_usage(view, part)
            parts.append(replace(part, unrated=unrated))
            rated_lines += rated
            lines += _lines(invoice_id, part, rated, rates)
    if is_next:
        for member in account.members:
            for adjusted, late in _adjusted(view, account, member, invoice_id):
                lines += adjusted
                parts = [_with_late(part, member, late) for part in parts]
    exempt = None if account.details is None else account.details.tax_exempt_reason
    basis = Basis(rates, tuple(parts), exempt)
    tier = free_tier(item for item, _ in rated_lines)
    return RatedInvoice(account, invoice_id, period, tuple(lines), tier, basis)


def assembled(
    rated: RatedInvoice, grants: Sequence[Grant], at: datetime, number: str | None = None
) -> Assembled:
    """The document: of the invoice that has this number, issued at `at`, or of a draft."""
    account = rated.account
    details, seller, tenant = account.details, account.seller, account.tenant
    terms_days = PAYMENT_TERMS_DAYS if seller is None else seller.payment_terms_days
    heading = Heading(
        invoice_id=rated.invoice_id,
        status="draft" if number is None else "final",
        number=number or "",
        issued_at=at,
        due_at=None if number is None else at + timedelta(days=terms_days),
        period=rated.period,
        timezone=tenant.timezone,
        currency=tenant.currency,
        language="en" if details is None else details.language,
        seller=_seller(seller),
        seller_bank_details=() if seller is None else seller.bank_details,
        buyer=_buyer(details, tenant),
        tenant_slug=tenant.slug,
        exempt_reason=rated.basis.exempt_reason,
    )
    return assemble(heading, rated.lines, grants=grants, free_tier=rated.free_tier)


def stored_draft(rated: RatedInvoice, whole: Assembled, at: datetime, created_at: datetime) -> StoredInvoice:
    """As it is kept, rated at `at`."""
    account = rated.account
    return StoredInvoice(
        invoice=Invoice(rated.invoice_id, account.tenant.id, rated.period, account.tenant.currency),
        document=whole.document,
        lines=whole.lines,
        basis=rated.basis,
        billing_entity_id=None if account.seller is None else account.seller.id,
        organisation_id=None if account.organisation is None else account.organisation.id,
        rated_sequence=account.payer.sequence,
        rated_at=at,
        created_at=created_at,
    )


def _starts_at(account: Account, member: Billed, period: Period, *, is_next: bool) -> datetime:
    """From when on a member's usage is on the invoice: also from before its period, where the member came to
    the account with time that is not closed."""
    if member is account.payer:
        return period.start
    begin = begins_at(account, member)
    return begin if is_next and account.payer.closed is not None else max(begin, period.start)


def _part(account: Account, member: Billed, span: Period) -> UsageBasis:
    return UsageBasis(
        tenant_id=member.tenant.id,
        section=_section(account, member),
        timezone=member.tenant.timezone,
        period=span,
        subscriptions=in_period(member.subscriptions, _months(span, member.zone)),
        created_at=member.tenant.created_at,
        sequence=member.sequence,
    )


def _months(span: Period, zone: ZoneInfo) -> Period:
    """All of the counting periods that it touches."""
    parts = counting_periods(*span, zone)
    return Period(parts[0].counting.start, parts[-1].counting.end)


def _with_late(part: UsageBasis, member: Billed, late: Sequence[Period]) -> UsageBasis:
    return replace(part, unrated=(*part.unrated, *late)) if part.tenant_id == member.tenant.id else part


def _unknown(holes: Sequence[Period], known: Sequence[Period]) -> list[Period]:
    """Those that no final invoice names: nobody has answered for them."""
    return [
        hole for hole in holes if not any(one.start <= hole.start and hole.end <= one.end for one in known)
    ]


def _section(account: Account, member: Billed) -> str:
    return member.tenant.slug if len(account.members) > 1 else ""


def _rates(account: Account, period: Period) -> Rates:
    if account.details is not None and account.details.tax_exempt_reason is not None:
        return ()
    return rates_at_end(account.tax_rates, period)


def _lines(
    invoice_id: UUID, part: UsageBasis, rated: Sequence[RatedLine], rates: Rates
) -> tuple[InvoiceLine, ...]:
    return usage_lines(
        rated, invoice_id=invoice_id, tenant_id=part.tenant_id, rates=rates, section=part.section
    )


def _adjusted(
    view: InvoiceView, account: Account, member: Billed, invoice_id: UUID
) -> Iterator[tuple[tuple[InvoiceLine, ...], Sequence[Period]]]:
    """For each closed period that may come to something else now, since its usage changed, or some had no
    plan: the lines about it, and the usage that has none, and was not known to."""
    if member.closed is None:
        return
    invoices = view.closed_invoices(member.tenant.id)
    unrated = view.unrated(member.tenant.id)
    changed = [*changed_days(view, member), *unrated]
    again = to_rate_again((one.period for one in invoices), changed, member.zone)
    for one in invoices:
        if one.period in again:
            lines, holes = _again(view, account, member, invoice_id, one)
            yield lines, _unknown(holes, unrated)
    for piece in _pieces(member, Period(began_at(account, member), member.closed.at), changed, invoices):
        part = _part(account, member, piece)
        rated, holes = rate_usage(view, part)
        closed = Closed(piece, _rates(account, piece))
        yield _difference(view, account, invoice_id, part, closed, rated), _unknown(holes, unrated)


def _again(
    view: InvoiceView, account: Account, member: Billed, invoice_id: UUID, invoiced: ClosedInvoice
) -> tuple[tuple[InvoiceLine, ...], Sequence[Period]]:
    """A period that was invoiced, by what it was rated by then. What another was charged for is adjusted on
    the invoice of who pays for the tenant now."""
    basis = view.basis(invoiced.payer_id, invoiced.invoice_id)
    part = basis.of(member.tenant.id)
    assert part is not None, "a tenant's usage is on an invoice by a part of its basis"
    months = _months(part.period, ZoneInfo(part.timezone))
    plans = filled(part.subscriptions, member.subscriptions, months)
    rated, holes = rate_usage(view, replace(part, subscriptions=plans))
    is_own = invoiced.payer_id == account.tenant.id
    closed = Closed(
        part.period,
        basis.rates,
        invoiced.invoice_id if is_own else None,
        invoiced.number if is_own else None,
    )
    named = replace(part, section=_section(account, member))
    return _difference(view, account, invoice_id, named, closed, rated), holes


def _difference(
    view: InvoiceView,
    account: Account,
    invoice_id: UUID,
    part: UsageBasis,
    closed: Closed,
    rated: Sequence[RatedLine],
) -> tuple[InvoiceLine, ...]:
    charged = [
        replace(line, shown=replace(line.shown, section=part.section))
        for line in view.charged(part.tenant_id, closed.period)
    ]
    now = _lines(invoice_id, part, rated, closed.rates)
    return adjustment_lines(invoice_id, closed, charged, now, account.tenant.currency)


def _pieces(
    member: Billed, closed: Period, changed: Sequence[Period], invoices: Sequence[ClosedInvoice]
) -> Iterator[Period]:
    """What of the months of changed days is closed without an invoice, since there was nothing for one."""
    months = {part.counting for span in changed for part in counting_periods(*span, member.zone)}
    for month in sorted(months):
        start, end = max(month.start, closed.start), min(month.end, closed.end)
        for invoiced in (one.period for one in invoices):
            if start < invoiced.end and invoiced.start < end:
                if start < invoiced.start:
                    yield Period(start, invoiced.start)
                start = max(start, invoiced.end)
        if start < end:
            yield Period(start, end)


def _seller(entity: BillingEntity | None) -> Party:
    if entity is None:
        return Party("")
    return Party(entity.legal_name, entity.address, entity.tax_ids, entity.email)


def _buyer(details: BillingDetails | None, tenant: Tenant) -> Party:
    if details is None:
        return Party(tenant.name, email=tenant.billing_email or "")
    return Party(details.legal_name, details.address, details.tax_ids, details.email)
