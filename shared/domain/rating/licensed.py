"""Seats and other licences: a fee for each of so many, whatever is used."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Final, Self

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.fields import negative, read_name, write_name
from shared.domain.rating.proration import PRORATIONS

_SECONDS: Final = "seconds"
_IN_WORDS: Final = {
    "seconds": "by the seconds of the month",
    "days": "by the days of the month",
    "fixed_30": "by days of a month of 30",
}


@dataclass(frozen=True, slots=True)
class Licensed:
    """`amount` for each of `quantity` seats in a counting period, accruing by `prorated_by`.

    Raises Rejected for a negative quantity or amount, and for a way to prorate that there is not.
    """

    kind: ClassVar[str] = "licensed"

    quantity: Decimal
    amount: Decimal
    prorated_by: str = _SECONDS
    name: str = ""

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        quantity, amount = document.decimal("quantity"), document.decimal("amount")
        is_given = document.value("prorated_by") is not None
        prorated_by = document.text("prorated_by") if is_given else _SECONDS
        name = read_name(document)
        return document.finish(lambda: cls(quantity, amount, prorated_by, name))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            "quantity": f"{self.quantity:f}",
            "amount": f"{self.amount:f}",
            "prorated_by": self.prorated_by,
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        share = PRORATIONS[self.prorated_by](usage)
        accrued = share.passed * Fraction(self.quantity)
        return (
            Charge(
                meter="",
                unit=f"seat-{share.unit}",
                description=(
                    f"{self.amount:f} per seat and month for {self.quantity:,f},"
                    f" {_IN_WORDS[self.prorated_by]}"
                ),
                quantity=accrued,
                included=Decimal(0),
                billable=accrued,
                unit_amount=self.amount,
                per=Decimal(share.whole),
            ),
        )

    def _faults(self) -> Iterator[Fault]:
        yield from negative("quantity", self.quantity)
        yield from negative("amount", self.amount)
        if self.prorated_by not in PRORATIONS:
            yield Fault("prorated_by", f"must be one of {', '.join(PRORATIONS)}")
