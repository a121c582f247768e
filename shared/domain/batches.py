"""The numbers that a sender gives its batches: which of them came, and which are missing."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

NUMBER_MAX = 2**63 - 1


class Hole(NamedTuple):
    """Numbers from `first` to `last`, both included, that have not come though a later one has.

    `since` is when the batch behind it came.
    """

    first: int
    last: int
    since: datetime

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Progress(NamedTuple):
    """All numbers from 1 to `highest` have come, but those in the holes, which are in order."""

    highest: int = 0
    holes: tuple[Hole, ...] = ()

    @property
    def missing(self) -> int:
        return sum(hole.size for hole in self.holes)


def received(progress: Progress, numbers: Mapping[int, datetime]) -> Progress:
    """The progress after the batches of these numbers, each with the instant it came.

    Of the holes, those that hold none of the numbers may be left out: they stay as they are.
    """
    order = sorted(numbers)
    holes: list[Hole] = []
    for hole in progress.holes:
        inside = order[bisect_left(order, hole.first) : bisect_right(order, hole.last)]
        holes += (hole._replace(first=first, last=last) for first, last in _between(hole, inside))
    highest = progress.highest
    for number in order[bisect_right(order, highest) :]:
        if number > highest + 1:
            holes.append(Hole(highest + 1, number - 1, numbers[number]))
        highest = number
    return Progress(highest, tuple(holes))


def source_key(source: str) -> UUID:
    """16 bytes of SHA-256: a source may be too long for an index."""
    return UUID(bytes=sha256(source.encode()).digest()[:16])


def _between(hole: Hole, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = hole.first
    for number in numbers:
        if first < number:
            yield first, number - 1
        first = number + 1
    if first <= hole.last:
        yield first, hole.last
