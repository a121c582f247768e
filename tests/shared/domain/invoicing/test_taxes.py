from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.invoicing.parties import TaxRate
from shared.domain.invoicing.taxes import Rate, Rates, rates_at_end, taxed
from shared.domain.money import CURRENCY_EXPONENTS
from tests.shared.domain.rating.any_plan import CURRENCIES
from tests.shared.domain.rating.entered import MONTH

VAT, CITY = Rate("VAT", Decimal(20)), Rate("city", Decimal("1.25"))
GST, PST = Rate("GST", Decimal(5), inclusive=True), Rate("PST", Decimal(7), inclusive=True)


def amounts(lines: Sequence[tuple[str, Rates]], currency: str = "USD") -> dict[str, str]:
    result = taxed([(Decimal(amount), rates) for amount, rates in lines], currency)
    return {"net": f"{result.net:f}", **{tax.name: f"{tax.amount:f}" for tax in result.taxes}}


def test_a_tax_is_taken_once_on_the_sum_of_the_lines() -> None:
    thirds = [("0.33", (VAT,))] * 3
    assert amounts(thirds) == {"net": "0.99", "VAT": "0.20"}
    assert amounts([("0.33", (VAT,))]) == {"net": "0.33", "VAT": "0.07"}


@pytest.mark.parametrize(
    ("currency", "amount", "tax"),
    [
        ("JPY", "1002.5", "201"),
        ("USD", "0.125", "0.03"),
        ("USD", "-0.125", "-0.03"),
        ("KWD", "1.0025", "0.201"),
    ],
)
def test_half_of_the_last_digit_is_rounded_away_from_zero(currency: str, amount: str, tax: str) -> None:
    (line,) = taxed([(Decimal(amount), (VAT,))], currency).taxes
    assert f"{line.amount:f}" == tax


def test_an_inclusive_tax_is_contained_in_the_lines() -> None:
    result = taxed([(Decimal("105.00"), (GST,))], "USD")
    assert (result.net, result.tax_total) == (Decimal("100.00"), Decimal("5.00"))
    assert result.taxes[0].base == Decimal("105.00")


def test_two_inclusive_taxes_are_taken_out_together_and_split() -> None:
    assert amounts([("112.00", (GST, PST))]) == {"net": "100.00", "GST": "5.00", "PST": "7.00"}
    assert amounts([("0.10", (GST, PST))]) == {"net": "0.09", "GST": "0.00", "PST": "0.01"}


def test_two_equal_inclusive_taxes_are_no_more_than_they_are_together() -> None:
    same = Rate("same", Decimal(5), inclusive=True)
    result = taxed([(Decimal("0.10"), (same, Rate("other", Decimal(5), inclusive=True)))], "USD")
    assert result.tax_total == Decimal("0.01")


def test_two_taxes_on_top_are_both_on_the_net_amount() -> None:
    assert amounts([("80.00", (CITY, VAT))]) == {"net": "80.00", "city": "1.00", "VAT": "16.00"}


def test_no_tax_is_taken_on_a_tax_that_the_price_contains() -> None:
    result = taxed([(Decimal("105.00"), (GST, VAT))], "USD")
    assert [(tax.name, tax.base, tax.amount) for tax in result.taxes] == [
        ("GST", Decimal("105.00"), Decimal("5.00")),
        ("VAT", Decimal("100.00"), Decimal("20.00")),
    ]
    assert result.net + result.tax_total == Decimal("125.00")


def test_lines_of_another_time_keep_their_rate_and_its_name_tells_it_apart() -> None:
    old = Rate("VAT", Decimal("18.0"))
    assert amounts([("100.00", (VAT,)), ("-10.00", (old,))]) == {
        "net": "90.00",
        "VAT 20 %": "20.00",
        "VAT 18.0 %": "-1.80",
    }


def test_without_rates_there_is_no_tax() -> None:
    assert amounts([("10.00", ())]) == {"net": "10.00"}
    assert amounts([]) == {"net": "0.00"}


def test_a_rate_of_nothing_is_shown_with_its_base() -> None:
    for inclusive in (False, True):
        result = taxed([(Decimal("10.00"), (Rate("export", Decimal(0), inclusive),))], "USD")
        assert (result.taxes[0].base, result.taxes[0].amount) == (Decimal("10.00"), Decimal("0.00"))
        assert result.net == Decimal("10.00")


def test_the_rates_of_an_invoice_are_those_at_the_last_instant_of_its_period() -> None:
    def rate(name: str, valid_from: datetime | None, valid_until: datetime | None) -> TaxRate:
        return TaxRate(UUID(int=1), UUID(int=2), name, Decimal(1), False, valid_from, valid_until)

    middle, later = MONTH.start + timedelta(days=9), MONTH.end + timedelta(days=9)
    rates = [
        rate("over", None, middle),
        rate("until the end", middle, MONTH.end),
        rate("since the middle", middle, None),
        rate("always", None, None),
        rate("from the end on", MONTH.end, later),
    ]
    assert [valid.name for valid in rates_at_end(rates, MONTH)] == [
        "always", "since the middle", "until the end"
    ]  # fmt: skip
    assert MONTH.end.tzinfo is UTC


percents = st.decimals(0, 100, places=3)
rates = st.builds(Rate, st.sampled_from(["a", "b", "c"]), percents, st.booleans())
rate_sets = st.lists(rates, max_size=3, unique_by=lambda rate: rate.name).map(
    lambda some: tuple(sorted(some))
)


@given(st.lists(st.tuples(st.integers(-(10**7), 10**7), rate_sets), max_size=6), st.sampled_from(CURRENCIES))
def test_taxes_have_the_digits_of_the_currency_and_are_what_their_percentage_says(
    lines: list[tuple[int, Rates]], currency: str
) -> None:
    digits = CURRENCY_EXPONENTS[currency]
    unit = Decimal(1).scaleb(-digits)
    result = taxed([(units * unit, rates) for units, rates in lines], currency)
    for tax in result.taxes:
        assert tax.amount.as_tuple().exponent == -digits
        if not tax.inclusive:
            exact = Fraction(tax.base) * Fraction(tax.percent) / 100
            assert abs(Fraction(tax.amount) - exact) <= Fraction(unit) / 2
    inclusive = sum((tax.amount for tax in result.taxes if tax.inclusive), Decimal(0))
    assert result.net + inclusive == sum((units * unit for units, _ in lines), Decimal(0))
