"""What bills and explanations need of the windows, as protocols; `shared/adapters` fulfils them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from shared.domain.facts import WindowFacts

if TYPE_CHECKING:  # the aggregator, which asks for windows only, starts a twentieth sooner without
    from fractions import Fraction

    from shared.domain.period import Period
    from shared.domain.rating.selection import Where


class UsageTotals(Protocol):
    """What tenants used, in one snapshot of the windows."""

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        """All that [start, end), on the grid, holds; without the sketch, which nothing is billed by."""

    def custom(
        self, tenant_id: UUID, names: Collection[str], start: datetime, end: datetime
    ) -> "Mapping[str, Fraction]":
        """What the custom meters of these names count in it, by `custom.<name>`; raises Uncomputed."""

    def ordered(self, tenant_id: UUID, name: str, start: datetime, end: datetime) -> "Sequence[Fraction]":
        """The ledger of the custom meter of this name, in order; raises Uncomputed."""

    def select(
        self,
        tenant_id: UUID,
        spans: "Sequence[Period]",
        meter: str,
        where: "Where",
        *,
        in_parts: bool = False,
    ) -> "Fraction":
        """What a meter, built in or custom, counts in spans on the grid, at least one, in order and apart
        from each other, by series of these values of dimensions.

        `in_parts`: they are parts of a time that a price counts together. Raises Rejected where a dimension
        is not declared for all of it, naming the first instant from which it is, and for a meter that no
        sum over parts has; Uncomputed where it is not known yet.
        """


class UsageReader(Protocol):
    def snapshot(self) -> AbstractContextManager[UsageTotals]:
        """Every total inside the block sees the same windows."""
