"""Documents as customers get them, in every shape that PDF and CSV must show."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from shared.domain.invoicing.document import (
    AppliedCredit,
    DocumentLine,
    FreeTier,
    InvoiceDocument,
    Party,
    Share,
    TaxLine,
)
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.period import Period


def local(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def march(zone: str) -> Period:
    return Period(local(date(2026, 3, 1), zone), local(date(2026, 4, 1), zone))


SELLER = Party(
    "Example Cloud Ltd",
    ("1 Long Street", "London EC1A 1BB", "United Kingdom"),
    (("VAT", "GB123456789"), ("Company no.", "01234567")),
    "billing@cloud.example",
)
BUYER = Party(
    "Acme Analytics GmbH",
    ("Hauptstraße 5", "10115 Berlin", "Germany"),
    (("VAT", "DE987654321"),),
    "ap@acme.example",
)
BANK = ("Example Bank plc, London", "IBAN GB33 BUKB 2020 1555 5555 55", "BIC BUKBGB22")
SELLER_RU = Party(
    "ООО «Пример Облако»",
    ("119021, г. Москва, ул. Примерная, д. 1, стр. 2",),
    (("ИНН", "7700000001"), ("КПП", "770001001"), ("ОГРН", "1027700000001")),
    "buh@oblako.example",
)
BUYER_RU = Party(
    "АО «Заказчик и Ко»",
    ("190000, г. Санкт-Петербург, Невский пр., д. 10, лит. А, пом. 5-Н",),
    (("ИНН", "7800000002"), ("КПП", "780001001")),
    "oplata@zakazchik.example",
)
BANK_RU = (
    "АО «Примерный банк», г. Москва, БИК 044500000",
    "Корр. счёт 30101810000000000000",
    "Расчётный счёт 40702810000000000001",
)


def amount(units: int, currency: str) -> Decimal:
    """`units` of the currency's smallest."""
    return Decimal((units < 0, tuple(map(int, str(abs(units)))), -CURRENCY_EXPONENTS[currency]))


