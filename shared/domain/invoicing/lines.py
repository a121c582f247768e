"""Lines of an invoice: which part of which price each is about, and what the document shows of it."""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from shared.domain import money
from shared.domain.invoicing.document import DocumentLine, Share
from shared.domain.invoicing.taxes import Rates
from shared.domain.period import Period
from shared.domain.rating import breakdown
from shared.domain.rating.line import LineItem


class LineKey(NamedTuple):
    """What is compared when a period is rated again: lines that are alike in it count together."""

    tenant_id: UUID
    """Whose usage it is: a child's, where its organisation has the invoice."""
    counting: Period
    plan_id: UUID
    plan_version: int
    price: str
    meter: str
    part: str


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line as the document shows it, with the tax rates that it is under.

    `key` is None for what is carried over; `adjusts` is the invoice whose period an adjustment is about.
    """

    key: LineKey | None
    rates: Rates
    shown: DocumentLine
    adjusts: UUID | None = None


class RatedLine(NamedTuple):
    """A line of a bill, and what of it falls to whom."""

    item: LineItem
    shares: tuple[Share, ...] = ()


def usage_lines(
    rated: Sequence[RatedLine], *, invoice_id: UUID, tenant_id: UUID, rates: Rates, section: str = ""
) -> tuple[InvoiceLine, ...]:
    """The lines of a tenant's bill on an invoice, in their order, without those that nothing happened in."""
    lines: list[InvoiceLine] = []
    alike: dict[LineKey, int] = {}
    for item, shares in rated:
        key = key_of(tenant_id, item)
        alike[key] = number = alike.get(key, 0) + 1
        if has_happened(item):
            shown = _shown(item, shares, str(line_id(invoice_id, key, f"usage {number}")), section)
            lines.append(InvoiceLine(key, rates, shown))
    return tuple(lines)


def key_of(tenant_id: UUID, item: LineItem) -> LineKey:
    return LineKey(
        tenant_id, item.counting, item.plan_id, item.plan_version, item.price, item.meter, item.part
    )


def line_id(invoice_id: UUID, key: LineKey, role: str) -> UUID:
    """The same whenever the invoice is rated again: `role` tells apart what has the same key on it."""
    return uuid5(invoice_id, json.dumps([role, *key], default=_text, separators=(",", ":")))


def has_happened(item: LineItem) -> bool:
    """Whether there is anything to say: an amount, or usage that counts for it, if only as included."""
    was_used = item.quantity_after != item.quantity_before
    return bool(item.amount or item.billable_quantity or (was_used and item.included))


def has_amounts(lines: Iterable[InvoiceLine]) -> bool:
    """Whether there is anything to invoice."""
    return any(line.shown.amount for line in lines)


def as_fee(line: DocumentLine) -> DocumentLine:
    """The line with the same amount, which no quantity and price explain."""
    return replace(line, quantity="0", unit_amount=Decimal(0), included=Decimal(0), flat_amount=line.amount)


def document_shares(shares: Sequence[breakdown.Share], label: Callable[[Hashable], str]) -> tuple[Share, ...]:
    """A breakdown level by level as one list of what lies undermost, such as `service / revision`; what was
    put together is `+n`."""
    return tuple(_flat(shares, label, ()))


def _flat(
    shares: Sequence[breakdown.Share], label: Callable[[Hashable], str], above: tuple[str, ...]
) -> Iterator[Share]:
    for share in shares:
        own = f"+{share.merged}" if share.merged else "" if share.key is None else label(share.key)
        path = (*above, own) if own else above
        if share.shares:
            yield from _flat(share.shares, label, path)
        else:
            quantity = "" if share.quantity is None else money.exact_text(share.quantity)
            yield Share(" / ".join(path), quantity, share.amount)


def _shown(item: LineItem, shares: tuple[Share, ...], id: str, section: str) -> DocumentLine:
    return DocumentLine(
        id=id,
        section=section,
        description=item.description,
        period=Period(item.start, item.end),
        quantity=money.exact_text(item.billable_quantity),
        unit=item.unit,
        unit_amount=item.unit_amount,
        per=item.per,
        included=item.included,
        flat_amount=item.flat_amount,
        amount=item.amount,
        shares=tuple(share for share in shares if share.amount or share.quantity not in ("", "0")),
    )


def _text(value: object) -> str:
    assert isinstance(value, UUID | datetime | Decimal)
    return value.isoformat() if isinstance(value, datetime) else str(value)
