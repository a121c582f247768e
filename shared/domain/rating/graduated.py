"""A price by tiers, of which each prices the units that lie in it."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from shared.domain.rating.tiered import Tiered
from shared.domain.rating.tiers import Tier


@dataclass(frozen=True, slots=True)
class Graduated(Tiered):
    """Each unit of `meter` (of `meters`, counted together) costs what the tier that it lies in says.

    A tier's flat fee is due once more than the tiers before it hold is used; that of the first one
    without any usage.
    """

    kind: ClassVar[str] = "graduated"
    applies_to: ClassVar[str] = "for what is"

    def priced(self, quantity: Fraction, after: Decimal, tier: Tier) -> Fraction | None:
        if after and quantity <= after:
            return None
        reached = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        return reached - Fraction(after)
