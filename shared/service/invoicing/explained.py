"""Why an invoice charges what it does: each line by the basis frozen with it, and what came later."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.invoicing.basis import UsageBasis
from shared.domain.invoicing.document import DocumentLine
from shared.domain.invoicing.lines import LineKey, key_of, line_id
from shared.domain.period import Period, counting_periods
from shared.domain.rating.breakdown import PricedLine, breakdowns, keys_of, line_prices
from shared.domain.rating.rate import rate_segment
from shared.domain.segments import Segment, segments
from shared.service.billing import QuantitiesAt, used_in
from shared.service.explain import LEVELS_DEFAULT, ExplainedLine, SeriesTotals, used_by
from shared.service.invoicing.invoice_ports import StoredInvoice


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A line of another invoice that corrects this one; `of_line` is the line here that is about the same,
    None where there is none."""

    invoice: StoredInvoice
    line: DocumentLine
    of_line: str | None


@dataclass(frozen=True, slots=True)
class LineExplained:
    """A line as the invoice states it, and as it is rated from the usage that there is now, by the same
    prices; None for a line that is about another period."""

    line: DocumentLine
    now: ExplainedLine | None


@dataclass(frozen=True, slots=True)
class InvoiceExplained:
    invoice: StoredInvoice
    lines: tuple[LineExplained, ...]
    adjustments: tuple[Adjustment, ...]


class ExplainedReader(Protocol):
    def view(self) -> AbstractContextManager[SeriesTotals]:
        """Everything inside the block sees the same windows."""

    def adjusting(self, tenant_id: UUID, invoice_id: UUID) -> Sequence[StoredInvoice]:
        """Invoices of the tenant, drafts too, with lines that adjust this one; none that are void."""


class ExplainInvoice:
    """`fold` is asked to fold all that a tenant has sent before its windows are read."""

    def __init__(self, reader: ExplainedReader, fold: Callable[[UUID], object]) -> None:
        self._reader = reader
        self._fold = fold

    def run(
        self, stored: StoredInvoice, *, levels: int = LEVELS_DEFAULT, most: int | None = None
    ) -> InvoiceExplained:
        """The shares go down to so many of LEVELS; of each the `most` largest are told apart. Raises
        Uncomputed where a meter has yet to count."""
        parts = stored.basis.parts if stored.basis else ()
        for part in parts:
            self._fold(part.tenant_id)
        rated: dict[str, ExplainedLine] = {}
        with self._reader.view() as usage:
            for part in parts:
                rated |= _by_line(stored, part, _explained(usage, part, levels, most))
        return InvoiceExplained(
            stored,
            tuple(LineExplained(line, rated.get(line.id)) for line in stored.document.lines),
            tuple(self._adjustments(stored)),
        )

    def _adjustments(self, stored: StoredInvoice) -> Iterator[Adjustment]:
        invoice = stored.invoice
        ids = {line.key: line.shown.id for line in reversed(stored.lines) if line.key is not None}
        for other in self._reader.adjusting(invoice.tenant_id, invoice.id):
            for line in other.lines:
                if line.adjusts == invoice.id and line.key is not None:
                    yield Adjustment(other, line.shown, ids.get(line.key))


def _by_line(
    stored: StoredInvoice, part: UsageBasis, explained: Iterator[ExplainedLine]
) -> Mapping[str, ExplainedLine]:
    """By the ids that the invoice gives its lines."""
    alike: dict[LineKey, int] = {}
    found: dict[str, ExplainedLine] = {}
    for one in explained:
        key = key_of(part.tenant_id, one.line)
        alike[key] = number = alike.get(key, 0) + 1
        found[str(line_id(stored.invoice.id, key, f"usage {number}"))] = one
    return found


def _explained(
    usage: SeriesTotals, part: UsageBasis, levels: int, most: int | None
) -> Iterator[ExplainedLine]:
    zone = ZoneInfo(part.timezone)
    for piece in counting_periods(*part.period, zone):
        quantities_at = used_in(usage, part.tenant_id, zone, piece)
        for segment in segments(piece.counting, part.subscriptions):
            start, end = max(segment.start, piece.start), min(segment.end, piece.end)
            if start < end and segment.plan is not None:
                yield from _of_segment(usage, part, segment, Period(start, end), quantities_at, levels, most)


def _of_segment(
    usage: SeriesTotals,
    part: UsageBasis,
    segment: Segment,
    span: Period,
    quantities_at: QuantitiesAt,
    levels: int,
    most: int | None,
) -> Iterator[ExplainedLine]:
    assert segment.version is not None
    before, after = ((at, quantities_at(at)) for at in span)
    items = rate_segment(segment, before, after, quantities_at)
    prices = line_prices(segment.version, segment.counting)
    priced = [PricedLine(*pair) for pair in zip(items, prices, strict=True)]
    if not priced:
        return
    counted = {key for price in prices for key in keys_of(price)}
    used = used_by(usage, part.tenant_id, ZoneInfo(part.timezone), items[0], levels, counted)
    for one, shares in zip(priced, breakdowns(priced, used, most=most), strict=True):
        yield ExplainedLine(one.line, one.price, shares)
