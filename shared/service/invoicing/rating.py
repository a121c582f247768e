"""What a tenant's usage costs on an invoice, and what of each line falls to which of its services."""

from collections.abc import Hashable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from shared.domain import money
from shared.domain.invoicing.basis import UsageBasis
from shared.domain.invoicing.document import Share
from shared.domain.invoicing.lines import RatedLine, document_shares, has_happened
from shared.domain.period import Period, counting_periods
from shared.domain.rating.breakdown import PricedLine, breakdowns, keys_of, line_prices
from shared.domain.rating.line import LineItem
from shared.domain.rating.rate import rate_segment
from shared.domain.segments import Segment, segments
from shared.service.billing import used_in
from shared.service.explain import LEVELS_DEFAULT, RevisionRef, SeriesTotals, ServiceRef, used_by

SHARES_MAX: Final = 20
"""So many shares of a line are told apart, the largest; the others are one."""


class RatedUsage(NamedTuple):
    """The lines of a part of an invoice, and the times whose usage is in none, since no plan is in force."""

    lines: tuple[RatedLine, ...]
    unrated: tuple[Period, ...]


def rate_usage(usage: SeriesTotals, part: UsageBasis) -> RatedUsage:
    """The tenant's usage of the part's period, by what the part says. Raises Uncomputed where a meter has
    yet to count."""
    zone = ZoneInfo(part.timezone)
    lines: list[RatedLine] = []
    unrated: list[Period] = []
    for piece in counting_periods(*part.period, zone):
        quantities_at = used_in(usage, part.tenant_id, zone, piece)
        if piece.end <= part.created_at and quantities_at(piece.start) == quantities_at(piece.end):
            continue
        for segment in segments(piece.counting, part.subscriptions):
            start, end = max(segment.start, piece.start), min(segment.end, piece.end)
            if start >= end:
                continue
            if segment.plan is not None:
                before, after = ((at, quantities_at(at)) for at in (start, end))
                items = rate_segment(segment, before, after, quantities_at)
                lines += _shared(usage, part, segment, items)
            elif quantities_at(start) != quantities_at(end):
                unrated.append(Period(start, end))
    return RatedUsage(tuple(lines), tuple(unrated))


def _shared(
    usage: SeriesTotals, part: UsageBasis, segment: Segment, items: Sequence[LineItem]
) -> list[RatedLine]:
    """The lines of a segment, each with what falls to which service and revision."""
    if not any(map(has_happened, items)):
        return [RatedLine(item) for item in items]
    assert segment.version is not None
    prices = line_prices(segment.version, segment.counting)
    priced = [PricedLine(*pair) for pair in zip(items, prices, strict=True)]
    counted = {key for price in prices for key in keys_of(price)}
    zone = ZoneInfo(part.timezone)
    used = used_by(usage, part.tenant_id, zone, items[0], LEVELS_DEFAULT, counted)
    return [
        RatedLine(item, _largest(document_shares(shares, _label), item.currency))
        for item, shares in zip(items, breakdowns(priced, used), strict=True)
    ]


def _label(key: Hashable) -> str:
    match key:
        case ServiceRef():
            return f"{key.namespace}/{key.name}"
        case RevisionRef():
            return key.name
    return str(key)


def _largest(shares: Sequence[Share], currency: str) -> tuple[Share, ...]:
    if len(shares) <= SHARES_MAX:
        return tuple(shares)
    ordered = sorted(shares, key=_size, reverse=True)
    told, rest = ordered[:SHARES_MAX], ordered[SHARES_MAX:]
    counted = [Fraction(share.quantity) for share in rest if share.quantity]
    quantity = money.exact_text(sum(counted, Fraction(0))) if counted else ""
    amount = money.total((share.amount for share in rest), currency)
    return (*told, Share(f"+{len(rest)}", quantity, amount))


def _size(share: Share) -> tuple[Decimal, Fraction]:
    return abs(share.amount), Fraction(share.quantity or 0)
