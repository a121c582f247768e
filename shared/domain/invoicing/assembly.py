"""From the lines of an invoice to the document: taxes, what is carried over, and the credits that pay it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID, uuid5

from shared.domain import money
from shared.domain.invoicing.credits import CreditUse, Grant, use_credits
from shared.domain.invoicing.document import DocumentLine, FreeTier, InvoiceDocument, Party
from shared.domain.invoicing.lines import InvoiceLine
from shared.domain.invoicing.taxes import labels, taxed
from shared.domain.period import Period

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Heading:
    """What an invoice says besides its lines. A draft has the time it was made as `issued_at`."""

    invoice_id: UUID
    status: Literal["draft", "final"]
    number: str
    issued_at: datetime
    due_at: datetime | None
    period: Period
    timezone: str
    currency: str
    language: str
    seller: Party
    seller_bank_details: tuple[str, ...]
    buyer: Party
    tenant_slug: str
    exempt_reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assembled:
    """An invoice's document; its lines with their keys, as the document shows them; what it uses of which
    grant; and what of it becomes a new grant, since it comes to less than nothing."""

    document: InvoiceDocument
    lines: tuple[InvoiceLine, ...]
    uses: tuple[CreditUse, ...]
    carried_over: Decimal


def assemble(
    heading: Heading,
    lines: Sequence[InvoiceLine],
    *,
    grants: Iterable[Grant] = (),
    free_tier: tuple[FreeTier, ...] = (),
) -> Assembled:
    """The invoice of these lines, of usage and adjustments, in their order.

    Credits are applied after taxes, as of its issue. Below zero it is zero, and the rest is carried over as
    credit, with the taxes that are taken back.
    """
    currency = heading.currency
    of_lines = taxed(((line.shown.amount, line.rates) for line in lines), currency)
    gross = money.total((of_lines.net, of_lines.tax_total), currency)
    carried_over = money.difference(_NOTHING, min(gross, money.total((), currency)))
    total = money.total((gross, carried_over), currency)
    uses = use_credits(grants, total, currency, heading.issued_at)
    named = _named(lines)
    if carried_over:
        named = (*named, InvoiceLine(None, (), _carried_over(heading, carried_over)))
    document = InvoiceDocument(
        kind="invoice",
        status_at_issue=heading.status,
        number=heading.number,
        issued_at=heading.issued_at,
        due_at=heading.due_at,
        period=heading.period,
        timezone=heading.timezone,
        currency=currency,
        language=heading.language,
        seller=heading.seller,
        seller_bank_details=heading.seller_bank_details,
        buyer=heading.buyer,
        tenant_slug=heading.tenant_slug,
        lines=tuple(line.shown for line in named),
        net=of_lines.net,
        taxes=of_lines.taxes,
        exempt_reason=heading.exempt_reason,
        tax_total=of_lines.tax_total,
        total=total,
        credits=tuple(use.shown for use in uses),
        amount_due=money.difference(total, money.total((use.amount for use in uses), currency)),
        free_tier=free_tier,
        notes=heading.notes,
    )
    return Assembled(document, named, uses, carried_over)


def _named(lines: Sequence[InvoiceLine]) -> tuple[InvoiceLine, ...]:
    """The lines, each with the names that its rates have on this document."""
    names = labels(rate for line in lines for rate in line.rates)
    return tuple(
        replace(line, shown=replace(line.shown, tax=tuple(names[rate] for rate in line.rates)))
        for line in lines
    )


def _carried_over(heading: Heading, amount: Decimal) -> DocumentLine:
    return DocumentLine(
        id=str(uuid5(heading.invoice_id, "carried over")),
        section="",
        description="Carried over as credit",
        period=heading.period,
        quantity="0",
        unit=heading.currency,
        unit_amount=_NOTHING,
        per=Decimal(1),
        included=_NOTHING,
        flat_amount=amount,
        amount=amount,
        kind="carried_over",
    )
