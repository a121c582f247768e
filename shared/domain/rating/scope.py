"""Which earlier prices of a plan a price is about: those that it names, or all of them."""

from collections.abc import Iterator, Sequence

from shared.domain.document import Document
from shared.domain.errors import Fault
from shared.domain.rating.fields import read_texts, repeated

FIELD = "of"


def read_scope(document: Document) -> tuple[str, ...]:
    """The names of earlier prices; () for all."""
    return read_texts(document, FIELD)


def write_scope(of: Sequence[str]) -> dict[str, object]:
    return {FIELD: list(of)} if of else {}


def scope_faults(of: Sequence[str]) -> Iterator[Fault]:
    return repeated(FIELD, of)


def scope_text(of: Sequence[str]) -> str:
    """The prices, in words."""
    return ", ".join(of) or "all charges above"
