"""Taxes on the lines of an invoice: rounded once for each rate."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from shared.domain import money
from shared.domain.invoicing.document import TaxLine
from shared.domain.invoicing.parties import TaxRate
from shared.domain.period import Period
from shared.domain.rating.breakdown import allot

_WHOLE: Final = 100
_INSTANT: Final = timedelta(microseconds=1)


class Rate(NamedTuple):
    """`percent` on top of an amount, or contained in it where `inclusive`."""

    name: str
    percent: Decimal
    inclusive: bool = False


Rates = tuple[Rate, ...]


class Taxed(NamedTuple):
    """`net` is what lines come to without any tax, `net` + `tax_total` what they come to with it."""

    net: Decimal
    taxes: tuple[TaxLine, ...]
    tax_total: Decimal


def rates_at_end(rates: Iterable[TaxRate], period: Period) -> Rates:
    """Those that are valid at the last instant of the period, by name."""
    last = period.end - _INSTANT
    return tuple(sorted(Rate(r.name, r.percent, r.inclusive) for r in rates if r.is_valid(last)))


def taxed(lines: Iterable[tuple[Decimal, Rates]], currency: str) -> Taxed:
    """The taxes on rounded amounts, each with the rates that it is under.

    The base of an inclusive rate is what its lines sum to; that of another what remains of them without the
    taxes contained in them, since no tax is taken on a tax. Each tax is rounded once, half away from zero;
    where several are contained in the same lines, their sum is, and allotted.
    """
    bases: dict[Rate, list[Decimal]] = {}
    contained: dict[Rate, list[Decimal]] = {}
    nets: list[Decimal] = []
    for rates, gross in _by_rates(lines, currency).items():
        within = _contained(gross, [rate for rate in rates if rate.inclusive], currency)
        net = money.difference(gross, money.total(within.values(), currency))
        nets.append(net)
        for rate in rates:
            bases.setdefault(rate, []).append(gross if rate.inclusive else net)
            contained.setdefault(rate, []).append(within.get(rate, Decimal(0)))
    names = labels(bases)
    taxes = tuple(
        _tax_line(names[rate], rate, money.total(base, currency), contained[rate], currency)
        for rate, base in bases.items()
    )
    tax_total = money.total((tax.amount for tax in taxes), currency)
    return Taxed(money.total(nets, currency), taxes, tax_total)


def labels(rates: Iterable[Rate]) -> Mapping[Rate, str]:
    """What each is called on a document: its name, and its percentage where several have the same name."""
    rates = set(rates)
    names = Counter(rate.name for rate in rates)
    return {rate: rate.name if names[rate.name] == 1 else _full_name(rate) for rate in rates}


def _full_name(rate: Rate) -> str:
    return f"{rate.name} {rate.percent:f} %{' (included)' if rate.inclusive else ''}"


def _by_rates(lines: Iterable[tuple[Decimal, Rates]], currency: str) -> Mapping[Rates, Decimal]:
    sums: dict[Rates, list[Decimal]] = {}
    for amount, rates in lines:
        sums.setdefault(rates, []).append(amount)
    return {rates: money.total(amounts, currency) for rates, amounts in sums.items()}


def _contained(gross: Decimal, inclusive: list[Rate], currency: str) -> Mapping[Rate, Decimal]:
    """Of `gross`, what each of the rates contained in it comes to."""
    percents = [Fraction(rate.percent) for rate in inclusive]
    percent = sum(percents, Fraction(0))
    if not percent:
        return {}
    tax = money.round_to_currency(Fraction(gross) * percent / (_WHOLE + percent), currency)
    return dict(zip(inclusive, allot(tax, percents, currency), strict=True))


def _tax_line(name: str, rate: Rate, base: Decimal, contained: list[Decimal], currency: str) -> TaxLine:
    exact = Fraction(base) * Fraction(rate.percent) / _WHOLE
    amount = money.total(contained, currency) if rate.inclusive else money.round_to_currency(exact, currency)
    return TaxLine(name, rate.percent, rate.inclusive, base, amount)
