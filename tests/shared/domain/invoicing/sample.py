"""A document with something in every field."""

from datetime import UTC, datetime
from decimal import Decimal

from shared.domain.invoicing.document import (
    AppliedCredit,
    DocumentLine,
    FreeTier,
    InvoiceDocument,
    Party,
    Share,
    TaxLine,
)
from shared.domain.period import Period

MARCH = Period(datetime(2026, 2, 28, 21, tzinfo=UTC), datetime(2026, 3, 31, 21, tzinfo=UTC))


def a_line(amount: str = "17.28", **changed: object) -> DocumentLine:
    fields: dict[str, object] = {
        "id": "6e0c1e52-1f0e-5f0c-8f43-1c1d4c7b6a10",
        "section": "Дочерняя",
        "description": "17.28 per 1,000,000 invocations, after 1,000,000 included per month",
        "period": MARCH,
        "quantity": "1000000",
        "unit": "invocation",
        "unit_amount": Decimal("17.280"),
        "per": Decimal(1_000_000),
        "included": Decimal(1_000_000),
        "flat_amount": Decimal(0),
        "amount": Decimal(amount),
        "tax": ("НДС",),
        "shares": (Share("thumbnails", "1000000", Decimal(amount)),),
    }
    return DocumentLine(**{**fields, **changed})  # type: ignore[arg-type]


def a_document() -> InvoiceDocument:
    return InvoiceDocument(
        kind="invoice",
        status_at_issue="final",
        number="INV-2026-000007",
        issued_at=datetime(2026, 4, 1, 1, 2, 3, 456, tzinfo=UTC),
        due_at=datetime(2026, 4, 15, 1, 2, 3, 456, tzinfo=UTC),
        period=MARCH,
        timezone="Europe/Moscow",
        currency="RUB",
        language="ru",
        seller=Party("ООО «Функции»", ("Москва",), (("ИНН", "7700000000"), ("КПП", "770001001"))),
        seller_bank_details=("р/с 40702810000000000000",),
        buyer=Party("Demo GmbH", email="billing@example.com"),
        tenant_slug="demo",
        lines=(
            a_line(),
            a_line("-5.00", kind="adjustment", adjusts="INV-2026-000006", shares=(), section=""),
        ),
        net=Decimal("12.28"),
        taxes=(
            TaxLine("НДС", Decimal("22.0"), inclusive=False, base=Decimal("12.28"), amount=Decimal("2.70")),
        ),
        exempt_reason=None,
        tax_total=Decimal("2.70"),
        total=Decimal("14.98"),
        credits=(AppliedCredit("prepaid", "paid in advance", Decimal("4.98")),),
        amount_due=Decimal("10.00"),
        free_tier=(
            FreeTier("invocations", "invocation", Decimal("1e6"), Decimal(10), Decimal(999_990), MARCH),
        ),
        notes=("Спасибо",),
    )
