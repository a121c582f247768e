"""Fields that several kinds of prices have: how they are read, written and checked."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from shared.domain.document import TEXT_MAX, Document
from shared.domain.errors import Fault


def read_name(document: Document) -> str:
    """What later prices of the plan call this one; "" where it needs no name."""
    return "" if document.value("name") is None else document.text("name")


def write_name(name: str) -> dict[str, object]:
    return {"name": name} if name else {}


def read_texts(document: Document, field: str) -> tuple[str, ...]:
    """An array of texts with at least one, () where it is absent; faults are named by item."""
    value = document.value(field)
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not value:
        document.fault(field, "must be an array of at least one text")
        return ()
    for index, text in enumerate(value):
        if not (isinstance(text, str) and 0 < len(text) <= TEXT_MAX and text.isprintable()):
            document.fault(f"{field}[{index}]", f"must be 1 to {TEXT_MAX} printable characters")
    return tuple(text if isinstance(text, str) else "" for text in value)


def negative(field: str, value: Decimal) -> Iterator[Fault]:
    if not (value.is_finite() and value >= 0):
        yield Fault(field, "must not be negative")


def not_positive(field: str, value: Decimal) -> Iterator[Fault]:
    if not (value.is_finite() and value > 0):
        yield Fault(field, "must be more than zero")


def repeated(field: str, texts: Sequence[str]) -> Iterator[Fault]:
    for index, text in enumerate(texts):
        if text in texts[:index]:
            yield Fault(f"{field}[{index}]", "is named twice")
