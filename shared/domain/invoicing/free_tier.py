"""What of the usage on an invoice was free."""

from collections.abc import Iterable
from decimal import Decimal

from shared.domain import money
from shared.domain.invoicing.document import FreeTier
from shared.domain.period import Period
from shared.domain.rating.line import LineItem


def free_tier(items: Iterable[LineItem]) -> tuple[FreeTier, ...]:
    """What each allowance of each calendar month comes to by the end of these lines, in their order.

    After a change of plan it is that of the last one, which counts what was used before.
    """
    items = [item for item in items if item.meter and item.included > 0]
    ends: dict[tuple[Period, str], LineItem] = {}
    for item in items:
        last = ends.setdefault((item.counting, item.meter), item)
        if item.end > last.end:
            ends[item.counting, item.meter] = item
    return tuple(_free_tier(item) for item in items if item.end == ends[item.counting, item.meter].end)


def _free_tier(item: LineItem) -> FreeTier:
    used = min(Decimal(money.exact_text(item.quantity_after)), item.included)
    remaining = money.difference(item.included, used)
    return FreeTier(item.meter, item.unit, item.included, used, remaining, item.counting)
