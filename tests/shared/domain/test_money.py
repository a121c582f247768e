from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import (
    CURRENCY_EXPONENTS,
    INEXACT_PLACES,
    difference,
    exact_text,
    round_to_currency,
    total,
)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("100.5", "JPY", "101"),
        ("1.2345", "KWD", "1.235"),
        ("0.005", "RUB", "0.01"),
        ("0.00499999999999999999999999999999", "RUB", "0.00"),
        ("-0.005", "RUB", "-0.01"),
        ("-0.004", "RUB", "0.00"),
        ("0.00005", "CLF", "0.0001"),
        ("2.5", "KRW", "3"),
        ("-2.5", "KRW", "-3"),
        ("12345678901234567890123456789012345.675", "USD", "12345678901234567890123456789012345.68"),
    ],
)
def test_amounts_are_rounded_half_away_from_zero_to_the_minor_unit(
    amount: str, currency: str, rounded: str
) -> None:
    assert f"{round_to_currency(Fraction(amount), currency):f}" == rounded


@given(st.fractions(min_value=-(10**30), max_value=10**30), st.sampled_from(["JPY", "USD", "BHD", "UYW"]))
def test_rounding_moves_an_amount_by_at_most_half_a_minor_unit(amount: Fraction, currency: str) -> None:
    rounded = round_to_currency(amount, currency)
    assert abs(Fraction(rounded) - amount) <= Fraction(1, 2 * 10 ** CURRENCY_EXPONENTS[currency])
    assert rounded.as_tuple().exponent == -CURRENCY_EXPONENTS[currency]
    assert round_to_currency(-amount, currency) == rounded.copy_negate()


@given(st.fractions(), st.fractions(), st.sampled_from(["JPY", "USD", "BHD", "UYW"]))
def test_rounding_keeps_order(one: Fraction, other: Fraction, currency: str) -> None:
    low, high = sorted((one, other))
    assert round_to_currency(low, currency) <= round_to_currency(high, currency)


def test_every_active_currency_has_its_iso_exponent() -> None:
    assert Counter(CURRENCY_EXPONENTS.values()) == {0: 17, 2: 139, 3: 7, 4: 2}
    known = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "RUB": 2, "USD": 2, "MGA": 2, "MRU": 2, "ISK": 0}
    known |= {"UGX": 0, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4, "KZT": 2}
    assert {code: CURRENCY_EXPONENTS[code] for code in known} == known
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in CURRENCY_EXPONENTS)


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "XDR", "HRK", "SLL", "ZWL", "ANG", "BGN", "rub", ""])
def test_what_is_no_active_money_is_not_a_currency(code: str) -> None:
    assert code not in CURRENCY_EXPONENTS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(1200), "1200"),
        (Fraction(1, 2**40), "0.0000000000009094947017729282379150390625"),
        (Fraction("0.04420309665975"), "0.04420309665975"),
        (Fraction(1, 3), "0." + "3" * 18),
        (Fraction(2, 3), "0." + "6" * 17 + "7"),
        (Fraction(-10, 3), "-3." + "3" * 18),
        (Fraction(10**40, 3), "3" * 40 + "." + "3" * 18),
    ],
)
def test_exact_text_has_every_digit_or_the_stated_number(value: Fraction, text: str) -> None:
    assert exact_text(value) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20))
def test_exact_text_of_a_decimal_is_that_decimal(value: Decimal) -> None:
    assert Decimal(exact_text(Fraction(value))) == value
    assert "E" not in exact_text(Fraction(value))


@given(st.fractions())
def test_exact_text_is_off_by_at_most_half_of_its_last_digit(value: Fraction) -> None:
    assert abs(Fraction(exact_text(value)) - value) <= Fraction(1, 2 * 10**INEXACT_PLACES)


def test_sums_and_differences_keep_digits_beyond_the_default_precision() -> None:
    huge = Decimal("99999999999999999999999999999999.99")
    assert total([huge, Decimal("0.01")], "USD") == Decimal(10**32)
    assert difference(Decimal(10**32), huge) == Decimal("0.01")
    assert f"{total([], 'USD'):f}" == "0.00"
    assert f"{total([], 'JPY'):f}" == "0"
