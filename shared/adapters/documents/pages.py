"""A document laid out on pages, from its title to its last note."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from shared.adapters.documents.columns import fitted
from shared.adapters.documents.formats import Formats
from shared.adapters.documents.lines import LineTable
from shared.adapters.documents.sheet import BOLD, GREY, PLAIN, SMALL, Column, Row, Sheet, Style
from shared.adapters.documents.texts import TEXTS, Texts
from shared.domain.invoicing.document import (
    AppliedCredit,
    FreeTier,
    InvoiceDocument,
    Party,
    TaxLine,
    canonical,
)

_TITLE: Final = Style(size_pt=20, is_bold=True)
_LARGE: Final = Style(size_pt=18, is_bold=True)
_SOFT: Final = Style(colour=GREY)
_TOTALS_MM: Final = 100.0
_META_LABEL_MM: Final = 42.0
_BLOCK_MM: Final = 7.0

_Block = Sequence[tuple[str, Style]]


def draw(document: InvoiceDocument) -> bytes:
    texts = TEXTS[document.language]
    formats = Formats(texts.locale, document.currency, ZoneInfo(document.timezone))
    return _Drawing(document, texts, formats).draw()


@dataclass(frozen=True, slots=True)
class _Drawing:
    document: InvoiceDocument
    texts: Texts
    formats: Formats

    def draw(self) -> bytes:
        document = self.document
        sheet = Sheet(self._heading, document.seller.name, self.texts.page, canonical(document))
        sheet.set_title(self._heading)
        sheet.set_author(document.seller.name)
        sheet.set_lang(document.language)
        sheet.set_creation_date(document.issued_at.astimezone(UTC))
        self._draw_head(sheet)
        self._draw_lines(sheet)
        self._draw_totals(sheet)
        self._draw_free_tier(sheet)
        self._draw_notes(sheet)
        return bytes(sheet.output())

    @property
    def _is_note(self) -> bool:
        return self.document.kind == "credit_note"

    @property
    def _is_draft(self) -> bool:
        return self.document.status_at_issue == "draft"

    @property
    def _title(self) -> str:
        return self.texts.credit_note if self._is_note else self.texts.invoice

    @property
    def _heading(self) -> str:
        number = self.document.number
        return self.texts.heading.format(title=self._title, number=number) if number else self._title

    @property
    def _amount_title(self) -> str:
        if self._is_draft:
            return self.texts.draft_total
        return self.texts.amount_credited if self._is_note else self.texts.amount_due

    def _draw_head(self, sheet: Sheet) -> None:
        sheet.line_of(self._title, _TITLE)
        if self._is_draft:
            sheet.line_of(self.texts.draft, BOLD)
        sheet.space(3)
        columns = (Column(width_mm=_META_LABEL_MM), Column(width_mm=sheet.epw - _META_LABEL_MM))
        sheet.rows(columns, tuple(Row(cells, above_mm=0.3) for cells in self._meta()))
        sheet.space(_BLOCK_MM)
        sheet.side_by_side((self._party(self.texts.seller, self.document.seller), self._buyer()))
        sheet.space(_BLOCK_MM)
        sheet.need(_LARGE.line_mm + 2 * PLAIN.line_mm)
        sheet.line_of(self._amount_title, _SOFT)
        sheet.line_of(self.formats.money(self._amount), _LARGE)
        if due := self._due():
            sheet.line_of(due, _SOFT)
        sheet.space(_BLOCK_MM)

    @property
    def _amount(self) -> Decimal:
        return self.document.total if self._is_note else self.document.amount_due

    def _meta(self) -> Iterator[tuple[str, str]]:
        texts, document = self.texts, self.document
        if document.number:
            title = texts.credit_note_number if self._is_note else texts.invoice_number
            yield title, document.number
        if document.corrects:
            yield texts.corrects, document.corrects
        yield texts.drafted if self._is_draft else texts.issued, self.formats.day(document.issued_at)
        if document.due_at and not self._is_note:
            yield texts.due, self.formats.day(document.due_at)
        yield texts.period, self.formats.period(document.period)

    def _due(self) -> str:
        if self._is_note or self._is_draft:
            return ""
        if not self.document.amount_due:
            return self.texts.nothing_due
        due_at = self.document.due_at
        return self.texts.due_by.format(date=self.formats.day(due_at)) if due_at else ""

    def _party(self, title: str, party: Party) -> _Block:
        tax_ids = (self.texts.tax_id.format(name=name, value=value) for name, value in party.tax_ids)
        lines = (*party.address, *tax_ids, *((party.email,) if party.email else ()))
        return ((title, _SOFT), (party.name, BOLD), *((line, PLAIN) for line in lines))

    def _buyer(self) -> _Block:
        account = self.texts.account.format(slug=self.document.tenant_slug)
        return (*self._party(self.texts.buyer, self.document.buyer), (account, _SOFT))

    def _draw_lines(self, sheet: Sheet) -> None:
        table = LineTable(self.document, self.texts, self.formats)
        rows = table.rows()
        if rows:
            sheet.titled_rows(fitted(sheet, table.columns, rows, sheet.epw), rows)

    def _draw_totals(self, sheet: Sheet) -> None:
        rows = tuple(self._totals())
        columns = fitted(sheet, (Column(), Column(align="R")), rows, _TOTALS_MM)
        # In one piece, so that nobody adds up over two pages.
        sheet.space(3)
        sheet.need(sheet.height_of(columns, rows))
        sheet.rows(columns, rows, sheet.w - sheet.r_margin - _TOTALS_MM)
        if reason := self.document.exempt_reason:
            sheet.space(2)
            sheet.line_of(self.texts.exempt.format(reason=reason), _SOFT, "R")

    def _totals(self) -> Iterator[Row]:
        document, texts = self.document, self.texts
        if document.taxes or document.carried_over:
            yield self._sum(texts.net, document.net)
        for tax in document.taxes:
            yield self._sum(self._tax(tax), tax.amount)
        if document.carried_over:
            yield self._sum(texts.carried_over, document.carried_over)
        yield self._sum(texts.total, document.total, BOLD)
        for credit in document.credits:
            yield self._sum(self._credit(credit), -credit.amount)
        if not self._is_note:
            yield self._sum(self._amount_title, document.amount_due, BOLD)

    def _sum(self, label: str, amount: Decimal, style: Style = PLAIN) -> Row:
        return Row((label, self.formats.money(amount)), style, has_rule=True, above_mm=1.2)

    def _tax(self, tax: TaxLine) -> str:
        percent = self.formats.percent(tax.percent)
        # Rates are often called by their percentage already.
        digits = percent.rstrip("%").strip()
        name = tax.name if digits in tax.name else f"{tax.name} {percent}"
        text = self.texts.tax_contained if tax.inclusive else self.texts.tax
        return text.format(name=name, base=self.formats.money(tax.base))

    def _credit(self, credit: AppliedCredit) -> str:
        kind = self.texts.credit_kinds.get(credit.kind, credit.kind)
        return self.texts.credit.format(description=credit.description or kind)

    def _draw_free_tier(self, sheet: Sheet) -> None:
        if not self.document.free_tier:
            return
        texts = self.texts
        columns = (
            Column(texts.free_tier_meter),
            Column(texts.free_tier_included, align="R"),
            Column(texts.free_tier_used, align="R"),
            Column(texts.free_tier_remaining, align="R"),
            Column(texts.unit),
        )
        rows = tuple(map(self._free, self.document.free_tier))
        sheet.space(_BLOCK_MM)
        sheet.need(BOLD.line_mm * 5)
        sheet.line_of(texts.free_tier, BOLD)
        sheet.space(1)
        sheet.titled_rows(fitted(sheet, columns, rows, sheet.epw), rows)

    def _free(self, free: FreeTier) -> Row:
        label = self.texts.meters.get(free.meter, free.meter.removeprefix("custom.").replace("_", " "))
        if free.period != self.document.period:
            label = f"{label}, {self.formats.period(free.period)}"
        quantities = map(self.formats.quantity, (free.included, free.used, free.remaining))
        return Row((label, *quantities, self.texts.units.get(free.unit, free.unit)), has_rule=True)

    def _draw_notes(self, sheet: Sheet) -> None:
        texts, document = self.texts, self.document
        if document.amount_due and not (self._is_note or self._is_draft):
            _draw_block(sheet, texts.bank_details, document.seller_bank_details)
        _draw_block(sheet, texts.notes, document.notes)
        sheet.space(_BLOCK_MM)
        sheet.line_of(texts.zone.format(zone=document.timezone), SMALL)


def _draw_block(sheet: Sheet, title: str, lines: Sequence[str]) -> None:
    if lines:
        sheet.space(_BLOCK_MM)
        sheet.need(BOLD.line_mm + 2 * PLAIN.line_mm)
        sheet.line_of(title, BOLD)
        for line in lines:
            sheet.line_of(line, PLAIN)
