"""Money: the currencies of ISO 4217, the one rounding, and exact amounts as text."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Final

_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED
    VES WST XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

CURRENCY_EXPONENTS: Final[Mapping[str, int]] = {
    code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}
"""Digits after the point by currency: every active code of ISO 4217 list one (August 2026) that has a
minor unit. Metals, funds without one and the test codes are no money to bill in."""

_EXACT: Final = Context(prec=1_000, traps=[Inexact])
"""Decimal's own default would round a sum to 28 digits."""

INEXACT_PLACES: Final = 18
"""Digits after the point of `exact_text` where the exact value has no end."""


def round_to_currency(amount: Fraction, currency: str) -> Decimal:
    """`amount` to the currency's minor unit, half away from zero: the only rounding of money there is.

    The result has exactly as many digits after the point as the currency.
    """
    return _round_half_away(amount, CURRENCY_EXPONENTS[currency])


def difference(minuend: Decimal, subtrahend: Decimal) -> Decimal:
    """`minuend` - `subtrahend`, exactly."""
    return _EXACT.subtract(minuend, subtrahend)


def total(amounts: Iterable[Decimal], currency: str) -> Decimal:
    """The exact sum of `amounts` of one currency."""
    summed = Decimal((0, (0,), -CURRENCY_EXPONENTS[currency]))
    for amount in amounts:
        summed = _EXACT.add(summed, amount)
    return summed


def exact_text(value: Fraction) -> str:
    """`value` in decimal notation, for reading.

    All its digits and no trailing zeros where it terminates; else rounded half away from zero to
    INEXACT_PLACES digits after the point, trailing zeros kept.
    """
    places = _places(value.denominator)
    return f"{_round_half_away(value, INEXACT_PLACES if places is None else places):f}"


def _round_half_away(value: Fraction, places: int) -> Decimal:
    magnitude = (abs(value.numerator) * 10**places * 2 + value.denominator) // (2 * value.denominator)
    # Built from digits, since Decimal's arithmetic would round to the context's precision.
    digits = tuple(map(int, str(magnitude)))
    return Decimal((1 if value < 0 and magnitude else 0, digits, -places))


def _places(denominator: int) -> int | None:
    """How many digits after the point a fraction in lowest terms needs; None where they have no end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None
