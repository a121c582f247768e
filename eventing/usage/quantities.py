"""JSON numbers to whole units, exactly. They come as int or Decimal, straight from their text."""

from decimal import (
    ROUND_CEILING,
    ROUND_HALF_UP,
    Clamped,
    Context,
    Decimal,
    InvalidOperation,
    Overflow,
    Rounded,
    Underflow,
)
from math import ceil

from eventing.usage.wrong import Wrong
from shared.domain.usage import MEMORY_BYTES_MAX

DIGITS_MAX = 1_000
"""Of a number, and of the zeros its exponent stands for; PostgreSQL's jsonb has such a bound as well."""

_GIGA = Decimal(10**9)
_MEBI = Decimal(2**20)
_HALF = Decimal("0.5")
_MEMORY_MIB_MAX = MEMORY_BYTES_MAX // 2**20
_ROOMY = 10**60
_QUICK = Context(prec=60, Emax=60, Emin=-60, traps=[Rounded, Clamped, Overflow, Underflow, InvalidOperation])
"""Exact, or a DecimalException: nothing is ever rounded to its precision, nor blown up by an exponent."""
_fma, _multiply = _QUICK.fma, _QUICK.multiply
_WIDE = Context(prec=3 * DIGITS_MAX, Emax=2 * DIGITS_MAX, Emin=-2 * DIGITS_MAX)


def nanoseconds(seconds: object) -> int:
    """A number of seconds in ns; what is below a nanosecond rounds half up. Raises Wrong."""
    if type(seconds) is Decimal:
        try:
            if (ns := int(_fma(seconds, _GIGA, _HALF))) > 0:
                return ns
        except ArithmeticError:
            pass
    exact = _WIDE.multiply(_checked(seconds), _GIGA)
    return int(exact.to_integral_value(ROUND_HALF_UP, _WIDE))


def memory_bytes(mebibytes: object) -> int:
    """A number of MiB in bytes; a fraction of a byte rounds up. Raises Wrong, also beyond the bound."""
    if type(mebibytes) is int and 0 <= mebibytes <= _MEMORY_MIB_MAX:
        return mebibytes * 2**20
    if type(mebibytes) is Decimal:
        try:
            if 0 < (whole := ceil(_multiply(mebibytes, _MEBI))) <= MEMORY_BYTES_MAX:
                return whole
        except ArithmeticError:
            pass
    exact = _WIDE.multiply(_checked(mebibytes), _MEBI)
    if exact > MEMORY_BYTES_MAX:
        raise Wrong(f"must be at most {_MEMORY_MIB_MAX} MiB")
    return int(exact.to_integral_value(ROUND_CEILING, _WIDE))


def _checked(number: object) -> Decimal:
    if type(number) is not int and type(number) is not Decimal:
        raise Wrong(not_a_number(number))
    if not -_ROOMY < number < _ROOMY:
        raise Wrong("is out of range")
    if number < 0:
        raise Wrong("must not be negative")
    exact = Decimal(number)
    _, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int), "a number within bounds is finite"
    if len(digits) > DIGITS_MAX or abs(exponent) > DIGITS_MAX:
        raise Wrong(f"must be written with at most {DIGITS_MAX} digits")
    return exact


def not_a_number(value: object) -> str:
    if value is None:
        return "must be a number, not null: leave the field out instead"
    if isinstance(value, str):
        return "must be a number, without quotes"
    return "must be a number"
