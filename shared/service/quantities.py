"""What every meter counted from the start of a counting period on, as prices ask for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.facts import WindowFacts
from shared.domain.meters import CUSTOM, quantities
from shared.domain.period import Period
from shared.domain.quantities import Quantities, nothing
from shared.domain.rating.selection import Key, Selection
from shared.service.reading_ports import UsageTotals


def quantities_between(
    usage: UsageTotals, tenant_id: UUID, start: datetime, end: datetime, zone: ZoneInfo
) -> Mapping[str, Fraction]:
    """Of [start, end), on the grid and perhaps empty; good for as long as the snapshot of `usage` is. Bands
    are of `zone`.

    Custom meters and parts of meters are asked for one by one, as prices count them; what is not known
    raises Uncomputed then.
    """
    if start >= end:
        return Quantities(quantities(WindowFacts()), nothing)

    def look_up(key: Key) -> Fraction:
        if isinstance(key, str):
            return usage.custom(tenant_id, (key.removeprefix(CUSTOM),), start, end)[key]
        spans = spans_of(key.selection, start, end, zone)
        if not spans:
            return Fraction(0)
        return usage.select(tenant_id, spans, key.meter, key.where, in_parts=key.band is not None)

    def entries(meter: str) -> Sequence[Fraction]:
        return usage.ordered(tenant_id, meter.removeprefix(CUSTOM), start, end)

    return Quantities(quantities(usage.total(tenant_id, start, end)), look_up, entries)


def spans_of(selection: Selection, start: datetime, end: datetime, zone: ZoneInfo) -> tuple[Period, ...]:
    """What of [start, end) a price counts of, in order; none where nothing of its band lies in it."""
    if selection.band is None:
        return (Period(start, end),)
    return tuple(selection.band.spans(start, end, zone))
