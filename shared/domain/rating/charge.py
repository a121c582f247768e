"""What a price sees, and what it answers."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from shared.domain.period import Period, Term

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Charge:
    """One part of what a price charges from the start of the counting period on: a line in the making.

    `part` tells the parts of one price apart (a tier, a band; "" where there is only one). `quantity` is
    cumulative, in `unit` ("" for money of the plan's currency); `billable` is what remains of it for this
    part, negative where it is given back; `flat` are the fees in it that no quantity is multiplied with.
    `price` is the name that the plan gives the price, "" where it has none.
    """

    meter: str
    unit: str
    description: str
    quantity: Fraction
    included: Decimal
    billable: Fraction
    unit_amount: Decimal
    per: Decimal
    part: str = ""
    flat: Decimal = Decimal(0)
    price: str = ""

    @property
    def amount(self) -> Fraction:
        """Exact, unrounded: the one place where an amount is divided by its `per`."""
        return self.billable * Fraction(self.unit_amount) / Fraction(self.per) + Fraction(self.flat)


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Everything a price may look at: a tenant's usage of `period`, a counting period, up to `at`.

    A price is a pure function of it, R(at) = `price.charges(cumulative)`, and always answers the same
    parts in the same order, with zeros where a part is not reached; R(period.start) is zero, so that
    parts of a period sum to the whole. That is enough for every kind: per unit, graduated, volume and
    package look at `quantities` of a meter (or of several); flat and licensed fees at how far `at` lies
    in `period`; a minimum at whether `at` is its end; percentages at `charges`, the cumulative unrounded
    charges of the prices before it in the plan; what gives back or trues up at `owed`, the same rounded
    to the currency; prices of a band or of values of dimensions at `quantities` by `Selected`.

    `term` is the part of `period` in which the plan's version is in force, None for all of it: a line for
    a part of the term is the difference of R there. `opening` is `owed` where the term begins, () where
    that is zero.
    """

    period: Period
    at: datetime
    quantities: Mapping[Any, Fraction]
    """By `selection.Key`. Who makes one knows the names of meters, and types of keys cannot be widened."""
    charges: tuple[Charge, ...] = ()
    owed: tuple[Decimal, ...] = ()
    term: Term | None = None
    opening: tuple[Decimal, ...] = ()

    @property
    def has_begun(self) -> bool:
        """Whether anything of the counting period lies before `at`."""
        return self.at > self.period.start

    @property
    def owes_fees(self) -> bool:
        """Whether a plan was in force for any of it: fees without usage are due then, once a period."""
        return self.at > (self.term.charged_from if self.term else self.period.start)

    @property
    def term_is_over(self) -> bool:
        return self.at == (self.term.end if self.term else self.period.end)

    @property
    def term_share(self) -> Fraction:
        """Which share of the seconds of the counting period the version is in force."""
        start, end = (self.term.start, self.term.end) if self.term else self.period
        length = self.period.end - self.period.start
        return Fraction((end - start) // _MICROSECOND, length // _MICROSECOND)

    def charged(self, names: Collection[str]) -> Fraction:
        """What the prices of these names (all, where there are none) charge so far, unrounded."""
        return sum((charge.amount for charge in self.of(names)), Fraction(0))

    def owed_for(self, names: Collection[str]) -> Fraction:
        """The same, of the rounded charges."""
        return sum(self._owed(self.owed, names), Fraction(0))

    def owed_in_term(self, names: Collection[str]) -> Fraction:
        """The rounded charges since the version came into force."""
        before = self._owed(self.opening, names) if self.opening else ()
        return self.owed_for(names) - sum(before, Fraction(0))

    def of(self, names: Collection[str]) -> tuple[Charge, ...]:
        """The charges of the prices of these names; all, where there are none."""
        return tuple(charge for charge in self.charges if not names or charge.price in names)

    def _owed(self, owed: tuple[Decimal, ...], names: Collection[str]) -> Iterator[Fraction]:
        for charge, due in zip(self.charges, owed, strict=True):
            if not names or charge.price in names:
                yield Fraction(due)
