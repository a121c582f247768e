"""What triage needs of the store of dead letters."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import NamedTuple, Protocol

from shared.domain.dead_letters import (
    DeadLetter,
    KeptLetter,
    LetterAction,
    LetterEntry,
    LetterFilter,
    LetterState,
)


class LetterPage(NamedTuple):
    """Letters in order; `next` is the id to go on behind, None at the end."""

    entries: Sequence[LetterEntry]
    next: str | None


class Claim(NamedTuple):
    """The right to act on a letter, alone; `failures` is how often it had failed by then."""

    id: str
    token: str
    failures: int


class DeadLetterStore(Protocol):
    """The letters, kept where PostgreSQL is not needed. Everything raises Unavailable while that is away."""

    def page(
        self, wanted: LetterFilter, *, limit: int, after: str | None = None, newest_first: bool = False
    ) -> LetterPage:
        """Up to `limit` letters in the order of their arrival, from the one behind `after`."""

    def get(self, id: str) -> KeptLetter | None: ...

    def history(self, id: str) -> Sequence[LetterAction]:
        """All that happened to the letter, in order."""

    def claimed(self, id: str, states: Iterable[LetterState]) -> AbstractContextManager[Claim]:
        """The letter to oneself until the block ends.

        Raises NotFound, and Conflict where it is in none of the states or in somebody else's hands.
        """

    def settle(self, claim: Claim, state: LetterState, *, by: str, note: str, is_drain: bool = False) -> None:
        """Note what was done; what failed again while it was replayed is waiting instead.

        A replay closes the failures from before the claim. A drain is counted once the letter fails
        transiently after it; a replay that is no drain starts that count anew.
        """

    def note_vain(self, id: str, *, reason: str) -> None:
        """Count a drain that could not send the letter, if it still waits; its history says why."""

    def correct(self, claim: Claim, correction: DeadLetter, *, by: str, note: str) -> str:
        """Keep the correction as a waiting letter in the place of the claimed one; its id."""

    def tidy(self, *, settled_for: timedelta, limit: int) -> int:
        """Remove up to `limit` letters, with their history, that were last settled so long ago; how many.

        Of a corrected one it stays known that nothing is to be kept of its event any more.
        """
