"""Dead letters in memory, and a sink that takes events or does not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.domain.dead_letters import (
    DeadLetter,
    KeptLetter,
    LetterAction,
    LetterEntry,
    LetterFilter,
    LetterState,
)
from shared.domain.errors import Conflict, NotFound, Unavailable
from shared.service.dead_letters import Claim, LetterPage
from shared.service.ingest import Examination

AT = datetime(2025, 10, 15, 12, tzinfo=UTC)
USAGE = "dev.faasbilling.usage.recorded.v1"


def letter(
    id: str = "1",
    data: bytes = b"{}",
    *,
    status: str = "422",
    tenant: str = "acme",
    type: str = USAGE,
    arrival: str = "2025-10-15T11:00:00Z",
) -> DeadLetter:
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": "/s",
        "type": type,
        "tenantid": tenant,
        "knativearrivaltime": arrival,
        "knativebrokerttl": "254",
    }
    return DeadLetter(attributes, data, f"{status or 'nothing'} from http://a", "http://a", status, "said")


@dataclass
class MemoryLetters:
    """DeadLetterStore, as far as one thread goes. `failure` is what everything raises."""

    letters: dict[str, KeptLetter] = field(default_factory=dict)
    actions: dict[str, list[LetterAction]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    failure: Exception | None = None

    def keep(self, letter: DeadLetter) -> str:
        known = next((k for k in self.letters.values() if _same(k.letter, letter)), None)
        if known is None:
            return self._add(letter, failures=1, by="broker", action="failed")
        failed_again = letter.attributes != known.letter.attributes or letter.status != known.entry.status
        if failed_again:
            is_replayed = known.entry.state is LetterState.REPLAYED
            state = LetterState.WAITING if is_replayed else known.entry.state
            self._change(
                known.id,
                state=state,
                failures=known.entry.failures + 1,
                reason=letter.reason,
                status=letter.status,
                answer=letter.answer,
            )
            self.letters[known.id] = replace(self.letters[known.id], letter=letter)
            self._act(known.id, "broker", "failed", letter.reason)
        return known.id

    def page(
        self, wanted: LetterFilter, *, limit: int, after: str | None = None, newest_first: bool = False
    ) -> LetterPage:
        self._check()
        entries = [k.entry for k in self.letters.values()]
        entries = entries[::-1] if newest_first else entries
        if after is not None:
            entries = [e for e in entries if (_number(e.id) < _number(after)) is newest_first]
            entries = [e for e in entries if e.id != after]
        found = [e for e in entries if wanted.takes(e)]
        return LetterPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def get(self, id: str) -> KeptLetter | None:
        self._check()
        return self.letters.get(id)

    def history(self, id: str) -> Sequence[LetterAction]:
        return self.actions[id]

    @contextmanager
    def claimed(self, id: str, states: Iterable[LetterState]) -> Iterator[Claim]:
        self._check()
        if id not in self.letters:
            raise NotFound.because("id", f"no dead letter {id!r}")
        entry = self.letters[id].entry
        if id in self.taken:
            raise Conflict.because("id", f"somebody else is acting on dead letter {id}")
        if entry.state not in set(states):
            raise Conflict.because("id", f"dead letter {id} is {entry.state.value} already")
        self.taken.add(id)
        try:
            yield Claim(id, "", entry.failures)
        finally:
            self.taken.discard(id)

    def settle(self, claim: Claim, state: LetterState, *, by: str, note: str) -> None:
        self._check()
        entry = self.letters[claim.id].entry
        if state is LetterState.REPLAYED:
            self._change(claim.id, replays=entry.replays + 1)
        self._act(claim.id, by, state.value, note)
        if state is LetterState.REPLAYED and entry.failures != claim.failures:
            state = LetterState.WAITING
        self._change(claim.id, state=state)

    def correct(self, claim: Claim, correction: DeadLetter, *, by: str, note: str) -> str:
        self.settle(claim, LetterState.CORRECTED, by=by, note=note)
        new = self._add(correction, failures=0, by=by, action="created")
        self._change(new, corrects=claim.id)
        self._change(claim.id, corrected_by=new)
        return new

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _add(self, letter: DeadLetter, *, failures: int, by: str, action: str) -> str:
        id = f"{int(AT.timestamp()) * 1000}-{len(self.letters)}"
        entry = LetterEntry(
            id=id,
            state=LetterState.WAITING,
            received_at=AT,
            failed_at=AT,
            failures=failures,
            replays=0,
            type=letter.type,
            tenant=letter.attributes.get("tenantid", ""),
            source=letter.attributes.get("source", ""),
            event_id=letter.attributes.get("id", ""),
            data_bytes=len(letter.data),
            reason=letter.reason,
            destination=letter.destination,
            status=letter.status,
            answer=letter.answer,
        )
        self.letters[id] = KeptLetter(entry, letter)
        self._act(id, by, action, letter.reason)
        return id

    def _change(self, id: str, **changes: object) -> None:
        kept = self.letters[id]
        self.letters[id] = replace(kept, entry=replace(kept.entry, **changes))  # type: ignore[arg-type]

    def _act(self, id: str, by: str, action: str, note: str) -> None:
        self.actions.setdefault(id, []).append(LetterAction(AT, by, action, note))


@dataclass
class Sink:
    """SendEvent: keeps what it takes. `fails` is raised for an event of that id, `is_away` for any."""

    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    is_away: bool = False
    meanwhile: Callable[[], object] = lambda: None

    def __call__(self, attributes: Mapping[str, str], data: bytes) -> None:
        if self.is_away:
            raise Unavailable("the sink is away")
        if attributes["id"] in self.fails:
            raise self.fails[attributes["id"]]
        self.sent.append((dict(attributes), data))
        self.meanwhile()

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for attributes, _ in self.sent]


@dataclass
class Examiner:
    """Examine: finds what it was told to by the data of the event."""

    found: dict[bytes, Examination] = field(default_factory=dict)

    def __call__(self, attributes: Mapping[str, str], data: bytes) -> Examination:
        return self.found.get(data, Examination())


def _same(one: DeadLetter, other: DeadLetter) -> bool:
    return (_own(one), one.data) == (_own(other), other.data)


def _own(letter: DeadLetter) -> dict[str, str]:
    return {n: v for n, v in letter.attributes.items() if not n.startswith("knative") and n != "time"}


def _number(id: str) -> int:
    return int(id.partition("-")[2])
