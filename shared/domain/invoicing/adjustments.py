"""What lines to add for a period that was rated again: what was charged is taken back, and charged anew."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain import money
from shared.domain.invoicing.document import DocumentLine, Share
from shared.domain.invoicing.lines import InvoiceLine, LineKey, as_fee, line_id
from shared.domain.invoicing.taxes import Rates
from shared.domain.period import Period, counting_periods


class Closed(NamedTuple):
    """A closed period, as it was invoiced: its tax rates, and the invoice's id and number, None where it came
    to nothing and has none."""

    period: Period
    rates: Rates
    invoice_id: UUID | None = None
    number: str | None = None


def adjustment_lines(
    invoice_id: UUID,
    closed: Closed,
    charged: Sequence[InvoiceLine],
    rated: Sequence[InvoiceLine],
    currency: str,
) -> tuple[InvoiceLine, ...]:
    """The lines that invoice `invoice_id` has to have about the closed period, none where it still is right.

    `charged` is everything charged for that period so far: the lines of its own invoice and all adjustments
    of it, none of void invoices. `rated` are the lines that its own invoice would have now. Where the sum of
    a line's key differs, the one is taken back whole, and the other charged.
    """
    before, after = _by_key(charged), _by_key(rated)
    lines: list[InvoiceLine] = []
    for key in dict.fromkeys([*before, *after]):
        old, new = _merged(before.get(key, ()), currency), _merged(after.get(key, ()), currency)
        if (old.amount if old else 0) == (new.amount if new else 0):
            continue
        for role, shown in (("taken back", old and _negated(old)), ("charged", new)):
            if shown is not None and shown.amount:
                id = line_id(invoice_id, key, f"{role} {closed.period.start.isoformat()}")
                lines.append(_adjustment(key, closed, replace(shown, id=str(id))))
    return tuple(lines)


def to_rate_again(closed: Iterable[Period], changed: Iterable[Period], zone: ZoneInfo) -> tuple[Period, ...]:
    """The closed periods whose lines may be others now, in order, since usage of `changed` is.

    Not only those in which it is: tiers and allowances count from the start of the calendar month, so what
    was used in one week of it decides what the next costs.
    """
    months = {part.counting for span in changed for part in counting_periods(*span, zone)}
    return tuple(
        period
        for period in sorted(closed)
        if any(part.counting in months for part in counting_periods(*period, zone))
    )


def _by_key(lines: Iterable[InvoiceLine]) -> Mapping[LineKey, Sequence[DocumentLine]]:
    found: dict[LineKey, list[DocumentLine]] = {}
    for line in lines:
        if line.key is not None:
            found.setdefault(line.key, []).append(line.shown)
    return found


def _merged(lines: Sequence[DocumentLine], currency: str) -> DocumentLine | None:
    """Lines of one key as one; where they have different prices, as a fee."""
    if len(lines) < 2:
        return lines[0] if lines else None
    amount = money.total((line.amount for line in lines), currency)
    merged = replace(
        lines[0],
        period=Period(min(line.period.start for line in lines), max(line.period.end for line in lines)),
        amount=amount,
        shares=_merged_shares([share for line in lines for share in line.shares], currency),
    )
    if len({(line.unit_amount, line.per) for line in lines}) > 1:
        return as_fee(merged)
    return replace(
        merged,
        quantity=money.exact_text(sum((Fraction(line.quantity) for line in lines), Fraction(0))),
        flat_amount=money.total((line.flat_amount for line in lines), currency),
    )


def _merged_shares(shares: Sequence[Share], currency: str) -> tuple[Share, ...]:
    """One share for each label, without those that come to nothing."""
    by_label: dict[str, list[Share]] = {}
    for share in shares:
        by_label.setdefault(share.label, []).append(share)
    merged = (_sum_of(label, alike, currency) for label, alike in by_label.items())
    return tuple(share for share in merged if share.amount or share.quantity not in ("", "0"))


def _sum_of(label: str, shares: Sequence[Share], currency: str) -> Share:
    counted = [Fraction(share.quantity) for share in shares if share.quantity]
    quantity = money.exact_text(sum(counted, Fraction(0))) if counted else ""
    return Share(label, quantity, money.total((share.amount for share in shares), currency))


def _negated(line: DocumentLine) -> DocumentLine:
    return replace(
        line,
        quantity=_negative(line.quantity),
        flat_amount=money.difference(Decimal(0), line.flat_amount),
        amount=money.difference(Decimal(0), line.amount),
        shares=tuple(
            Share(share.label, _negative(share.quantity), money.difference(Decimal(0), share.amount))
            for share in line.shares
        ),
    )


def _negative(quantity: str) -> str:
    return money.exact_text(-Fraction(quantity)) if quantity else ""


def _adjustment(key: LineKey, closed: Closed, shown: DocumentLine) -> InvoiceLine:
    """Of a period without an invoice it is a line like any other, about a time before this one's."""
    if closed.invoice_id is None:
        return InvoiceLine(key, closed.rates, shown)
    shown = replace(shown, kind="adjustment", adjusts=closed.number)
    return InvoiceLine(key, closed.rates, shown, closed.invoice_id)
