from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel.numbers import get_currency_symbol

from shared.adapters.documents.formats import Formats
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.period import Period


def formats(locale: str = "en_GB", currency: str = "EUR", zone: str = "Europe/Paris") -> Formats:
    return Formats(locale, currency, ZoneInfo(zone))


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("locale", "currency", "amount", "text"),
    [
        ("en_GB", "EUR", "1234.50", "€1,234.50"),
        ("en_GB", "EUR", "-150.00", "-€150.00"),
        ("en_GB", "USD", "0.0000166667", "US$0.0000166667"),
        ("en_GB", "JPY", "1234567", "JP¥1,234,567"),
        ("en_GB", "KWD", "12.345", "KWD 12.345"),
        ("en_GB", "CLF", "1.2345", "CLF 1.2345"),
        ("en_GB", "GBP", "-0.00", "£0.00"),
        ("ru", "RUB", "1234567.89", "1 234 567,89 ₽"),
        ("ru", "RUB", "-16", "-16,00 ₽"),
        ("ru", "KZT", "10.00", "10,00 ₸"),
        ("ru", "JPY", "1000", "1 000 ¥"),
        ("ru", "KWD", "0.001", "0,001 KWD"),
    ],
)
def test_money_is_written_as_its_reader_does(locale: str, currency: str, amount: str, text: str) -> None:
    assert plain(formats(locale, currency).money(Decimal(amount))) == text


@pytest.mark.parametrize("locale", ["en_GB", "ru"])
def test_every_currency_has_the_digits_of_iso_4217(locale: str) -> None:
    """CLDR has other digits for some, such as none for the rial."""
    for currency, exponent in CURRENCY_EXPONENTS.items():
        smallest = Decimal((0, (1,), -exponent))
        number = "1" if exponent == 0 else "0" + (",."[locale == "en_GB"]) + "0" * (exponent - 1) + "1"
        assert number in plain(formats(locale, currency).money(smallest)), currency
        assert number + "0" not in formats(locale, currency).money(smallest)


def test_no_digit_of_the_widest_amount_is_lost() -> None:
    widest = Decimal("-12345678901234567890.123456789012345678")
    assert formats().money(widest) == "-€12,345,678,901,234,567,890.123456789012345678"


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("0", "0"),
        ("0.000", "0"),
        ("1000000", "1,000,000"),
        ("1234.500", "1,234.5"),
        ("1.23456789", "1.234568"),
        ("-15", "-15"),
        ("0.0000000004", "0.0000000004"),
        ("12345678901234567890123456789012", "12,345,678,901,234,567,890,123,456,789,012"),
    ],
)
def test_quantities_are_cut_for_reading_and_never_to_nothing(quantity: str, text: str) -> None:
    assert formats().quantity(Decimal(quantity)) == text


@pytest.mark.parametrize(
    ("percent", "text"), [("20", "20%"), ("20.00", "20%"), ("7.75", "7.75%"), ("0", "0%")]
)
def test_percentages_have_no_needless_digits(percent: str, text: str) -> None:
    assert formats().percent(Decimal(percent)) == text


def at(zone: str, *local: int) -> datetime:
    return datetime(*local, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("start", "end", "english", "russian"),
    [
        ((2026, 3, 1), (2026, 4, 1), "1–31 March 2026", "1–31 марта 2026 г."),
        ((2026, 3, 16), (2026, 4, 16), "16 March – 15 April 2026", "16 марта – 15 апреля 2026 г."),
        (
            (2025, 12, 16),
            (2026, 1, 16),
            "16 December 2025 – 15 January 2026",
            "16 декабря 2025 г. – 15 января 2026 г.",
        ),
        ((2026, 3, 1), (2026, 3, 2), "1 March 2026", "1 марта 2026 г."),
        (
            (2026, 3, 1),
            (2026, 3, 15, 12, 35),
            "1 March 2026, 00:00 – 15 March 2026, 12:35",
            "1 марта 2026 г., 00:00 – 15 марта 2026 г., 12:35",
        ),
    ],
)
@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Kathmandu", "America/New_York", "UTC"])
def test_periods_are_local_dates_both_inclusive(
    zone: str, start: tuple[int, ...], end: tuple[int, ...], english: str, russian: str
) -> None:
    period = Period(at(zone, *start), at(zone, *end))
    assert plain(formats("en_GB", zone=zone).period(period)) == english
    assert plain(formats("ru", zone=zone).period(period)) == russian


def test_a_day_that_begins_after_midnight_begins_a_period() -> None:
    """On 8 September 2019 the clocks of Santiago went from 00:00 to 01:00."""
    zone = "America/Santiago"
    period = Period(at(zone, 2019, 9, 8, 1), at(zone, 2019, 10, 1))
    assert formats(zone=zone).period(period) == "8–30 September 2019"


def test_dates_are_those_of_the_zone() -> None:
    instant = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    assert formats(zone="Europe/Paris").day(instant) == "1 April 2026"
    assert formats(zone="America/New_York").day(instant) == "31 March 2026"


def test_every_currency_has_a_sign_or_code_of_its_own() -> None:
    for locale in ("en_GB", "ru"):
        signs = [get_currency_symbol(currency, locale=locale) for currency in CURRENCY_EXPONENTS]
        assert len(set(signs)) == len(signs), locale
