"""Records of one part that name the same request."""

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from shared.domain.errors import Fault


class Repeats(NamedTuple):
    """Positions: of records equal to an earlier one, and pairs (earlier, later) that differ in content."""

    equal: frozenset[int] = frozenset()
    conflicting: tuple[tuple[int, int], ...] = ()


NO_REPEATS = Repeats()


def find_repeats(requests: Sequence[Hashable | None], contents: Sequence[object]) -> Repeats:
    """Compare the contents of records whose request, where they name one, is the same."""
    named = [request for request in requests if request is not None]
    if len(set(named)) == len(named):
        return NO_REPEATS
    first: dict[Hashable, int] = {}
    equal, conflicting = set(), []
    for position, request in enumerate(requests):
        if request is None:
            continue
        earlier = first.setdefault(request, position)
        if earlier == position:
            continue
        if contents[earlier] == contents[position]:
            equal.add(position)
        else:
            conflicting.append((earlier, position))
    return Repeats(frozenset(equal), tuple(conflicting))


def conflict_faults(repeats: Repeats, places: Sequence[str]) -> Iterator[Fault]:
    for earlier, later in repeats.conflicting:
        message = f"is that of {places[earlier]} too, whose content differs"
        yield Fault(f"{places[later]}.request_id", message)
