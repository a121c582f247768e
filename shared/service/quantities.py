"""What every meter counted from the start of a counting period on, as prices ask for it."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from shared.domain.facts import WindowFacts
from shared.domain.meters import CUSTOM, quantities
from shared.domain.quantities import Quantities, nothing
from shared.service.ports import UsageTotals


def quantities_between(
    usage: UsageTotals, tenant_id: UUID, start: datetime, end: datetime
) -> Mapping[str, Fraction]:
    """Of [start, end), on the grid and perhaps empty; good for as long as the snapshot of `usage` is.

    Custom meters are asked for one by one, as prices count them; what is not known raises Uncomputed then.
    """
    if start >= end:
        return Quantities(quantities(WindowFacts()), nothing)

    def look_up(meter: str) -> Fraction:
        return usage.custom(tenant_id, (meter.removeprefix(CUSTOM),), start, end)[meter]

    return Quantities(quantities(usage.total(tenant_id, start, end)), look_up)
