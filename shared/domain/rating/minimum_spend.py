"""The least that a counting period costs."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.fields import negative, read_name, write_name
from shared.domain.rating.scope import read_scope, scope_faults, scope_text, write_scope


@dataclass(frozen=True, slots=True)
class MinimumSpend:
    """What the earlier prices named in `of` (all, where none is named) lack of `minimum`, to the cent.

    Trued up only where the counting period ends. A plan that is in force for a part of it has that part of
    `minimum`, by seconds, for what it charges then, trued up where that part ends. Raises Rejected for a
    negative minimum and for a name that comes twice.
    """

    kind: ClassVar[str] = "minimum_spend"

    minimum: Decimal
    of: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        faults = (*negative("minimum", self.minimum), *scope_faults(self.of))
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        minimum, of, name = document.decimal("minimum"), read_scope(document), read_name(document)
        return document.finish(lambda: cls(minimum, of, name))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            "minimum": f"{self.minimum:f}",
            **write_scope(self.of),
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        owed = usage.owed_in_term(self.of)
        lacking = max(Fraction(0), Fraction(self.minimum) * usage.term_share - owed)
        return (
            Charge(
                meter="",
                unit="",
                description=f"up to the minimum of {self.minimum:f} per month for {scope_text(self.of)}",
                quantity=owed,
                included=Decimal(0),
                billable=lacking if usage.term_is_over else Fraction(0),
                unit_amount=Decimal(1),
                per=Decimal(1),
            ),
        )
