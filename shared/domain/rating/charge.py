"""What a price sees, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from shared.domain.period import Period


@dataclass(frozen=True, slots=True)
class Charge:
    """One part of what a price charges from the start of the counting period on: a line in the making.

    `part` tells the parts of one price apart (a tier, a band; "" where there is only one). `quantity` is
    cumulative, in `unit`; `billable` is what remains of it for this part; `amount` is exact, unrounded.
    """

    meter: str
    unit: str
    description: str
    quantity: Fraction
    included: Decimal
    billable: Fraction
    unit_amount: Decimal
    per: Decimal
    amount: Fraction
    part: str = ""


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Everything a price may look at: a tenant's usage of `period`, a counting period, up to `at`.

    A price is a pure function of it, R(at) = `price.charges(cumulative)`, and always answers the same
    parts in the same order, with zeros where a part is not reached. That is enough for every kind:
    per unit, graduated, volume and package look at `quantities` of a meter (or of several); flat and
    licensed fees at how far `at` lies in `period`; a minimum at whether `at` is its end; percentages,
    minimum and maximum spend at `charges`, the cumulative unrounded charges of the prices before it in
    the plan; bands and spot prices at `quantities` by a key of meter and band.
    """

    period: Period
    at: datetime
    quantities: Mapping[str, Fraction]
    charges: tuple[Charge, ...] = ()
