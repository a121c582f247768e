"""A fee for each counting period, whatever is used."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Final, Self

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.fields import negative, read_name, write_name

_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND_US: Final = 10**6


@dataclass(frozen=True, slots=True)
class Flat:
    """`amount` for a counting period, accruing evenly by its seconds. Raises Rejected where negative."""

    kind: ClassVar[str] = "flat"

    amount: Decimal
    name: str = ""

    def __post_init__(self) -> None:
        faults = tuple(negative("amount", self.amount))
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        amount, name = document.decimal("amount"), read_name(document)
        return document.finish(lambda: cls(amount, name))

    def to_dict(self) -> dict[str, object]:
        return {"kind": self.kind, **write_name(self.name), "amount": f"{self.amount:f}"}

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        start, end = usage.period
        elapsed_s = _seconds(usage.at - start)
        return (
            Charge(
                meter="",
                unit="second",
                description=f"{self.amount:f} per month, by its seconds",
                quantity=elapsed_s,
                included=Decimal(0),
                billable=elapsed_s,
                unit_amount=self.amount,
                per=Decimal((end - start) // timedelta(seconds=1)),
            ),
        )


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // _MICROSECOND, _SECOND_US)
