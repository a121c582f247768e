"""How wide the columns of a table are, by what is in them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from shared.adapters.documents.sheet import GAP_MM, SMALL, Column, Row, Sheet

_WRAPPED_MM: Final = 36.0
_FIRST_MM_MIN: Final = 40.0
_WORDS_MM_MIN: Final = 16.0


def fitted(
    sheet: Sheet, columns: Sequence[Column], rows: Sequence[Row], width_mm: float
) -> tuple[Column, ...]:
    """`columns` in `width_mm`: the first takes what the others leave.

    Those are as wide as what is in them, up to a limit past which it wraps between words; a figure is never
    broken while all of them leave room for the first.
    """
    widths_mm = [
        _width_mm(sheet, column, [(row.cells[index], row) for row in rows]) + GAP_MM
        for index, column in enumerate(columns)
        if index
    ]
    fitting_mm = _shrunk(columns[1:], widths_mm, width_mm - _FIRST_MM_MIN)
    others = map(_of_width, columns[1:], fitting_mm)
    return (_of_width(columns[0], width_mm - sum(fitting_mm)), *others)


def _of_width(column: Column, width_mm: float) -> Column:
    return replace(column, width_mm=width_mm)


def _shrunk(columns: Sequence[Column], widths_mm: Sequence[float], room_mm: float) -> list[float]:
    """`widths_mm` that fit into `room_mm`: words give way before figures."""
    over_mm = max(0.0, sum(widths_mm) - room_mm)
    narrowed_mm = [
        own_mm if column.align == "R" else max(min(own_mm, _WORDS_MM_MIN), own_mm - over_mm)
        for column, own_mm in zip(columns, widths_mm, strict=True)
    ]
    scale = min(1.0, room_mm / sum(narrowed_mm))
    return [own_mm * scale for own_mm in narrowed_mm]


def _width_mm(sheet: Sheet, column: Column, cells: Sequence[tuple[str, Row]]) -> float:
    whole_mm = max((sheet.width_of(text, row.style) for text, row in cells), default=0.0)
    if whole_mm > _WRAPPED_MM:
        whole_mm = max(_WRAPPED_MM, *_figures_mm(sheet, column, cells))
    return max(whole_mm, sheet.width_of(column.title, SMALL))


def _figures_mm(sheet: Sheet, column: Column, cells: Sequence[tuple[str, Row]]) -> Iterator[float]:
    """Of what must not be broken: the words of a column of figures, whose own spaces are not breaking."""
    yield 0.0
    if column.align == "R":
        yield from (sheet.width_of(word, row.style) for text, row in cells for word in text.split(" "))
