import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader

from shared.adapters.documents.formats import Formats
from shared.adapters.documents.pdf import invoice_pdf
from shared.adapters.documents.texts import TEXTS
from shared.domain.invoicing.document import InvoiceDocument, Party, Share, canonical
from shared.domain.period import Period
from tests.shared.adapters.documents import samples

SHAPES = samples.every_shape()
CHECKOUT = Path(__file__).parents[4]
PLACES = (("1", "Asia/Tokyo"), ("2", "America/New_York"))
READ = """
import json, sys
from shared.domain.invoicing.document import InvoiceDocument
document = InvoiceDocument.from_dict(json.loads(sys.stdin.read()))
"""
MAKE = f"""{READ}
from hashlib import sha256
from shared.adapters.documents.pdf import invoice_pdf
print(sha256(invoice_pdf(document)).hexdigest())
"""
IMPORT_AND_MAKE = f"""{READ}
from shared.adapters.documents.csv import invoice_csv
from shared.adapters.documents.pdf import invoice_pdf
heavy = {{"fpdf", "PIL", "fontTools", "babel"}}
invoice_csv(document)
assert not heavy & set(sys.modules), heavy & set(sys.modules)
invoice_pdf(document)
assert heavy <= set(sys.modules)
print("made")
"""


def pages(document: InvoiceDocument) -> list[str]:
    """The text of each page, every space a plain one."""
    reader = PdfReader(BytesIO(invoice_pdf(document)))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def text(document: InvoiceDocument) -> str:
    return " ".join(pages(document))


def money(document: InvoiceDocument, amount: Decimal) -> str:
    formats = Formats(TEXTS[document.language].locale, document.currency, ZoneInfo(document.timezone))
    return " ".join(formats.money(amount).split())


@pytest.mark.parametrize("name", SHAPES)
def test_every_amount_of_a_document_can_be_selected_in_its_pdf(name: str) -> None:
    document = SHAPES[name]
    amounts = [
        *(line.amount for line in document.lines),
        *(line.unit_amount for line in document.lines if line.unit_amount),
        *(tax.amount for tax in document.taxes),
        *(tax.base for tax in document.taxes),
        *(-credit.amount for credit in document.credits),
        document.total,
        document.amount_due,
    ]
    written = text(document)
    assert [amount for amount in amounts if money(document, amount) not in written] == []
    assert money(document, document.net) in written


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_document_is_always_the_same_bytes(name: str) -> None:
    assert invoice_pdf(SHAPES[name]) == invoice_pdf(SHAPES[name])


def test_a_pdf_says_when_its_invoice_was_issued_and_not_when_it_was_made() -> None:
    document = replace(samples.one_line(), issued_at=datetime(2026, 4, 1, 7, 8, 9, tzinfo=UTC))
    reader = PdfReader(BytesIO(invoice_pdf(document)))
    assert reader.metadata is not None
    assert reader.metadata.creation_date == document.issued_at
    assert reader.metadata.title == "Invoice INV-2026-000001"


def test_other_documents_have_other_identities() -> None:
    one, other = (
        PdfReader(BytesIO(invoice_pdf(document))).trailer["/ID"]
        for document in (samples.one_line(), replace(samples.one_line(), tenant_slug="other"))
    )
    assert one != other


def test_a_pdf_is_small_since_only_the_glyphs_used_are_in_it() -> None:
    assert len(invoice_pdf(samples.russian())) < 40_000


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("Invoice", "Bill to", "Date due 1 May 2026", "Billing period 1–31 March 2026", "Page 1 of 1"),
        ),
        (
            "ru",
            ("Счёт на оплату", "Заказчик", "Срок оплаты 1 мая 2026 г.", "1–31 марта 2026 г.", "Стр. 1 из 1"),
        ),
    ],
)
def test_words_and_dates_are_of_the_documents_language_and_zone(
    language: str, words: tuple[str, ...]
) -> None:
    written = text(samples.one_line("EUR", language, "Europe/Paris"))
    assert [word for word in words if word not in written] == []


def test_seller_and_buyer_are_named_with_their_tax_numbers_and_the_bank() -> None:
    document = samples.russian()
    said = (
        document.seller.name,
        document.buyer.name,
        "ИНН 7700000001",
        "КПП 780001001",
        "СЧ-2026-000017",
        "Расчётный счёт 40702810000000000001",
        "НДС 20% от 17 546,00 ₽",
        "16,00 ₽ за 1 000 000",
    )
    written = text(document)
    assert [each for each in said if each not in written] == []


def test_hundreds_of_lines_flow_over_pages_and_each_repeats_the_titles() -> None:
    document = samples.long(300)
    written = pages(document)
    assert len(written) > 10
    for number, page in enumerate(written, 1):
        assert f"Page {number} of {len(written)}" in page
        assert "Description Quantity Unit Unit price Amount" in page
    for number in range(1, 301):
        assert f"Function number {number} " in " ".join(written)


def test_totals_stand_on_one_page() -> None:
    for lines in range(14, 34):
        document = replace(samples.carried_over(), lines=samples.carried_over().lines[:1] * lines)
        *_, last = (page for page in pages(document) if "Total" in page or "Subtotal" in page)
        assert "Subtotal" in last
        assert "Amount due" in last


def test_a_description_longer_than_a_page_is_there_to_its_end() -> None:
    document = samples.one_line()
    longest = replace(document.lines[0], description="word " * 2_000 + "end-of-it")
    written = pages(replace(document, lines=(longest,)))
    assert len(written) > 2
    assert "end-of-it" in " ".join(written)


