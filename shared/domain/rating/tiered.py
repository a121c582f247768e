"""What prices by tiers have in common: their fields, and a part for each tier."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.counter import Counter, meter_faults, read_meters, write_meters
from shared.domain.rating.fields import read_name, write_name
from shared.domain.rating.selection import ALL, Selection, read_selection, write_selection
from shared.domain.rating.tiers import Tier, read_tiers, spans, tier_faults, tier_price, tier_text


@dataclass(frozen=True, slots=True)
class Tiered(ABC):
    """Of the meters, only what `selection` says is counted. Raises Rejected for unknown meters, for meters
    of different units, and for tiers that do not follow each other up to an open last one."""

    kind: ClassVar[str]
    applies_to: ClassVar[str]
    """What a tier is for, in words."""

    meter: str
    tiers: tuple[Tier, ...]
    meters: tuple[str, ...] = ()
    name: str = ""
    selection: Selection = ALL

    def __post_init__(self) -> None:
        faults = (*meter_faults(self.meter, self.meters), *tier_faults(self.tiers))
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        (meter, meters), tiers = read_meters(document), read_tiers(document)
        name, selection = read_name(document), read_selection(document)
        return document.finish(lambda: cls(meter, tiers, meters, name, selection))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            **write_meters(self.meter, self.meters),
            **write_selection(self.selection),
            "tiers": [tier.to_dict() for tier in self.tiers],
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        return tuple(
            self._charge(f"tier {number}", after, tier, usage)
            for number, (after, tier) in enumerate(spans(self.tiers), start=1)
        )

    @property
    def counter(self) -> Counter:
        return Counter.of(self.meter, self.meters, self.selection)

    @abstractmethod
    def priced(self, quantity: Fraction, after: Decimal, tier: Tier) -> Fraction | None:
        """How many of `quantity` units the tier prices, which begins `after`; None where it is unreached."""

    def _charge(self, part: str, after: Decimal, tier: Tier, usage: Cumulative) -> Charge:
        counter = self.counter
        quantity = counter.quantity(usage)
        priced = self.priced(quantity, after, tier)
        fee_is_due = priced is not None and (bool(after) or usage.owes_fees)
        return Charge(
            meter=counter.name,
            unit=counter.unit,
            description=f"{tier_price(tier, counter)}, {self.applies_to} {tier_text(after, tier)}",
            quantity=quantity,
            included=Decimal(0),
            billable=priced or Fraction(0),
            unit_amount=tier.amount,
            per=tier.per,
            part=counter.part(part),
            flat=tier.flat if fee_is_due else Decimal(0),
        )
