"""From a draft to an invoice: why not yet, and all that happens then, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from shared.domain import events
from shared.domain.errors import Conflict, Fault
from shared.domain.invoicing.basis import Basis
from shared.domain.invoicing.credits import Grant
from shared.domain.invoicing.holds import Hold, HoldReason, Override, holding
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.numbers import Series, counter_of, number_text
from shared.domain.invoicing.postings import applied, issued
from shared.domain.period import Period
from shared.service.invoicing.drafts import RatedInvoice, assembled, stored_draft
from shared.service.invoicing.invoice_ports import Account, InvoiceBook, InvoiceView, StoredInvoice
from shared.service.ports import NewId

_Fact = TypeVar("_Fact", events.InvoiceDrafted, events.InvoiceFinalized, events.InvoicePaid)


def holds_of(view: InvoiceView | InvoiceBook, rated: RatedInvoice) -> tuple[Hold, ...]:
    """All that is in the way of the invoice, overridden or not."""
    return all_holds(view, rated.account, rated.period, rated.basis, is_wanted=rated.is_wanted)


def all_holds(
    view: InvoiceView | InvoiceBook, account: Account, period: Period, basis: Basis, *, is_wanted: bool
) -> tuple[Hold, ...]:
    """What is wrong with the usage, with what came until the grace ends; and who is not named.

    Nothing needs a seller or a buyer as long as there is nothing to invoice.
    """
    until = period.end + timedelta(seconds=account.grace_s)
    holds = list(view.holds([part.tenant_id for part in basis.parts], period, until))
    if unrated := sum(len(part.unrated) for part in basis.parts):
        holds.append(Hold(HoldReason.UNRATED_USAGE, unrated))
    if is_wanted and account.seller is None:
        holds.append(Hold(HoldReason.NO_BILLING_ENTITY))
    if is_wanted and account.details is None:
        holds.append(Hold(HoldReason.NO_BILLING_DETAILS))
    return tuple(holds)


def check_holds(holds: Iterable[Hold], overrides: Iterable[Override]) -> None:
    """Raises Conflict naming each reason that holds the invoice back, and the way out."""
    if held := holding(holds, overrides):
        raise Conflict(*(Fault(hold.reason, f"{hold.message}: {hold.way_out}") for hold in held))


def close_empty(book: InvoiceBook, rated: RatedInvoice) -> None:
    """The period comes to nothing, and is closed without an invoice."""
    book.discard(rated.account.tenant.id, rated.invoice_id)
    for tenant_id, until in rated.closes():
        book.move(tenant_id, until)


def put_draft(
    book: InvoiceBook, rated: RatedInvoice, grants: Sequence[Grant], at: datetime, created_at: datetime | None
) -> StoredInvoice:
    """Keep the draft, and announce one that is new: `created_at` is None."""
    draft = stored_draft(rated, assembled(rated, grants, at), at, created_at or at)
    book.put_draft(draft)
    if created_at is None:
        book.announce(_fact(events.InvoiceDrafted, rated, draft, at))
    return draft


def make_final(
    book: InvoiceBook, rated: RatedInvoice, at: datetime, created_at: datetime, who: str, new_id: NewId
) -> StoredInvoice:
    """The invoice, with its number; nothing is held against it any more."""
    account, tenant = rated.account, rated.account.tenant
    assert account.seller is not None
    grants = book.grants(tenant.id)
    # The counter last: whoever else wants a number of the seller waits until this transaction ends.
    counter = counter_of(account.seller, Series.INVOICE, at)
    number = book.take_number(counter)
    whole = assembled(rated, grants, at, number_text(account.seller, counter, number))
    draft = stored_draft(rated, whole, at, created_at)
    book.put_draft(draft)
    invoice = draft.invoice.finalise(whole.document)
    book.finalise(invoice, counter, number, at)
    book.use(tenant.id, whole.uses, at, invoice.id)
    if whole.carried_over:
        grant = Grant(
            id=new_id(),
            kind="carried_over",
            description=f"Carried over from {invoice.number}",
            currency=invoice.currency,
            remaining=whole.carried_over,
            priority=0,
            created_at=at,
        )
        book.grant(tenant.id, grant, whole.carried_over, who, invoice.id)
    book.post(tenant.id, issued(whole.document), at, invoice.id)
    book.post(tenant.id, applied(whole.document.credit_total, invoice.currency), at, invoice.id)
    for tenant_id, until in rated.closes():
        book.move(tenant_id, until)
    final = replace(draft, invoice=invoice)
    book.announce(_fact(events.InvoiceFinalized, rated, final, at))
    if invoice.status is Status.PAID:
        book.announce(_fact(events.InvoicePaid, rated, final, at))
    return final


def _fact(kind: type[_Fact], rated: RatedInvoice, stored: StoredInvoice, at: datetime) -> _Fact:
    invoice: Invoice = stored.invoice
    document = stored.document
    return kind(
        tenant_id=invoice.tenant_id,
        tenant_slug=rated.account.tenant.slug,
        invoice_id=invoice.id,
        number=document.number,
        period_start=invoice.period.start,
        period_end=invoice.period.end,
        currency=invoice.currency,
        net=document.net,
        tax_total=document.tax_total,
        total=document.total,
        amount_due=document.amount_due,
        due_at=document.due_at,
        as_of=at,
    )
