from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.domain.invoicing.numbers import Series, counter_of, number_text
from shared.domain.invoicing.parties import BillingEntity

SELLER = BillingEntity(
    id=UUID(int=3),
    name="seller",
    legal_name="ООО «Функции»",
    address=(),
    tax_ids=(),
    country="RU",
    timezone="Europe/Moscow",
    invoice_prefix="INV-",
    credit_note_prefix="CN-",
    grace_s=3_600,
    payment_terms_days=14,
    bank_details=(),
    email="",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("issued_at", "year"), [("2026-12-31T20:59:59.999999Z", 2026), ("2026-12-31T21:00:00Z", 2027)]
)
def test_numbers_begin_anew_with_the_year_of_the_seller_s_zone(issued_at: str, year: int) -> None:
    assert counter_of(SELLER, Series.INVOICE, datetime.fromisoformat(issued_at)).year == year


@pytest.mark.parametrize(
    ("series", "number", "text"),
    [
        (Series.INVOICE, 42, "INV-2026-000042"),
        (Series.CREDIT_NOTE, 1, "CN-2026-000001"),
        (Series.INVOICE, 1_234_567, "INV-2026-1234567"),
    ],
)
def test_a_number_names_its_series_and_year(series: Series, number: int, text: str) -> None:
    counter = counter_of(SELLER, series, datetime(2026, 6, 1, tzinfo=UTC))
    assert counter == (SELLER.id, series, 2026)
    assert number_text(SELLER, counter, number) == text
