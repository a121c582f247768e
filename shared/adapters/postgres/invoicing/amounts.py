"""Amounts of money as the tables of invoices have them."""

from decimal import Decimal
from fractions import Fraction

from shared.domain import money


def in_currency(amount: Decimal, currency: str) -> Decimal:
    """With as many digits after the point as the currency has: the column adds zeros."""
    exact = money.round_to_currency(Fraction(amount), currency)
    assert exact == amount, "an amount in the books is one of its currency"
    return exact
