"""Amounts of money that somebody names."""

from decimal import Decimal
from fractions import Fraction

from shared.domain.errors import Fault, Rejected
from shared.domain.money import CURRENCY_EXPONENTS


def amount_faults(field: str, amount: Decimal, currency: str) -> tuple[Fault, ...]:
    """What is wrong with an amount to be paid, credited or granted, if anything is."""
    digits = CURRENCY_EXPONENTS[currency]
    if not amount.is_finite() or amount <= 0:
        return (Fault(field, "must be more than zero"),)
    if (Fraction(amount) * 10**digits).denominator != 1:
        return (Fault(field, f"must have at most {digits} digits after the point, as {currency} has"),)
    return ()


def check_amount(field: str, amount: Decimal, currency: str) -> None:
    """Raises Rejected where `amount_faults` finds any."""
    if faults := amount_faults(field, amount, currency):
        raise Rejected(*faults)
