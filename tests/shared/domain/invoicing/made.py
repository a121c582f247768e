"""Invoices of lines that only have an amount, and of what a plan rates."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from shared.domain.invoicing.assembly import Assembled, Heading, assemble
from shared.domain.invoicing.credits import Grant, GrantKind
from shared.domain.invoicing.document import DocumentLine, Party
from shared.domain.invoicing.lines import InvoiceLine, LineKey, RatedLine, line_id, usage_lines
from shared.domain.invoicing.taxes import Rate, Rates
from shared.domain.rating.line import LineItem
from tests.shared.domain.rating.entered import MONTH

NOTHING = Decimal(0)
INVOICE, TENANT, PLAN = UUID(int=7), UUID(int=1), UUID(int=2)
ISSUED = MONTH.end + timedelta(hours=1)
VAT = Rate("VAT", Decimal(20))


def amount(text: str) -> Decimal:
    return Decimal(text)


def key(price: str) -> LineKey:
    return LineKey(TENANT, MONTH, PLAN, 1, price, "", "")


def line(
    amount: str | Decimal, rates: Rates = (), price: str = "a", invoice_id: UUID = INVOICE
) -> InvoiceLine:
    """A fee of this amount."""
    shown = DocumentLine(
        id=str(line_id(invoice_id, key(price), "usage 1")),
        section="",
        description=price,
        period=MONTH,
        quantity="0",
        unit="USD",
        unit_amount=Decimal(0),
        per=Decimal(1),
        included=Decimal(0),
        flat_amount=Decimal(amount),
        amount=Decimal(amount),
    )
    return InvoiceLine(key(price), rates, shown)


def lines(*amounts: str, rates: Rates = ()) -> tuple[InvoiceLine, ...]:
    """A line of each amount, called a, b, c and so on."""
    return tuple(line(amount, rates, chr(ord("a") + index)) for index, amount in enumerate(amounts))


def of_usage(
    items: Iterable[LineItem], rates: Rates = (), invoice_id: UUID = INVOICE
) -> tuple[InvoiceLine, ...]:
    rated = [RatedLine(item) for item in items]
    return usage_lines(rated, invoice_id=invoice_id, tenant_id=TENANT, rates=rates)


def heading(
    *,
    currency: str = "USD",
    number: str = "INV-2026-000001",
    invoice_id: UUID = INVOICE,
    issued_at: datetime = ISSUED,
) -> Heading:
    return Heading(
        invoice_id=invoice_id,
        status="final",
        number=number,
        issued_at=issued_at,
        due_at=issued_at + timedelta(days=14),
        period=MONTH,
        timezone="UTC",
        currency=currency,
        language="en",
        seller=Party("Seller"),
        seller_bank_details=(),
        buyer=Party("Buyer"),
        tenant_slug="demo",
    )


def invoice(lines: Sequence[InvoiceLine], *grants: Grant, currency: str = "USD") -> Assembled:
    return assemble(heading(currency=currency), lines, grants=grants)


def grant(
    number: int,
    remaining: str,
    *,
    kind: GrantKind = "prepaid",
    priority: int = 0,
    expires_at: datetime | None = None,
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    currency: str = "USD",
) -> Grant:
    return Grant(
        UUID(int=number),
        kind,
        f"grant {number}",
        currency,
        Decimal(remaining),
        priority,
        created_at,
        expires_at,
    )
