"""The price of each started package of units."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.counter import Counter, meter_faults
from shared.domain.rating.fields import negative, not_positive, read_name, write_name
from shared.domain.rating.selection import ALL, Selection, read_selection, write_selection


@dataclass(frozen=True, slots=True)
class Package:
    """`amount` for every started package of `size` units of `meter` beyond the first `included`.

    Of the meter, only what `selection` says is counted. Packages are those of the counting period: what is
    left of one is used up first. Raises Rejected for a meter that does not exist, a negative amount or
    allowance, or a size that is not positive.
    """

    kind: ClassVar[str] = "package"

    meter: str
    amount: Decimal
    size: Decimal
    included: Decimal = Decimal(0)
    name: str = ""
    selection: Selection = ALL

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        meter, amount, size = document.text("meter"), document.decimal("amount"), document.decimal("size")
        included = document.decimal("included", default=Decimal(0))
        name, selection = read_name(document), read_selection(document)
        return document.finish(lambda: cls(meter, amount, size, included, name, selection))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            "meter": self.meter,
            **write_selection(self.selection),
            "amount": f"{self.amount:f}",
            "size": f"{self.size:f}",
            "included": f"{self.included:f}",
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        counter = self.counter
        quantity = counter.quantity(usage)
        beyond = max(Fraction(0), quantity - Fraction(self.included))
        return (
            Charge(
                meter=counter.name,
                unit=counter.unit,
                description=self._description(counter),
                quantity=quantity,
                included=self.included,
                billable=ceil(beyond / Fraction(self.size)) * Fraction(self.size),
                unit_amount=self.amount,
                per=self.size,
                part=counter.part(),
            ),
        )

    @property
    def counter(self) -> Counter:
        return Counter.of(self.meter, selection=self.selection)

    def _description(self, counter: Counter) -> str:
        beyond = f", after {self.included:,f} included per month" if self.included else ""
        started = f"{self.amount:f} per started package of {counter.many(self.size)}"
        return f"{started}{counter.details}{beyond}"

    def _faults(self) -> Iterator[Fault]:
        yield from meter_faults(self.meter)
        yield from negative("amount", self.amount)
        yield from not_positive("size", self.size)
        yield from negative("included", self.included)
