"""The price of each unit of a meter."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.counter import Counter, meter_faults, read_meters, write_meters
from shared.domain.rating.fields import negative, not_positive, read_name, write_name
from shared.domain.rating.selection import ALL, Selection, read_selection, write_selection


@dataclass(frozen=True, slots=True)
class PerUnit:
    """`amount` for every `per` units of `meter` beyond the first `included` of each counting period.

    All as published; the price of one unit is never rounded, since amount ÷ per is taken once, on the
    billable quantity. What is included counts once for the whole account. `meters`, given instead of
    `meter`, are counted together; of all of them only what `selection` says. Raises Rejected for a meter that
    does not exist, a negative amount or allowance, or a `per` that is not positive.
    """

    kind: ClassVar[str] = "per_unit"

    meter: str
    amount: Decimal
    per: Decimal = Decimal(1)
    included: Decimal = Decimal(0)
    meters: tuple[str, ...] = ()
    name: str = ""
    selection: Selection = ALL

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        (meter, meters), amount = read_meters(document), document.decimal("amount")
        per = document.decimal("per", default=Decimal(1))
        included = document.decimal("included", default=Decimal(0))
        name, selection = read_name(document), read_selection(document)
        return document.finish(lambda: cls(meter, amount, per, included, meters, name, selection))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            **write_meters(self.meter, self.meters),
            **write_selection(self.selection),
            "amount": f"{self.amount:f}",
            "per": f"{self.per:f}",
            "included": f"{self.included:f}",
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        counter = self.counter
        quantity = counter.quantity(usage)
        return (
            Charge(
                meter=counter.name,
                unit=counter.unit,
                description=self._description(counter),
                quantity=quantity,
                included=self.included,
                billable=max(Fraction(0), quantity - Fraction(self.included)),
                unit_amount=self.amount,
                per=self.per,
                part=counter.part(),
            ),
        )

    @property
    def counter(self) -> Counter:
        return Counter.of(self.meter, self.meters, self.selection)

    def _description(self, counter: Counter) -> str:
        beyond = f", after {self.included:,f} included per month" if self.included else ""
        return f"{self.amount:f} per {counter.each(self.per)}{counter.details}{beyond}"

    def _faults(self) -> Iterator[Fault]:
        yield from meter_faults(self.meter, self.meters)
        yield from negative("amount", self.amount)
        yield from negative("included", self.included)
        yield from not_positive("per", self.per)
