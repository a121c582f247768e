"""Numbers: the rounding of money, and how an exact amount is written."""

from fractions import Fraction

PLACES = 18
"""Digits after the point of an amount that has no end."""


def rounded(amount: Fraction, digits: int) -> Fraction:
    """To so many digits after the point, half away from zero."""
    size = int(abs(amount) * 10**digits + Fraction(1, 2))
    return Fraction(size if amount >= 0 else -size, 10**digits)


def written(amount: Fraction) -> Fraction:
    """What can be read of an exact amount: all of it, or PLACES digits where it has no end."""
    rest = amount.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return amount if rest == 1 else rounded(amount, PLACES)