def test_the_largest_shares_are_shown_and_the_rest_as_one() -> None:
    written = text(samples.rich())
    for number in range(4, 9):
        assert f"resize-images-0000{number}" in written
    assert "resize-images-00003" not in written
    assert "and 3 more €6.00" in written


def test_one_share_more_is_shown_rather_than_counted() -> None:
    document = samples.one_line()
    shares = tuple(Share(f"share-{number}", "1", Decimal(number)) for number in range(6))
    written = text(replace(document, lines=(replace(document.lines[0], shares=shares),)))
    assert "more" not in written
    assert "share-0" in written


def test_what_no_usage_brought_about_falls_to_the_account() -> None:
    document = samples.one_line()
    shares = (Share("", "", Decimal(1)), Share("shop", "1", Decimal(2)))
    written = text(replace(document, lines=(replace(document.lines[0], shares=shares),)))
    assert "The account as a whole €1.00" in written


def test_child_tenants_are_sections_with_a_subtotal() -> None:
    written = text(samples.rich())
    assert "Subtotal, acme-shop €159.45" in written
    assert written.index("acme-shop") < written.index("acme-labs") < written.index("Adjustments to invoice")


def test_adjustments_name_the_invoice_and_the_period_that_they_correct() -> None:
    written = text(samples.rich())
    after = written[written.index("Adjustments to invoice INV-2026-000000") :]
    assert "1–28 February 2026" in after
    assert "-€15.00" in after


def test_a_fee_has_no_quantity() -> None:
    document = samples.blank()
    fee = samples.line(1, 5000, document, quantity="0", unit_amount=Decimal(0), flat_amount=Decimal(50))
    written = text(samples.totalled(document, (fee,)))
    assert "Function invocations, service 1 €50.00" in written


def test_what_is_below_zero_is_carried_over_and_nothing_is_to_pay() -> None:
    written = text(samples.carried_over())
    assert "Carried over as credit KWD 73.500" in written
    assert "Nothing to pay" in written
    assert "Перенесено в зачёт следующих счетов" in text(replace(samples.carried_over(), language="ru"))
    assert "IBAN" not in written


def test_a_credit_note_names_the_invoice_it_corrects_and_asks_for_nothing() -> None:
    written = text(samples.credit_note())
    assert "Corrects invoice INV-2026-000001" in written
    assert "Amount credited JP¥13,200" in written
    assert "due" not in written
    assert "IBAN" not in written


def test_a_draft_says_that_it_is_one() -> None:
    written = text(samples.draft())
    assert "Draft – not a demand for payment" in written
    assert "Amount due" not in written
    assert "IBAN" not in written


def test_an_exempt_invoice_says_why() -> None:
    assert "No tax charged: Reverse charge, Article 196" in text(SHAPES["exempt"])


def test_a_rate_that_amounts_contain_is_told_from_one_on_top() -> None:
    written = text(samples.rich())
    assert "VAT 20% on €202.45 €40.49" in written
    assert "City levy 1.5% contained in €50.75 €0.75" in written


def test_taxes_are_named_at_lines_only_where_lines_differ() -> None:
    assert "Tax: VAT, City levy" in text(samples.rich())
    assert "Налог:" not in text(samples.russian())


def test_the_free_tier_shows_what_is_included_used_and_left() -> None:
    assert "Memory × time, rounded up to 100 ms 400,000 1,234.5 398,765.5 GB-second" in text(samples.rich())


def test_a_line_of_part_of_the_period_says_which() -> None:
    document = samples.one_line()
    half = Period(document.period.start, samples.local(date(2026, 3, 16), "Europe/Paris"))
    assert "1–15 March 2026" in text(replace(document, lines=(replace(document.lines[0], period=half),)))


def test_figures_are_never_broken() -> None:
    document = samples.blank("USD")
    line = samples.line(
        1,
        -123456789012345678,
        document,
        unit="a unit with a name as long as nobody has ever given to one",
        unit_amount=Decimal("0.123456789012345678"),
        per=Decimal(1_000_000),
    )
    written = text(samples.totalled(document, (line,)))
    assert written.count("-US$1,234,567,890,123,456.78") == 4
    assert "US$0.123456789012345678" in written


def test_users_text_is_nothing_but_text() -> None:
    document = samples.one_line()
    odd = "{nb} ⁂⁂ **bold** %s \\n\ttab"
    written = text(replace(document, lines=(replace(document.lines[0], description=odd),)))
    assert "{nb} ⁂ **bold** %s \\n tab" in written
    assert "Page 1 of 1" in written


def test_a_character_without_a_glyph_leaves_a_mark(caplog: pytest.LogCaptureFixture) -> None:
    document = replace(samples.one_line(), buyer=Party("株式会社 Acme"))
    assert "\ufffd\ufffd\ufffd\ufffd Acme" in text(document)
    assert not caplog.records


def test_another_process_in_another_place_makes_the_same_bytes() -> None:
    document = samples.rich()
    digests = {made_by(MAKE, document, PYTHONHASHSEED=seed, TZ=zone) for seed, zone in PLACES}
    assert digests == {sha256(invoice_pdf(document)).hexdigest()}


def test_what_draws_pages_is_imported_when_the_first_is_drawn() -> None:
    assert made_by(IMPORT_AND_MAKE, samples.one_line()) == "made"


def made_by(script: str, document: InvoiceDocument, **env: str) -> str:
    """What `script` says in a process of its own, given a document."""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        input=canonical(document),
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()
