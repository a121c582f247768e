"""The most that a counting period costs."""

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
class MaximumSpend:
    """Gives back what the earlier prices named in `of` (all, where none is named) charge over `maximum`.

    To the cent, at any time of the counting period. A plan that is in force for a part of it has that part
    of `maximum`, by seconds, for what it charges then. Raises Rejected for a negative maximum and for a name
    that comes twice.
    """

    kind: ClassVar[str] = "maximum_spend"

    maximum: Decimal
    of: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        faults = (*negative("maximum", self.maximum), *scope_faults(self.of))
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        maximum, of, name = document.decimal("maximum"), read_scope(document), read_name(document)
        return document.finish(lambda: cls(maximum, of, name))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            "maximum": f"{self.maximum:f}",
            **write_scope(self.of),
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        owed = usage.owed_in_term(self.of)
        left = Fraction(self.maximum) * usage.term_share - owed
        return (
            Charge(
                meter="",
                unit="",
                description=f"over the maximum of {self.maximum:f} per month for {scope_text(self.of)}",
                quantity=owed,
                included=self.maximum,
                billable=min(Fraction(0), left),
                unit_amount=Decimal(1),
                per=Decimal(1),
            ),
        )
