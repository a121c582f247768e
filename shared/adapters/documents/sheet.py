"""Pages to write on: fonts, a header and footer, columns of text that wrap and flow over pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final, Literal, NamedTuple

from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from fpdf.fonts import CoreFont, TTFFont

_FONTS: Final = Path(__file__).parent / "fonts"
_FAMILY: Final = "document"
_MARGIN_MM: Final = 18.0
_FOOT_MM: Final = 20.0
_LEADING: Final = 1.3
_POINT_MM: Final = 25.4 / 72
GAP_MM: Final = 3.0
_RULE_MM: Final = 0.2
_ABOVE_RULE_MM: Final = 0.8
_UNKNOWN: Final = "\ufffd"
"""Written for what the fonts have no glyph of."""
_PAGES: Final = "⁂⁂"
"""Stands for how many pages there are, until that is known; taken out of whatever else is written."""

Colour = tuple[int, int, int]
Align = Literal["L", "R"]
INK: Final[Colour] = (28, 28, 32)
GREY: Final[Colour] = (105, 105, 115)
_RULE: Final[Colour] = (205, 205, 212)


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks: `size_pt` in points."""

    size_pt: float = 9
    is_bold: bool = False
    colour: Colour = INK

    @property
    def line_mm(self) -> float:
        return self.size_pt * _POINT_MM * _LEADING


PLAIN: Final = Style()
BOLD: Final = Style(is_bold=True)
SMALL: Final = Style(size_pt=7.5, colour=GREY)


@dataclass(frozen=True, slots=True)
class Column:
    """`width_mm` includes the gap to its neighbour."""

    title: str = ""
    width_mm: float = 0.0
    align: Align = "L"


@dataclass(frozen=True, slots=True)
class Row:
    """Cells side by side, each in as many lines as it needs.

    `has_rule`: a line above. `stays`: on the page of the row after it. `above_mm`: space before it, below
    the line.
    """

    cells: tuple[str, ...]
    style: Style = PLAIN
    indent_mm: float = 0.0
    has_rule: bool = False
    stays: bool = False
    above_mm: float = 0.6


class _CutRow(NamedTuple):
    """A row, its cells cut into lines."""

    row: Row
    lines: tuple[tuple[str, ...], ...]

    @property
    def height_mm(self) -> float:
        rule_mm = _ABOVE_RULE_MM if self.row.has_rule else 0.0
        return rule_mm + self.row.above_mm + self.row.style.line_mm * len(self.lines)


