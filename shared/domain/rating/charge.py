"""What a price sees, and what it answers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from shared.domain.period import Period


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
    to the currency; bands and spot prices at `quantities` by a key of meter and band.
    """

    period: Period
    at: datetime
    quantities: Mapping[str, Fraction]
    charges: tuple[Charge, ...] = ()
    owed: tuple[Decimal, ...] = ()

    @property
    def has_begun(self) -> bool:
        """Whether anything of the counting period lies before `at`: fees without usage are due then."""
        return self.at > self.period.start

    def charged(self, names: Collection[str]) -> Fraction:
        """What the prices of these names (all, where there are none) charge so far, unrounded."""
        return sum((charge.amount for charge in self.of(names)), Fraction(0))

    def owed_for(self, names: Collection[str]) -> Fraction:
        """The same, of the rounded charges."""
        owed = zip(self.charges, self.owed, strict=True)
        return sum((Fraction(due) for charge, due in owed if not names or charge.price in names), Fraction(0))

    def of(self, names: Collection[str]) -> tuple[Charge, ...]:
        """The charges of the prices of these names; all, where there are none."""
        return tuple(charge for charge in self.charges if not names or charge.price in names)
