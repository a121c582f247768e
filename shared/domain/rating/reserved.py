"""Reserved capacity: a quantity that is paid for whether it is used or not, and what goes beyond it."""

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
from shared.domain.rating.proration import by_seconds


@dataclass(frozen=True, slots=True)
class Reserved:
    """`amount` for every `per` of the `quantity` units of `meter` that are committed to in a counting
    period, used or not, and `overage` for every `per` units beyond.

    The commitment accrues by seconds, like other fees; overage is due as it is used. `meters`, given
    instead of `meter`, are counted together. Raises Rejected for a meter that does not exist, negative
    amounts, and a quantity or a `per` that is not positive.
    """

    kind: ClassVar[str] = "reserved"

    meter: str
    quantity: Decimal
    amount: Decimal
    overage: Decimal
    per: Decimal = Decimal(1)
    meters: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        (meter, meters), quantity = read_meters(document), document.decimal("quantity")
        amount, overage = document.decimal("amount"), document.decimal("overage")
        per, name = document.decimal("per", default=Decimal(1)), read_name(document)
        return document.finish(lambda: cls(meter, quantity, amount, overage, per, meters, name))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            **write_meters(self.meter, self.meters),
            "quantity": f"{self.quantity:f}",
            "amount": f"{self.amount:f}",
            "overage": f"{self.overage:f}",
            "per": f"{self.per:f}",
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        counter = self.counter
        used, committed = counter.quantity(usage), Fraction(self.quantity)
        share = by_seconds(usage)
        return (
            self._charge(
                counter,
                part="reserved",
                description=(
                    f"{self.amount:f} per {counter.each(self.per)}{counter.details}"
                    f" for {self.quantity:,f} reserved per month, by its seconds"
                ),
                quantity=min(used, committed),
                billable=committed * share.passed / share.whole,
                unit_amount=self.amount,
            ),
            self._charge(
                counter,
                part="overage",
                description=(
                    f"{self.overage:f} per {counter.each(self.per)}{counter.details},"
                    f" over {self.quantity:,f} reserved per month"
                ),
                quantity=used,
                included=self.quantity,
                billable=max(Fraction(0), used - committed),
                unit_amount=self.overage,
            ),
        )

    @property
    def counter(self) -> Counter:
        return Counter.of(self.meter, self.meters)

    def _charge(
        self,
        counter: Counter,
        *,
        part: str,
        description: str,
        quantity: Fraction,
        billable: Fraction,
        unit_amount: Decimal,
        included: Decimal = Decimal(0),
    ) -> Charge:
        return Charge(
            meter=counter.name,
            unit=counter.unit,
            description=description,
            quantity=quantity,
            included=included,
            billable=billable,
            unit_amount=unit_amount,
            per=self.per,
            part=part,
        )

    def _faults(self) -> Iterator[Fault]:
        yield from meter_faults(self.meter, self.meters)
        yield from not_positive("quantity", self.quantity)
        yield from negative("amount", self.amount)
        yield from negative("overage", self.overage)
        yield from not_positive("per", self.per)
