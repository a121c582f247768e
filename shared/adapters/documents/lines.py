"""The table of a document's lines: their order, groups and the grey print beneath them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Final

from shared.adapters.documents.formats import Formats
from shared.adapters.documents.sheet import BOLD, SMALL, Column, Row
from shared.adapters.documents.texts import Texts
from shared.domain import money
from shared.domain.invoicing.document import DocumentLine, InvoiceDocument, Share

SHARES_SHOWN_MAX: Final = 5
"""Of one line; the rest are one row, and all of them are in the CSV."""
_INDENT_MM: Final = 3.0
_MONTH: Final = "month"
_HOUR_S: Final = 3_600
_MONTH_S_MIN: Final = (28 * 24 - 1) * _HOUR_S
_MONTH_S_MAX: Final = (31 * 24 + 1) * _HOUR_S
"""In some months the clock changes by an hour."""
_ORDER: Final = ("usage", "adjustment", "carried_over")


@dataclass(frozen=True, slots=True)
class LineTable:
    """The rows of `document`: usage by section, then adjustments by invoice, then what is carried over."""

    document: InvoiceDocument
    texts: Texts
    formats: Formats

    @property
    def columns(self) -> tuple[Column, ...]:
        texts = self.texts
        return (
            Column(texts.description),
            Column(texts.quantity, align="R"),
            Column(texts.unit),
            Column(texts.unit_price, align="R"),
            Column(texts.amount, align="R"),
        )

    def rows(self) -> list[Row]:
        ordered = sorted(self.document.lines, key=lambda line: _ORDER.index(line.kind))
        return [
            row
            for title, lines in groupby(ordered, self._group)
            for row in self._group_rows(title, tuple(lines))
        ]

    def _group(self, line: DocumentLine) -> str:
        if line.kind == "adjustment":
            return self.texts.adjustments.format(number=line.adjusts)
        return line.section

    def _group_rows(self, title: str, lines: Sequence[DocumentLine]) -> Iterator[Row]:
        if title:
            yield Row((title, "", "", "", ""), BOLD, has_rule=True, stays=True, above_mm=2.0)
        for line in lines:
            yield from self._line_rows(line)
        if lines[0].kind == "usage" and lines[0].section and len(lines) > 1:
            label = self.texts.section_total.format(section=lines[0].section)
            amount = money.total((line.amount for line in lines), self.document.currency)
            yield Row((label, "", "", "", self.formats.money(amount)), BOLD, has_rule=True, above_mm=1.2)

    def _line_rows(self, line: DocumentLine) -> Iterator[Row]:
        details = [*self._details(line), *self._shares(line)]
        # The one line that is ours and not a plan's, so in the document's language.
        description = self.texts.carried_over if line.kind == "carried_over" else line.description
        figures = ("", "", "") if _is_fee(line) else self._figures(line)
        cells = (description, *figures, self.formats.money(line.amount))
        yield Row(cells, has_rule=True, stays=bool(details), above_mm=1.2)
        for index, row in enumerate(details):
            yield Row(row, SMALL, _INDENT_MM, stays=index == 0 and len(details) > 1, above_mm=0.2)

    def _details(self, line: DocumentLine) -> Iterator[tuple[str, ...]]:
        texts, formats = self.texts, self.formats
        if line.kind != "usage" and line.section:
            yield _note(line.section)
        if line.period != self.document.period:
            yield _note(formats.period(line.period))
        if line.included:
            yield _note(texts.included.format(quantity=formats.quantity(line.included)))
        if line.flat_amount and line.unit_amount:
            yield _note(texts.flat_fee.format(amount=formats.money(line.flat_amount)))
        if line.tax and len({line.tax for line in self.document.lines if line.tax}) > 1:
            yield _note(texts.taxed_by.format(names=", ".join(line.tax)))

    def _shares(self, line: DocumentLine) -> Iterator[tuple[str, ...]]:
        """The largest; where only one would be left over, that one too."""
        shares = sorted(line.shares, key=lambda share: abs(share.amount), reverse=True)
        shown = SHARES_SHOWN_MAX if len(shares) > SHARES_SHOWN_MAX + 1 else len(shares)
        for share in shares[:shown]:
            yield self._share(share, line.unit)
        if rest := shares[shown:]:
            amount = money.total((share.amount for share in rest), self.document.currency)
            yield (self.texts.more.format(count=len(rest)), "", "", "", self.formats.money(amount))

    def _share(self, share: Share, unit: str) -> tuple[str, ...]:
        label = share.label or self.texts.nobody
        unit = self._unit(unit) if share.quantity else ""
        return (label, self._quantity(share.quantity), unit, "", self.formats.money(share.amount))

    def _quantity(self, quantity: str) -> str:
        return self.formats.quantity(Decimal(quantity)) if quantity else ""

    def _unit(self, unit: str) -> str:
        return self.texts.units.get(unit, unit)

    def _figures(self, line: DocumentLine) -> tuple[str, str, str]:
        """Quantity, unit and unit price."""
        price = self.formats.money(line.unit_amount)
        if _is_months_fee(line):
            return (self.formats.quantity(Decimal(line.quantity) / line.per), self._unit(_MONTH), price)
        if line.per != 1:
            price = self.texts.per.format(price=price, per=self.formats.quantity(line.per))
        return (self._quantity(line.quantity), self._unit(line.unit) if line.quantity else "", price)


def _is_fee(line: DocumentLine) -> bool:
    """Whether nothing but a fee, or what is carried over, is charged."""
    return not line.unit_amount and (bool(line.flat_amount) or line.kind == "carried_over")


def _is_months_fee(line: DocumentLine) -> bool:
    """Whether it is the fee of a whole month, which accrues by its seconds."""
    is_month = line.unit == "second" and _MONTH_S_MIN <= line.per <= _MONTH_S_MAX
    return is_month and abs(Decimal(line.quantity)) == line.per


def _note(text: str) -> tuple[str, ...]:
    return (text, "", "", "", "")
