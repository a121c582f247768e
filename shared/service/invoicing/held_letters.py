"""Dead letters that hold invoices back, copied to where the invoices are."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from shared.domain.dead_letters import LetterFilter, LetterState
from shared.domain.errors import Unavailable
from shared.service.dead_letters import DeadLetterStore
from shared.service.ports import Clock

_PAGE: Final = 500


class HeldLetter(NamedTuple):
    """A letter that waits: usage of `tenant`, by any of its names, that came at `time` and is not counted."""

    tenant: str
    id: str
    type: str
    time: datetime
    reason: str


class HeldLetters(Protocol):
    def replace(self, letters: Sequence[HeldLetter], at: datetime) -> None:
        """At `at` these waited, and no others, of tenants that there are."""

    def cannot_be_read(self, at: datetime, reason: str) -> None:
        """Until the next `replace`, which letters wait is not known."""


def copy_letters(store: DeadLetterStore, held: HeldLetters, types: Collection[str], clock: Clock) -> int:
    """Copy the letters of these types that wait; how many. While they cannot be read that is noted, and
    Unavailable raised."""
    at = clock()
    try:
        letters = list(_waiting(store, types))
    except Unavailable as error:
        held.cannot_be_read(at, str(error))
        raise
    held.replace(letters, at)
    return len(letters)


def _waiting(store: DeadLetterStore, types: Collection[str]) -> Iterator[HeldLetter]:
    after: str | None = None
    while True:
        page = store.page(LetterFilter(LetterState.WAITING), limit=_PAGE, after=after)
        for entry in page.entries:
            if entry.type in types:
                yield HeldLetter(entry.tenant, entry.id, entry.type, entry.received_at, entry.reason)
        after = page.next
        if after is None:
            return
