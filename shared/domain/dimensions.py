"""Declared dimensions: labels of a tenant whose values tell its usage apart, in prices and in reports."""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.domain.aggregate import Dimensions
from shared.domain.errors import Fault
from shared.domain.usage import AHEAD_S_MAX, TEXT_MAX
from shared.domain.windows import GRID, WindowSize, floor

DECLARED_MAX: Final = 8
VALUES_MAX: Final = 1_000
"""Of a label, of one tenant; what comes beyond them counts under OTHER."""
OTHER: Final = "__other__"

KNOWN_FOR_S: Final = 5.0
"""The longest that any process goes by declarations it has read; after that it asks, or accepts nothing."""
CLOCKS_APART_S_MAX: Final = 60
"""How far the clocks of two machines may lie apart."""
LEAD: Final = timedelta(seconds=KNOWN_FOR_S + AHEAD_S_MAX + CLOCKS_APART_S_MAX)
"""How far ahead a declaration takes effect, at least.

Whoever does not know it yet read what there was at most KNOWN_FOR_S before a record came, and the record's
timestamp lies at most AHEAD_S_MAX after that. So no record that a declaration is for is counted without it,
and a rebuild counts the same."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """These labels are dimensions from then on, until the next declaration; of none, nothing is."""

    declared_from: datetime
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that a tenant has declared, in order of time."""

    of: tuple[Declaration, ...] = ()

    def labels_at(self, instant: datetime) -> tuple[str, ...]:
        at = bisect_right(self.of, instant, key=lambda declaration: declaration.declared_from)
        return self.of[at - 1].labels if at else ()

    def with_one(self, declaration: Declaration) -> "Declarations":
        """What was to take effect then or later is no more."""
        earlier = (one for one in self.of if one.declared_from < declaration.declared_from)
        return Declarations((*earlier, declaration))

    def gaps(self, labels: Collection[str], start: datetime) -> Iterator[tuple[datetime, datetime | None]]:
        """The times from `start` on at which not all of these labels are declared; None: for ever."""
        since: datetime | None = None
        for bound in (start, *(one.declared_from for one in self.of if one.declared_from > start)):
            is_declared = set(labels) <= set(self.labels_at(bound))
            if is_declared and since is not None:
                yield since, bound
                since = None
            elif not is_declared and since is None:
                since = bound
        if since is not None:
            yield since, None


def dimensions_of(sent: Mapping[str, str], declared: Sequence[str]) -> Dimensions:
    """What a record's labels say of those that are declared: an empty value says as much as none."""
    return tuple(sorted((label, value) for label in declared if (value := sent.get(label))))


def earliest(now: datetime) -> datetime:
    """The first instant at which a declaration that is made now can take effect."""
    return floor(now + LEAD + GRID - timedelta(microseconds=1), WindowSize.M5)


def label_faults(labels: Sequence[str], field: str) -> Iterator[Fault]:
    if len(labels) > DECLARED_MAX:
        yield Fault(field, f"must be at most {DECLARED_MAX}")
    for number, label in enumerate(labels):
        place = f"{field}[{number}]"
        if not 0 < len(label) <= TEXT_MAX or not label.isprintable():
            yield Fault(place, f"must be 1 to {TEXT_MAX} printable characters")
        elif "," in label:
            yield Fault(place, "must not hold a comma, which stands between labels in a query")
        elif label in labels[:number]:
            yield Fault(place, f"{label!r} is named twice")


def start_faults(declared_from: datetime, now: datetime, field: str) -> Iterator[Fault]:
    first = earliest(now)
    if declared_from != floor(declared_from, WindowSize.M5):
        nearest = max(first, floor(declared_from + GRID / 2, WindowSize.M5))
        yield Fault(field, f"must lie on a 5-minute instant; the nearest is {nearest:%Y-%m-%dT%H:%M:%SZ}")
    elif declared_from < first:
        yield Fault(
            field,
            f"usage of that time may be counted already; the first instant is {first:%Y-%m-%dT%H:%M:%SZ}",
        )
