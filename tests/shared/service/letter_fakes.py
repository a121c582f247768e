"""Dead letters in memory, and a sink that takes events or does not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.domain.dead_letters import (
    ARRIVAL,
    DeadLetter,
    Failure,
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
DESTINATIONS_MAX = 16
USAGE = "dev.faasbilling.usage.recorded.v1"
VOID = "dev.faasbilling.usage.voided.v1"


def letter(
    id: str = "1",
    data: bytes = b"{}",
    *,
    status: str = "422",
    tenant: str = "acme",
    type: str = USAGE,
    arrival: str = "2025-10-15T11:00:00Z",
    destination: str = "http://a",
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
    reason = f"{status or 'nothing'} from {destination}"
    return DeadLetter(attributes, data, reason, destination, status, "said")


@dataclass
class Known:
    """The last failure of a destination; it is the letter's `number`th."""

    failure: Failure
    mark: tuple[str, str]
    number: int
    is_open: bool = True


@dataclass
class MemoryLetters:
    """DeadLetterStore, as far as one thread goes. `failure` is what everything raises."""

    letters: dict[str, KeptLetter] = field(default_factory=dict)
    actions: dict[str, list[LetterAction]] = field(default_factory=dict)
    failed: dict[str, list[Known]] = field(default_factory=dict)
    settled_at: dict[str, datetime] = field(default_factory=dict)
    drained: set[str] = field(default_factory=set)
    corrected: list[DeadLetter] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    failure: Exception | None = None
    now: datetime = AT
    added: int = 0

    def keep(self, letter: DeadLetter) -> str:
        if any(_same(gone, letter) for gone in self.corrected):
            return ""
        known = next((k for k in self.letters.values() if _same(k.letter, letter)), None)
        if known is None:
            id = self._add(letter, failures=1, by="broker", action="failed")
            self._note(id, letter)
            return id
        if not self._is_told_again(known.id, letter):
            self._change(
                known.id,
                failures=known.entry.failures + 1,
                failed_at=self.now,
                reason=letter.reason,
                destination=letter.destination,
                status=letter.status,
                answer=letter.answer,
            )
            self.letters[known.id] = replace(self.letters[known.id], letter=letter)
            self._note(known.id, letter)
            if known.entry.state is LetterState.REPLAYED:
                self._enter(known.id, LetterState.WAITING)
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

    def settle(self, claim: Claim, state: LetterState, *, by: str, note: str, is_drain: bool = False) -> None:
        self._check()
        entry = self.letters[claim.id].entry
        self._act(claim.id, by, state.value, note)
        if state is LetterState.REPLAYED:
            self._change(claim.id, replays=entry.replays + 1, drains=entry.drains if is_drain else 0)
            self.drained = self.drained | {claim.id} if is_drain else self.drained - {claim.id}
            state = LetterState.WAITING if entry.failures != claim.failures else state
            for known in self.failed[claim.id]:
                known.is_open &= known.number > claim.failures
            self._show(claim.id, left_out=0)
        self._enter(claim.id, state)

    def note_vain(self, id: str, *, reason: str) -> None:
        self._check()
        entry = self.letters[id].entry
        if entry.state is LetterState.WAITING:
            self._change(id, drains=entry.drains + 1)
            self._act(id, "drain", "not sent", reason)

    def correct(self, claim: Claim, correction: DeadLetter, *, by: str, note: str) -> str:
        self.settle(claim, LetterState.CORRECTED, by=by, note=note)
        new = self._add(correction, failures=0, by=by, action="created")
        self._change(new, corrects=claim.id)
        self._change(claim.id, corrected_by=new)
        return new

    def tidy(self, *, settled_for: timedelta, limit: int) -> int:
        self._check()
        gone = [id for id, at in self.settled_at.items() if at <= self.now - settled_for]
        gone = [id for id in gone if id not in self.taken][:limit]
        for id in gone:
            kept = self.letters.pop(id)
            del self.actions[id], self.settled_at[id], self.failed[id]
            if kept.entry.state is LetterState.CORRECTED:
                self.corrected.append(kept.letter)
        return len(gone)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _add(self, letter: DeadLetter, *, failures: int, by: str, action: str) -> str:
        id = f"{int(AT.timestamp()) * 1000}-{self.added}"
        self.added += 1
        entry = LetterEntry(
            id=id,
            state=LetterState.WAITING,
            received_at=self.now,
            failed_at=self.now,
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
        self.failed[id] = []
        self._act(id, by, action, letter.reason)
        return id

    def _enter(self, id: str, state: LetterState) -> None:
        self._change(id, state=state)
        self.settled_at.pop(id, None)
        if state is not LetterState.WAITING:
            self.settled_at[id] = self.now

    def _is_told_again(self, id: str, letter: DeadLetter) -> bool:
        mark = _mark(letter)
        return any(
            known.mark == mark and known.failure.destination == letter.destination
            for known in self.failed[id]
        )

    def _note(self, id: str, letter: DeadLetter) -> None:
        entry, there = self.letters[id].entry, self.failed[id]
        before = [known for known in there if known.failure.destination == letter.destination]
        failure = Failure(
            destination=letter.destination,
            status=letter.status,
            answer=letter.answer,
            reason=letter.reason,
            failed_at=self.now,
            count=1 + sum(known.failure.count for known in before),
        )
        there[:] = [known for known in there if known not in before]
        there.append(Known(failure, _mark(letter), entry.failures))
        left_out = entry.left_out
        if len(there) > DESTINATIONS_MAX:
            oldest = min(there[:-1], key=lambda known: (known.is_open, known.failure.is_transient))
            left_out += oldest.is_open
            there.remove(oldest)
        self._show(id, left_out=left_out)

    def _show(self, id: str, *, left_out: int) -> None:
        """The open failures in the entry; a transient one proves the last drain vain."""
        open = tuple(known.failure for known in reversed(self.failed[id]) if known.is_open)
        drains = self.letters[id].entry.drains
        if id in self.drained and any(failure.is_transient for failure in open):
            drains += 1
            self.drained.discard(id)
        self._change(id, destinations=open, left_out=left_out, drains=drains)

    def _change(self, id: str, **changes: object) -> None:
        kept = self.letters[id]
        self.letters[id] = replace(kept, entry=replace(kept.entry, **changes))  # type: ignore[arg-type]

    def _act(self, id: str, by: str, action: str, note: str) -> None:
        self.actions.setdefault(id, []).append(LetterAction(self.now, by, action, note))


@dataclass
class Sink:
    """SendEvent: keeps what it takes. `fails` is raised for an event of that id, `is_away` for any."""

    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    is_away: bool = False
    tries: int = 0
    meanwhile: Callable[[], object] = lambda: None

    def __call__(self, attributes: Mapping[str, str], data: bytes) -> None:
        self.tries += 1
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


def _mark(letter: DeadLetter) -> tuple[str, str]:
    return letter.attributes.get(ARRIVAL, ""), letter.status


def _own(letter: DeadLetter) -> dict[str, str]:
    return {n: v for n, v in letter.attributes.items() if not n.startswith("knative") and n != "time"}


def _number(id: str) -> int:
    return int(id.partition("-")[2])
