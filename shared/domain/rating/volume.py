"""A price by tiers, of which one prices all units."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from shared.domain.rating.tiered import Tiered
from shared.domain.rating.tiers import Tier


@dataclass(frozen=True, slots=True)
class Volume(Tiered):
    """All units of `meter` (of `meters`, counted together) cost what the tier says that their sum lies in.

    With its flat fee, that of the first tier without any usage. Where usage moves on to another tier, the
    line of the one left gives back what it charged before: the total may fall.
    """

    kind: ClassVar[str] = "volume"
    applies_to: ClassVar[str] = "for all where they are"

    def priced(self, quantity: Fraction, after: Decimal, tier: Tier) -> Fraction | None:
        is_below = bool(after) and quantity <= after
        is_beyond = tier.up_to is not None and quantity > tier.up_to
        return None if is_below or is_beyond else quantity
