"""Dead letters reach the invoices that they hold back."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from shared.domain.dead_letters import REPLAYABLE, LetterState
from shared.domain.errors import Unavailable
from shared.service.invoicing.held_letters import HeldLetter, copy_letters
from tests.shared.service.letter_fakes import USAGE, VOID, MemoryLetters, letter

NOW = datetime(2025, 11, 1, tzinfo=UTC)


class Held:
    """HeldLetters in memory."""

    def __init__(self) -> None:
        self.letters: Sequence[HeldLetter] = ()
        self.read_at: datetime | None = None
        self.unreadable = ""

    def replace(self, letters: Sequence[HeldLetter], at: datetime) -> None:
        self.letters, self.read_at, self.unreadable = letters, at, ""

    def cannot_be_read(self, at: datetime, reason: str) -> None:
        self.unreadable = reason


@pytest.fixture
def held() -> Held:
    return Held()


def copied(store: MemoryLetters, held: Held) -> int:
    return copy_letters(store, held, (USAGE, VOID), lambda: NOW)


def test_letters_about_usage_that_wait_are_copied_however_many_there_are(held: Held) -> None:
    store = MemoryLetters()
    ids = [store.keep(letter(str(number))) for number in range(1_201)]
    store.keep(letter("other", type="another.type"))
    with store.claimed(ids[0], REPLAYABLE) as claim:
        store.settle(claim, LetterState.DROPPED, by="ann", note="")
    assert copied(store, held) == 1_200
    assert [one.id for one in held.letters] == ids[1:]
    first = held.letters[0]
    assert (first.tenant, first.type, first.reason) == ("acme", USAGE, "422 from http://a")
    assert held.read_at == NOW


def test_letters_that_cannot_be_read_are_noted_as_that_until_they_can(held: Held) -> None:
    store = MemoryLetters(failure=Unavailable("Redis is away"))
    with pytest.raises(Unavailable):
        copied(store, held)
    assert (held.unreadable, held.read_at) == ("Redis is away", None)
    store.failure = None
    assert copied(store, held) == 0
    assert held.unreadable == ""
