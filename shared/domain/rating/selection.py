"""The part of a meter that a price counts: by time of the week, and by values of dimensions."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.domain.document import TEXT_MAX, Document
from shared.domain.errors import Fault, Rejected
from shared.domain.rating.band import Band, read_band, write_band

INCLUDE: Final = "where"
EXCLUDE: Final = "except"
LABELS_MAX: Final = 8
VALUES_MAX: Final = 50
"""Of a label."""
_NOT_GIVEN: Final = '""'

Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Values by label, in order."""


def _is_value(text: str) -> bool:
    return len(text) <= TEXT_MAX and text.isprintable()


def _faults(field: str, labels: Labels) -> Iterator[Fault]:
    if len(labels) > LABELS_MAX:
        yield Fault(field, f"must name at most {LABELS_MAX} dimensions")
    for label, values in labels:
        path = f"{field}.{label[:TEXT_MAX]}"
        if not (label and _is_value(label)):
            yield Fault(path, f"is no label: it must be 1 to {TEXT_MAX} printable characters")
        yield from _value_faults(path, values)


def _value_faults(path: str, values: Collection[str]) -> Iterator[Fault]:
    if len(values) > VALUES_MAX:
        yield Fault(path, f"must be at most {VALUES_MAX} values")
    if len(set(values)) < len(values):
        yield Fault(path, "names a value twice")


@dataclass(frozen=True, slots=True)
class Where:
    """A series counts where the value of each label of `include` is among its values, and that of no label of
    `exclude` is. A value is "" where none is declared or given.

    Raises Rejected for too many labels or values, for what is named twice, and where nothing can be left.
    """

    include: Labels = ()
    exclude: Labels = ()

    def __post_init__(self) -> None:
        faults = (*_faults(INCLUDE, self.include), *_faults(EXCLUDE, self.exclude), *self._nothing_left())
        if faults:
            raise Rejected(*faults)

    def __bool__(self) -> bool:
        """Whether it leaves out anything."""
        return bool(self.include or self.exclude)

    def __str__(self) -> str:
        """In words, such as `capacity is spot or burst and region is not eu`."""
        return " and ".join(
            f"{label} {verb} {' or '.join(value or _NOT_GIVEN for value in values)}"
            for verb, labels in (("is", self.include), ("is not", self.exclude))
            for label, values in labels
        )

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(label for label, _ in (*self.include, *self.exclude))

    def holds(self, values: Mapping[str, str]) -> bool:
        """Of a series with these values by label."""
        return all(values.get(label, "") in wanted for label, wanted in self.include) and not any(
            values.get(label, "") in unwanted for label, unwanted in self.exclude
        )

    def _nothing_left(self) -> Iterator[Fault]:
        excluded = dict(self.exclude)
        for label, values in self.include:
            if values and set(values) <= set(excluded.get(label, ())):
                yield Fault(f"{EXCLUDE}.{label[:TEXT_MAX]}", f"leaves nothing of {INCLUDE}")


EVERYWHERE: Final = Where()


class Selection(NamedTuple):
    """What a price counts of its meters: all of them, where it says neither."""

    band: Band | None = None
    where: Where = EVERYWHERE

    @property
    def is_all(self) -> bool:
        return self.band is None and not self.where

    def __str__(self) -> str:
        """In words, to come behind a meter; "" for all of it."""
        band = "" if self.band is None else f" in {self.band}"
        return f"{band} where {self.where}" if self.where else band


ALL: Final = Selection()


class Selected(NamedTuple):
    """A part of a meter, as quantities are asked for it."""

    meter: str
    band: Band | None
    where: Where

    @property
    def selection(self) -> Selection:
        return Selection(self.band, self.where)


Key = str | Selected
"""What a price asks for: a meter by its name, or a part of one."""


def key_of(meter: str, selection: Selection) -> Key:
    return meter if selection.is_all else Selected(meter, *selection)


def read_selection(price: Document) -> Selection:
    """The fields `band`, `where` and `except` of a price."""
    band = read_band(price)
    include, exclude = _read_labels(price, INCLUDE), _read_labels(price, EXCLUDE)
    try:
        return Selection(band, Where(include, exclude))
    except Rejected as refusal:
        for fault in refusal.faults:
            price.fault(*fault)
        return Selection(band)


def write_selection(selection: Selection) -> dict[str, object]:
    sides = ((INCLUDE, selection.where.include), (EXCLUDE, selection.where.exclude))
    return write_band(selection.band) | {
        field: {label: list(values) for label, values in labels} for field, labels in sides if labels
    }


def _read_labels(price: Document, field: str) -> Labels:
    value = price.value(field)
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not value:
        price.fault(field, 'must be an object that names a dimension, such as {"capacity": "spot"}')
        return ()
    return tuple(sorted((str(label), _read_values(price, field, label, of)) for label, of in value.items()))


def _read_values(price: Document, field: str, label: object, value: object) -> tuple[str, ...]:
    """One text, or an array of some."""
    values = value if isinstance(value, list | tuple) else [value]
    texts = [text for text in values if isinstance(text, str) and _is_value(text)]
    if not values or len(texts) < len(values):
        wanted = f"must be a text, or an array of some, of at most {TEXT_MAX} printable characters"
        price.fault(f"{field}.{str(label)[:TEXT_MAX]}", wanted)
        return ()
    return tuple(sorted(texts))
