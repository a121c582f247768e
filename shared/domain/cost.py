"""What usage costs: bills of a period, and the cost of a counting period so far."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from shared.domain.period import Period
from shared.domain.plan import Plan
from shared.domain.rating.line import LineItem, exact_total, total
from shared.domain.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Bill:
    """What a tenant owes for `period`, with the usage that was accepted up to `as_of`.

    One line for each part of each price in each counting period that `period` touches.
    """

    tenant: Tenant
    period: Period
    lines: tuple[LineItem, ...]
    as_of: datetime

    @property
    def currency(self) -> str:
        return self.tenant.currency

    @property
    def total(self) -> Decimal:
        """The sum of the rounded lines."""
        return total(self.lines, self.currency)

    @property
    def exact_total(self) -> Fraction:
        """The sum of the unrounded lines, for checking; never billed."""
        return exact_total(self.lines)


@dataclass(frozen=True, slots=True)
class AccruedCost:
    """The cost of a counting period so far, from all windows up to the tenant's `usage_sequence`.

    `plan` is the last one that has been in force; each line names its own.
    """

    tenant_id: UUID
    period: Period
    plan: Plan
    lines: tuple[LineItem, ...]
    usage_sequence: int
    as_of: datetime

    @property
    def currency(self) -> str:
        return self.plan.currency

    @property
    def amount(self) -> Decimal:
        return total(self.lines, self.currency)
