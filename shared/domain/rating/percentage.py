"""A share of what other prices charge."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.fields import negative, read_name, write_name
from shared.domain.rating.scope import read_scope, scope_faults, scope_text, write_scope


@dataclass(frozen=True, slots=True)
class Percentage:
    """`percent` of the unrounded charges of the earlier prices named in `of` (all, where none is named).

    Raises Rejected for a negative percentage and for a name that comes twice.
    """

    kind: ClassVar[str] = "percentage"

    percent: Decimal
    of: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        faults = (*negative("percent", self.percent), *scope_faults(self.of))
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        percent, of, name = document.decimal("percent"), read_scope(document), read_name(document)
        return document.finish(lambda: cls(percent, of, name))

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            **write_name(self.name),
            "percent": f"{self.percent:f}",
            **write_scope(self.of),
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        charged = usage.charged(self.of)
        return (
            Charge(
                meter="",
                unit="",
                description=f"{self.percent:f}% of {scope_text(self.of)}",
                quantity=charged,
                included=Decimal(0),
                billable=charged,
                unit_amount=self.percent,
                per=Decimal(100),
            ),
        )
