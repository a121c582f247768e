"""Whatever happens to a letter in whatever order, it is drained if, and only if, it has to be."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.redis_dead_letters import RedisDeadLetters
from shared.domain.dead_letters import REPLAYABLE, LetterState
from shared.service.dead_letters import Claim
from tests.shared.service.letter_fakes import MemoryLetters, letter

STATUSES = ("503", "500", "422", "404", "")
AWAY = {"503", "500", "404", ""}
FAILURES = st.tuples(
    st.sampled_from(["http://a", "http://b", "http://c", ""]),
    st.sampled_from(STATUSES),
    st.sampled_from(["1", "2", "3"]),
)
ACTS = st.sampled_from(["claim", "replay", "drain", "drop", "release", "tidy"])
Failed = tuple[str, str, str]
_numbers = count()


@dataclass
class Model:
    """A letter by what is said of it: all that ever failed, and how much of that a replay came after."""

    failures: list[Failed] = field(default_factory=list)
    replays: int = 0
    closed: int = 0
    state: LetterState = LetterState.WAITING
    claimed_at: int | None = None

    def fail(self, failed: Failed) -> None:
        last = next((known for known in reversed(self.failures) if known[0] == failed[0]), None)
        if failed == last:
            return
        self.failures.append(failed)
        if self.state is LetterState.REPLAYED:
            self.state = LetterState.WAITING

    def replay(self) -> None:
        assert self.claimed_at is not None
        self.replays += 1
        self.closed = self.claimed_at
        self.state = LetterState.WAITING if self.failures[self.closed :] else LetterState.REPLAYED

    @property
    def open(self) -> dict[str, str]:
        return {destination: status for destination, status, _ in self.failures[self.closed :]}

    @property
    def is_transient(self) -> bool:
        return self.state is LetterState.WAITING and not AWAY.isdisjoint(self.open.values())


@dataclass
class Letter:
    """A letter in the store and its model, which are done the same to."""

    store: MemoryLetters | RedisDeadLetters
    event: str
    id: str = ""
    model: Model = field(default_factory=Model)
    _claim: Claim | None = None
    _claimed: AbstractContextManager[Claim] | None = None

    def do(self, act: str | Failed) -> None:
        if isinstance(act, tuple):
            self.fail(act)
        elif act == "claim" and self._claim is None:
            self._claimed = self.store.claimed(self.id, REPLAYABLE)
            self._claim = self._claimed.__enter__()
            self.model.claimed_at = len(self.model.failures)
        elif act == "tidy":
            self.tidy()
        elif self._claim is not None:
            self.settle(self._claim, act)

    def fail(self, failed: Failed) -> None:
        destination, status, arrival = failed
        self.id = self.store.keep(letter(self.event, destination=destination, status=status, arrival=arrival))
        self.model.fail(failed)

    def settle(self, claim: Claim, act: str) -> None:
        if act in ("replay", "drain"):
            self.store.settle(claim, LetterState.REPLAYED, by=act, note="", is_drain=act == "drain")
            self.model.replay()
        elif act == "drop":
            self.store.settle(claim, LetterState.DROPPED, by=act, note="")
            self.model.state = LetterState.DROPPED
        self.release()

    def release(self) -> None:
        if self._claimed is not None:
            self._claimed.__exit__(None, None, None)
        self._claim = self._claimed = None

    def tidy(self) -> None:
        is_kept = self._claim is not None or self.model.state is LetterState.WAITING
        self.store.tidy(settled_for=timedelta(0), limit=1_000)
        assert (self.store.get(self.id) is not None) is is_kept
        if not is_kept:
            self.model = Model()
            self.fail(("http://a", "422", "9"))

    def check(self) -> None:
        kept = self.store.get(self.id)
        assert kept is not None
        entry, model = kept.entry, self.model
        assert (entry.state, entry.failures, entry.replays) == (
            model.state,
            len(model.failures),
            model.replays,
        )
        assert {failure.destination: failure.status for failure in entry.destinations} == model.open
        assert entry.is_transient is model.is_transient
        for failure in entry.destinations:
            assert failure.count == sum(known[0] == failure.destination for known in model.failures)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=FAILURES, acts=st.lists(st.one_of(FAILURES, ACTS), max_size=30))
def test_a_letter_is_drained_as_the_model_says(
    store: MemoryLetters | RedisDeadLetters, first: Failed, acts: Sequence[str | Failed]
) -> None:
    one = Letter(store, f"{next(_numbers)}")
    try:
        for act in (first, *acts):
            one.do(act)
            one.check()
    finally:
        one.release()