def line(number: int, units: int, document: InvoiceDocument, **changes: object) -> DocumentLine:
    plain = DocumentLine(
        id=f"line-{number}",
        section="",
        description=f"Function invocations, service {number}",
        period=document.period,
        quantity="12345678.5",
        unit="GB-second",
        unit_amount=Decimal("0.0000166667"),
        per=Decimal(1),
        included=Decimal(0),
        flat_amount=Decimal(0),
        amount=amount(units, document.currency),
        tax=tuple(tax.name for tax in document.taxes),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def blank(currency: str = "EUR", language: str = "en", zone: str = "Europe/Paris") -> InvoiceDocument:
    """An invoice for March 2026 with nothing on it."""
    nothing, russian = amount(0, currency), language == "ru"
    return InvoiceDocument(
        kind="invoice",
        status_at_issue="final",
        number="INV-2026-000001",
        issued_at=local(date(2026, 4, 1), zone),
        due_at=local(date(2026, 5, 1), zone),
        period=march(zone),
        timezone=zone,
        currency=currency,
        language=language,
        seller=SELLER_RU if russian else SELLER,
        seller_bank_details=BANK_RU if russian else BANK,
        buyer=BUYER_RU if russian else BUYER,
        tenant_slug="acme",
        lines=(),
        net=nothing,
        taxes=(),
        exempt_reason=None,
        tax_total=nothing,
        total=nothing,
        credits=(),
        amount_due=nothing,
    )


def totalled(
    document: InvoiceDocument, lines: tuple[DocumentLine, ...], tax: TaxLine | None = None
) -> InvoiceDocument:
    """With `lines`, a tax beside them, and totals to match."""
    net = sum((each.amount for each in lines if each.kind != "carried_over"), amount(0, document.currency))
    taxes = () if tax is None else (tax,)
    tax_total = sum((each.amount for each in taxes), amount(0, document.currency))
    document = replace(document, lines=lines, net=net, taxes=taxes, tax_total=tax_total)
    total = net + tax_total + document.carried_over
    return replace(document, total=total, amount_due=total - document.credit_total)


def one_line(currency: str = "EUR", language: str = "en", zone: str = "Europe/Paris") -> InvoiceDocument:
    document = blank(currency, language, zone)
    return totalled(document, (line(1, 1234567, document),))


def rich() -> InvoiceDocument:
    """Sections, shares, two rates, adjustments, credits, a free tier and notes."""
    document = blank()
    shares = tuple(
        Share(f"resize-images / resize-images-0000{n}", f"{n * 1000}", Decimal(n)) for n in range(1, 9)
    )
    february = Period(local(date(2026, 2, 1), "Europe/Paris"), document.period.start)
    lines = (
        line(
            1,
            3600,
            document,
            section="acme-shop",
            description="Invocations",
            quantity="36",
            unit="invocation",
            shares=shares,
            included=Decimal(1_000_000),
            unit_amount=Decimal("0.20"),
            per=Decimal(1_000_000),
        ),
        line(2, 12345, document, section="acme-shop", description="Memory × time"),
        line(
            3,
            5000,
            document,
            section="acme-labs",
            description="Platform fee",
            quantity="",
            unit="",
            unit_amount=Decimal(0),
            flat_amount=Decimal("50.00"),
        ),
        line(
            4,
            -1500,
            document,
            kind="adjustment",
            adjusts="INV-2026-000000",
            period=february,
            quantity="-15",
            unit="invocation",
            unit_amount=Decimal("1.00"),
            description="Invocations, taken back",
        ),
        line(
            5,
            800,
            document,
            kind="adjustment",
            adjusts="INV-2026-000000",
            period=february,
            quantity="16",
            unit="invocation",
            unit_amount=Decimal("0.50"),
            description="Invocations, charged instead",
        ),
    )
    document = replace(
        document,
        credits=(
            AppliedCredit("promotional", "Welcome credit", Decimal("20.00")),
            AppliedCredit("carried_over", "", Decimal("5.55")),
        ),
    )
    net = Decimal("202.45")
    taxes = (
        TaxLine("VAT", Decimal("20"), False, net, Decimal("40.49")),
        TaxLine("City levy", Decimal("1.5"), True, Decimal("50.75"), Decimal("0.75")),
    )
    document = totalled(document, lines)
    total = net + Decimal("41.24")
    taxed = tuple(
        replace(each, tax=("VAT", "City levy") if each.flat_amount else ("VAT",)) for each in document.lines
    )
    return replace(
        document,
        lines=taxed,
        net=net,
        taxes=taxes,
        tax_total=Decimal("41.24"),
        total=total,
        amount_due=total - document.credit_total,
        free_tier=(
            FreeTier(
                "invocations",
                "invocation",
                Decimal(1_000_000),
                Decimal(1_000_000),
                Decimal(0),
                document.period,
            ),
            FreeTier(
                "gb_seconds_100ms",
                "GB-second",
                Decimal(400_000),
                Decimal("1234.5"),
                Decimal("398765.5"),
                document.period,
            ),
        ),
        notes=("Please quote the invoice number with your payment.",),
    )


def russian() -> InvoiceDocument:
    document = blank("RUB", "ru", "Europe/Moscow")
    lines = (
        line(
            1,
            1600000,
            document,
            description="Вызовы функций",
            quantity="1000000000",
            unit="invocation",
            unit_amount=Decimal(16),
            per=Decimal(1_000_000),
            included=Decimal(1_000_000),
            tax=("НДС 20%",),
            shares=(
                Share("обработка-заказов", "600000000", Decimal("9600.00")),
                Share("рассылка", "400000000", Decimal("6400.00")),
            ),
        ),
        line(
            2,
            54700,
            document,
            description="Вычисления, память 128 МБ – 4 ГБ",
            quantity="100",
            unit="GB-hour",
            unit_amount=Decimal("5.47"),
            tax=("НДС 20%",),
            included=Decimal(10),
        ),
        line(
            3,
            99900,
            document,
            description="Абонентская плата за тариф «Бизнес» с повышенным уровнем обслуживания "
            "и поддержкой круглосуточно, включая выходные и праздничные дни",
            quantity="",
            unit="",
            unit_amount=Decimal(0),
            flat_amount=Decimal("999.00"),
            tax=("НДС 20%",),
        ),
    )
    document = totalled(
        document, lines, TaxLine("НДС 20%", Decimal(20), False, Decimal("17546.00"), Decimal("3509.20"))
    )
    free = FreeTier(
        "invocations", "invocation", Decimal(1_000_000), Decimal(1_000_000), Decimal(0), document.period
    )
    return replace(document, number="СЧ-2026-000017", free_tier=(free,), tenant_slug="zakazchik")


def long(lines: int = 60) -> InvoiceDocument:
    document = blank("USD", "en", "America/New_York")
    made = tuple(
        line(
            n,
            n * 1001,
            document,
            shares=tuple(
                Share(f"service-{n} / revision-{k}", "10", amount(n * 1001 if k == 0 else 0, "USD"))
                for k in range(n % 4)
            ),
            description=f"Function number {n}" + " with a description that goes on and on" * (n % 5),
        )
        for n in range(1, lines + 1)
    )
    return totalled(document, made)


def carried_over() -> InvoiceDocument:
    """Takes back more than it charges: the rest, tax included, becomes credit."""
    document = blank("KWD", "en", "Asia/Kuwait")
    lines = (
        line(
            1,
            -150000,
            document,
            kind="adjustment",
            adjusts="INV-2026-000000",
            quantity="-15",
            unit="invocation",
            unit_amount=Decimal(10),
            tax=("VAT",),
            description="Invocations",
        ),
        line(
            2,
            80000,
            document,
            kind="adjustment",
            adjusts="INV-2026-000000",
            quantity="16",
            unit="invocation",
            unit_amount=Decimal(5),
            tax=("VAT",),
            description="Invocations",
        ),
        line(
            3,
            73500,
            document,
            kind="carried_over",
            quantity="",
            unit="",
            unit_amount=Decimal(0),
            tax=(),
            description="Carried over as credit",
        ),
    )
    return totalled(document, lines, TaxLine("VAT", Decimal(5), False, Decimal("-70.000"), Decimal("-3.500")))


def credit_note(language: str = "en") -> InvoiceDocument:
    document = replace(
        blank("JPY", language, "Asia/Tokyo"),
        kind="credit_note",
        number="CN-2026-000003",
        corrects="INV-2026-000001",
        due_at=None,
    )
    return totalled(
        document,
        (line(1, 12000, document, description="Goodwill for the outage of 3 March"),),
        TaxLine(
            "Consumption tax",
            Decimal(10),
            False,
            Decimal(12000),
            Decimal(1200),
        ),
    )


def draft() -> InvoiceDocument:
    return replace(one_line("GBP"), status_at_issue="draft", number="", due_at=None)


def every_shape() -> dict[str, InvoiceDocument]:
    return {
        "one line": one_line(),
        "yen": one_line("JPY", "en", "Asia/Tokyo"),
        "four digits": one_line("CLF", "en", "America/Santiago"),
        "tenge": one_line("KZT", "ru", "Asia/Almaty"),
        "rich": rich(),
        "russian": russian(),
        "long": long(),
        "carried over": carried_over(),
        "credit note": credit_note(),
        "russian credit note": credit_note("ru"),
        "draft": draft(),
        "exempt": replace(one_line(), exempt_reason="Reverse charge, Article 196 of Directive 2006/112/EC"),
        "nothing": blank(),
    }
