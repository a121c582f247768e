"""A free tier by value: free units as money, to be spent at any price."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.fields import negative, read_name, write_name
from shared.domain.rating.scope import FIELD, read_scope, scope_faults, scope_text, write_scope


@dataclass(frozen=True, slots=True)
class FreeValue:
    """Gives back what `included` units cost, but no more than the earlier prices named in `of` charge.

    That to the cent, so that what is free comes to nothing however many lines it is rounded in.
    A unit is worth what it costs in the first tier of the first of these prices, also where others charge
    more or less for it. Raises Rejected for a negative allowance, and where no price is named or one
    twice.
    """

    kind: ClassVar[str] = "free_value"

    included: Decimal
    of: tuple[str, ...]
    name: str = ""

    def __post_init__(self) -> None:
        faults = (*negative("included", self.included), *scope_faults(self.of))
        if not self.of:
            faults = (*faults, Fault(FIELD, "is missing: name the prices whose units are free"))
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        included, of, name = document.decimal("included"), read_scope(document), read_name(document)
        return document.finish(lambda: cls(included, of, name))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            "included": f"{self.included:f}",
            **write_scope(self.of),
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        first = usage.of(self.of[:1])[0]
        unit_price = Fraction(first.unit_amount) / Fraction(first.per)
        units = (
            min(Fraction(self.included), usage.owed_for(self.of) / unit_price) if unit_price else Fraction(0)
        )
        return (
            Charge(
                meter=first.meter,
                unit=first.unit,
                description=f"value of the first {self.included:,f} per month, off {scope_text(self.of)}",
                quantity=first.quantity,
                included=self.included,
                billable=-units,
                unit_amount=first.unit_amount,
                per=first.per,
            ),
        )
