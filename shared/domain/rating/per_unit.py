"""The price of each unit of a meter."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.meters import METERS, Meter
from shared.domain.rating.charge import Charge, Cumulative


@dataclass(frozen=True, slots=True)
class PerUnit:
    """`amount` for every `per` units of `meter` beyond the first `included` of each counting period.

    All as published; the price of one unit is never rounded, since amount ÷ per is taken once, on the
    billable quantity. What is included counts once for the whole account. Raises Rejected for a meter
    that does not exist, a negative amount or allowance, or a `per` that is not positive.
    """

    kind: ClassVar[str] = "per_unit"

    meter: str
    amount: Decimal
    per: Decimal = Decimal(1)
    included: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        meter, amount = document.text("meter"), document.decimal("amount")
        per = document.decimal("per", default=Decimal(1))
        included = document.decimal("included", default=Decimal(0))
        return document.finish(lambda: cls(meter, amount, per, included))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "meter": self.meter,
            "amount": f"{self.amount:f}",
            "per": f"{self.per:f}",
            "included": f"{self.included:f}",
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        meter = METERS[self.meter]
        quantity = usage.quantities[self.meter]
        billable = max(Fraction(0), quantity - Fraction(self.included))
        return (
            Charge(
                meter=meter.name,
                unit=meter.unit,
                description=self._description(meter),
                quantity=quantity,
                included=self.included,
                billable=billable,
                unit_amount=self.amount,
                per=self.per,
                amount=billable * Fraction(self.amount) / Fraction(self.per),
            ),
        )

    def _description(self, meter: Meter) -> str:
        each = meter.unit if self.per == 1 else f"{self.per:,f} {meter.units}"
        rounding = f" ({meter.rounding})" if meter.rounding else ""
        beyond = f", after {self.included:,f} included per month" if self.included else ""
        return f"{self.amount:f} per {each}{rounding}{beyond}"

    def _faults(self) -> Iterator[Fault]:
        if self.meter not in METERS:
            yield Fault("meter", f"no such meter; known are {', '.join(METERS)}")
        for name, value in (("amount", self.amount), ("included", self.included)):
            if not (value.is_finite() and value >= 0):
                yield Fault(name, "must not be negative")
        if not (self.per.is_finite() and self.per > 0):
            yield Fault("per", "must be more than zero")
