"""What triage is tried on: letters in memory and in a real Redis, with the same outcome."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import pytest

from shared.adapters.redis_dead_letters import RedisDeadLetters
from shared.domain.dead_letters import LetterEntry, LetterState
from shared.domain.errors import Unavailable
from shared.service.triage import Triage
from tests.shared.service.letter_fakes import USAGE, VOID, Examiner, MemoryLetters, Sink


@dataclass
class Desk:
    store: MemoryLetters | RedisDeadLetters
    sink: Sink = field(default_factory=Sink)
    examiner: Examiner = field(default_factory=Examiner)
    is_database_away: bool = False
    given_up: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = count(1)
        self.triage = Triage(
            store=self.store,
            send=self.sink,
            examine=self.examiner,
            give_up=self.given_up.append,
            check_database=self.check_database,
            counted_type=USAGE,
            drained_types=(USAGE, VOID),
            new_id=lambda: UUID(int=next(numbers)),
        )

    def check_database(self) -> None:
        if self.is_database_away:
            raise Unavailable("PostgreSQL is away")

    def entry(self, id: str) -> LetterEntry:
        return self.triage.show(id).kept.entry

    def state(self, id: str) -> LetterState:
        return self.entry(id).state

    def actions(self, id: str) -> list[tuple[str, str, str]]:
        return [(a.by, a.action, a.note) for a in self.triage.show(id).history]


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[MemoryLetters | RedisDeadLetters]:
    if request.param == "memory":
        yield MemoryLetters()
        return
    letters = RedisDeadLetters(request.getfixturevalue("letters_url"))
    yield letters
    letters.close()


@pytest.fixture
def desk(store: MemoryLetters | RedisDeadLetters) -> Desk:
    return Desk(store)
