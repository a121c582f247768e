"""What becomes of an invoice as money moves, and who is told."""

from datetime import datetime

from shared.domain.events import InvoicePaid
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.party_change import PartyChange
from shared.domain.tenant import Tenant
from shared.service.invoicing.money_ports import InvoiceBook


def settle(
    book: InvoiceBook, tenant: Tenant, after: Invoice, at: datetime, *, reason: str | None = None
) -> None:
    """The invoice is `after` now; that it is paid is announced where it was not."""
    was_paid = book.stored.invoice.status is Status.PAID
    book.settle(after, at, reason)
    if after.status is Status.PAID and not was_paid:
        book.announce(_paid(book, tenant, at))


def closed_by_hand(before: Invoice, after: Invoice, reason: str, at: datetime, who: str) -> PartyChange:
    """Who wrote an invoice off or voided it, and why; among the changes of its tenant."""
    what = "voided" if after.status is Status.VOID else "written_off"
    return PartyChange(
        at,
        who,
        f"invoice.{what}",
        after.tenant_id,
        {"invoice": after.number, "status": str(before.status), "due": f"{before.due:f}"},
        {"invoice": after.number, "status": str(after.status), "due": f"{after.due:f}", "reason": reason},
    )


def _paid(book: InvoiceBook, tenant: Tenant, at: datetime) -> InvoicePaid:
    invoice, document = book.stored.invoice, book.stored.document
    return InvoicePaid(
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        invoice_id=invoice.id,
        number=document.number,
        period_start=invoice.period.start,
        period_end=invoice.period.end,
        currency=invoice.currency,
        net=document.net,
        tax_total=document.tax_total,
        total=document.total,
        amount_due=invoice.due,
        due_at=invoice.due_at,
        as_of=at,
    )