class Sheet(FPDF):
    """A4. `running_head` stands at the top of every page but the first, `running_foot` on every page.

    `identity` names the document, whose bytes depend on nothing but what is written.
    """

    def __init__(self, running_head: str, running_foot: str, page_of: str, identity: str) -> None:
        super().__init__(format="A4")
        self._running_head, self._running_foot = running_head, running_foot
        self._page_of = page_of
        self._digest = sha256(identity.encode()).hexdigest()[:32].upper()
        self._table_head: Sequence[Column] = ()
        self.add_font(_FAMILY, "", _FONTS / "DejaVuSansCondensed.ttf")
        self.add_font(_FAMILY, "B", _FONTS / "DejaVuSansCondensed-Bold.ttf")
        self._glyphs = frozenset.intersection(*map(_glyphs, self.fonts.values()))
        self.set_margins(_MARGIN_MM, _MARGIN_MM)
        self.set_auto_page_break(False)
        self.alias_nb_pages(_PAGES)
        self.c_margin = 0
        self.set_draw_color(_RULE)
        self.set_line_width(_RULE_MM)
        self.add_page()

    def file_id(self) -> str:
        return f"<{self._digest}><{self._digest}>"

    def header(self) -> None:
        if self.page == 1:
            return
        self.line_of(self._running_head, SMALL)
        self.space(3)
        if self._table_head:
            self._draw_table_head()

    def footer(self) -> None:
        self.set_y(self.h - _FOOT_MM + 6)
        page = self._page_of.format(page=self.page_no(), pages=_PAGES)
        self._apply(SMALL)
        at_mm = self.w - _MARGIN_MM - self.get_string_width(page.replace(_PAGES, "000"))
        self._write(self._running_foot, _MARGIN_MM, at_mm - _MARGIN_MM - GAP_MM, SMALL)
        # Raw, since `_write` takes the stand-in out.
        self.set_xy(at_mm, self.get_y())
        self.cell(0, SMALL.line_mm, page)

    def space(self, height_mm: float) -> None:
        self.set_y(self.get_y() + height_mm)

    def need(self, height_mm: float) -> None:
        """A new page unless `height_mm` are left on this one."""
        if self.get_y() + height_mm > self.h - _FOOT_MM:
            self.add_page()

    def line_of(self, text: str, style: Style, align: Align = "L") -> None:
        """`text` over the width of the page, in as many lines as it needs."""
        self.rows((Column("", self.epw, align),), (Row((text,), style, above_mm=0),))

    def side_by_side(self, blocks: Sequence[Sequence[tuple[str, Style]]]) -> None:
        """Blocks of lines in columns of one width, their tops level."""
        width_mm = self.epw / len(blocks)
        for entries in zip_longest(*(self._cut(block, width_mm - GAP_MM) for block in blocks)):
            line_mm = max(entry[1].line_mm for entry in entries if entry)
            self.need(line_mm)
            top_mm = self.get_y()
            for index, entry in enumerate(entries):
                if entry:
                    self._write(entry[0], self.l_margin + index * width_mm, width_mm, entry[1])
            self.set_y(top_mm + line_mm)

    def titled_rows(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Under the columns' titles, which are repeated on each page that the rows come to."""
        self.need(3 * BOLD.line_mm)
        self._table_head = columns
        self._draw_table_head()
        self.rows(columns, rows)
        self._table_head = ()

    def rows(self, columns: Sequence[Column], rows: Sequence[Row], left_mm: float = _MARGIN_MM) -> None:
        cut = [self._cut_row(columns, row) for row in rows]
        for index in range(len(cut)):
            self.need(_height_kept(islice(cut, index, None), self.h / 2))
            self._draw(columns, cut[index], left_mm)

    def width_of(self, text: str, style: Style) -> float:
        self._apply(style)
        return float(self.get_string_width(self._plain(text)))

    def height_of(self, columns: Sequence[Column], rows: Sequence[Row]) -> float:
        return sum(self._cut_row(columns, row).height_mm for row in rows)

    def _draw_table_head(self) -> None:
        titles = tuple(column.title for column in self._table_head)
        self._draw(self._table_head, self._cut_row(self._table_head, Row(titles, SMALL)), _MARGIN_MM)

    def _draw(self, columns: Sequence[Column], cut: _CutRow, left_mm: float) -> None:
        row = cut.row
        if row.has_rule:
            self.space(_ABOVE_RULE_MM)
            width_mm = sum(column.width_mm for column in columns)
            self.line(left_mm, self.get_y(), left_mm + width_mm, self.get_y())
        self.space(row.above_mm)
        for cells in cut.lines:
            # A row taller than what is left, such as a very long description, goes on overleaf.
            self.need(row.style.line_mm)
            top_mm, at_mm = self.get_y(), left_mm
            for index, (column, text) in enumerate(zip(columns, cells, strict=True)):
                indent_mm = _indent(row, index)
                width_mm = _inner(columns, index) - indent_mm
                self._write(text, at_mm + indent_mm, width_mm, row.style, column.align)
                at_mm += column.width_mm
            self.set_y(top_mm + row.style.line_mm)

    def _cut_row(self, columns: Sequence[Column], row: Row) -> _CutRow:
        wrapped = (
            self._wrap(cell, _inner(columns, index) - _indent(row, index), row.style)
            for index, cell in enumerate(row.cells)
        )
        return _CutRow(row, tuple(zip_longest(*wrapped, fillvalue="")))

    def _cut(self, block: Sequence[tuple[str, Style]], width_mm: float) -> list[tuple[str, Style]]:
        return [(line, style) for text, style in block for line in self._wrap(text, width_mm, style)]

    def _wrap(self, text: str, width_mm: float, style: Style) -> Sequence[str]:
        text = self._plain(text)
        if self.width_of(text, style) <= width_mm:
            return (text,)
        lines = self.multi_cell(width_mm, text=text, align="L", dry_run=True, output=MethodReturnValue.LINES)
        assert isinstance(lines, list)
        return [str(line) for line in lines]

    def _write(self, text: str, left_mm: float, width_mm: float, style: Style, align: Align = "L") -> None:
        if not text:
            return
        self._apply(style)
        top_mm = self.get_y()
        self.set_xy(left_mm, top_mm)
        self.cell(width_mm, style.line_mm, self._plain(text), align=align)
        self.set_y(top_mm)

    def _plain(self, text: str) -> str:
        """Without line breaks, what has no glyph, and what stands for the number of pages."""
        spaced = "".join(" " if char < " " else char for char in text.replace(_PAGES, "⁂"))
        return "".join(char if ord(char) in self._glyphs else _UNKNOWN for char in spaced)

    def _apply(self, style: Style) -> None:
        self.set_font(_FAMILY, "B" if style.is_bold else "", style.size_pt)
        self.set_text_color(style.colour)


def _height_kept(rows: Iterable[_CutRow], height_mm_max: float) -> float:
    """Of the first row and of those that it stays with, as far as a page can hold them."""
    height_mm = 0.0
    for cut in rows:
        height_mm += cut.height_mm
        if not cut.row.stays:
            break
    return min(height_mm, height_mm_max)


def _indent(row: Row, index: int) -> float:
    return 0.0 if index else row.indent_mm


def _inner(columns: Sequence[Column], index: int) -> float:
    """The width of a column's text."""
    is_last = index == len(columns) - 1
    return columns[index].width_mm - (0 if is_last else GAP_MM)


def _glyphs(font: CoreFont | TTFFont) -> frozenset[int]:
    assert isinstance(font, TTFFont)
    return frozenset(font.ttfont.getBestCmap())
