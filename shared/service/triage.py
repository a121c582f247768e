"""Dead letters: looking at them, and sending them again, corrected, or dropping them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from shared.domain.dead_letters import (
    CORRECTS,
    REPLAYABLE,
    DeadLetter,
    KeptLetter,
    LetterAction,
    LetterEntry,
    LetterFilter,
    LetterState,
    event_attributes,
)
from shared.domain.errors import Conflict, Fault, NotFound, Rejected, Unavailable
from shared.service.dead_letters import DeadLetterStore, LetterPage
from shared.service.ingest import Examination
from shared.service.ports import NewId
from shared.service.replays import Refusal, Replayed, is_late, replay_each

__all__ = ["Refusal", "Replayed", "ShownLetter", "Triage"]

DRAIN_MAX = 1_000
"""Letters that one call of `drain` sends at most, and reads at once."""
TIDY_MAX = 1_000
"""Letters that one call of `tidy` removes at most."""
SETTLED_KEPT = timedelta(days=90)
"""How long a letter is kept, with its history, after it was replayed, corrected or dropped."""
_WAITING = frozenset({LetterState.WAITING})
"""What is chosen by a list is not sent if people have settled it meanwhile."""
_CORRECTION = "a correction that has not been sent yet"


class SendEvent(Protocol):
    """Sends an event to where all events go; the attributes are those that `event_attributes` gives.

    Raises Rejected where they make no event or the sink refuses it, Unavailable where it cannot take it now.
    """

    def __call__(self, attributes: Mapping[str, str], data: bytes) -> None: ...


Examine = Callable[[Mapping[str, str], bytes], Examination]
"""What those who take such an event would say of it now, without taking it."""


GiveUp = Callable[[Mapping[str, str]], None]
"""Sees that an event is not counted from now on, however late it comes; raises Conflict where it was."""


@dataclass(frozen=True, slots=True)
class ShownLetter:
    kept: KeptLetter
    examination: Examination
    history: Sequence[LetterAction]


class Triage:
    """The use cases around dead letters.

    `check_database` raises Unavailable while letters that waited for it need not be sent again. Events of
    `drained_types` are sent again without being asked for; one of `counted_type` may have been counted.
    """

    def __init__(
        self,
        *,
        store: DeadLetterStore,
        send: SendEvent,
        examine: Examine,
        give_up: GiveUp,
        check_database: Callable[[], None],
        counted_type: str,
        drained_types: Collection[str],
        new_id: NewId,
    ) -> None:
        self._store = store
        self._send = send
        self._examine = examine
        self._give_up = give_up
        self._check_database = check_database
        self._counted_type = counted_type
        self._drained_types = drained_types
        self._new_id = new_id

    def list(
        self, wanted: LetterFilter, *, limit: int, after: str | None = None, newest_first: bool = True
    ) -> LetterPage:
        return self._store.page(wanted, limit=limit, after=after, newest_first=newest_first)

    def show(self, id: str) -> ShownLetter:
        """The letter with all that is wrong with it now. Raises NotFound."""
        kept = self._get(id)
        examination = self._examine(self._event(kept), kept.letter.data)
        return ShownLetter(kept, examination, self._store.history(id))

    def replay(self, id: str, *, by: str, note: str = "") -> LetterEntry:
        """Send the event again, as it was: what has been counted already is not counted again.

        Raises NotFound, Conflict for a corrected letter, Rejected and Unavailable as sending does.
        """
        self._replay(REPLAYABLE, id, by=by, note=note)
        return self._get(id).entry

    def replay_all(self, wanted: LetterFilter, *, by: str, limit: int, after: str | None = None) -> Replayed:
        """Replay the waiting letters wanted, oldest first, past those refused, until the sink is away."""
        page = self._waiting(wanted, limit=limit, after=after)
        replay = partial(self._replay, _WAITING, by=by)
        return replay_each(page.entries, replay, after=after, more=page.next)

    def drain(
        self, *, limit: int = DRAIN_MAX, after: str | None = None, until: float | None = None
    ) -> Replayed:
        """Replay what failed only because something was away, if the database is back.

        What no answer, or one after which a Broker repeats, ended at one destination at least, oldest
        first; whatever else is wrong waits for people, and so does what was drained too often in vain.
        `until` is a time of the monotonic clock. Raises Unavailable while the database or the store is away.
        """
        self._check_database()
        found: list[LetterEntry] = []
        drainable: list[LetterEntry] = []
        seen = after
        while True:
            page = self._waiting(LetterFilter(), limit=DRAIN_MAX, after=seen)
            transient = [e for e in page.entries if e.is_transient and e.type in self._drained_types]
            found += transient
            drainable += (entry for entry in transient if not entry.is_exhausted)
            seen = page.next
            if seen is None or len(drainable) >= limit or is_late(until):
                break
        drain = partial(self._replay, _WAITING, by="drain", note="what it waited for is back", is_drain=True)
        drained = replay_each(
            drainable, drain, after=after, more=seen, limit=limit, until=until, note_vain=self._note_vain
        )
        return replace(drained, exhausted=_exhausted(found, after, drained.next))

    def tidy(self, *, settled_for: timedelta = SETTLED_KEPT, limit: int = TIDY_MAX) -> int:
        """Remove letters that were settled so long ago, with their history; how many. None that waits."""
        return self._store.tidy(settled_for=settled_for, limit=limit)

    def correct(
        self, id: str, data: bytes | None, attributes: Mapping[str, str | None], *, by: str, reason: str
    ) -> tuple[LetterEntry, LetterEntry]:
        """Send another event in the place of this one: with this data (None keeps it) and these attributes
        changed (None takes one away), with an id of its own and the old one in `corrects`.

        The letter and the one of the correction, which waits itself where it could not be sent. Asked for
        again, it is sent again where it still waits. Raises Rejected with every fault of the correction,
        Conflict where the letter is not waiting, was counted, or was corrected otherwise.
        """
        if data is None and not attributes:
            raise Rejected.because("data", "give data or attributes to change")
        kept = self._get(id)
        if kept.entry.state is LetterState.CORRECTED:
            return self._corrected_before(kept, data, attributes, by=by)
        with self._store.claimed(id, [LetterState.WAITING]) as claim:
            self._refuse_counted(kept)
            correction = self._correction(kept, data, attributes)
            self._give_up(self._event(kept))
            new_id = self._store.correct(claim, correction, by=by, note=reason)
        return self._sent(id, new_id, by=by)

    def drop(self, id: str, *, by: str, reason: str) -> LetterEntry:
        """Give the event up: it stays visible as dropped. Raises NotFound, Conflict unless it is waiting."""
        with self._store.claimed(id, [LetterState.WAITING]) as claim:
            self._store.settle(claim, LetterState.DROPPED, by=by, note=reason)
        return self._get(id).entry

    def _get(self, id: str) -> KeptLetter:
        kept = self._store.get(id)
        if kept is None:
            raise NotFound.because("id", f"no dead letter {id[:64]!r}")
        return kept

    @staticmethod
    def _event(kept: KeptLetter) -> dict[str, str]:
        return event_attributes(kept.letter.attributes, kept.received_at)

    def _waiting(self, wanted: LetterFilter, *, limit: int, after: str | None) -> LetterPage:
        return self._store.page(replace(wanted, state=LetterState.WAITING), limit=limit, after=after)

    def _replay(
        self, states: Iterable[LetterState], id: str, *, by: str, note: str = "", is_drain: bool = False
    ) -> None:
        with self._store.claimed(id, states) as claim:
            kept = self._get(id)
            self._send(self._event(kept), kept.letter.data)
            self._store.settle(claim, LetterState.REPLAYED, by=by, note=note, is_drain=is_drain)

    def _note_vain(self, refusal: Refusal) -> None:
        self._store.note_vain(refusal.id, reason=refusal.reason)

    def _refuse_counted(self, kept: KeptLetter) -> None:
        examination = self._examine(self._event(kept), kept.letter.data)
        if examination.is_counted:
            raise Conflict.because("id", "the event was counted: void it, or it counts beside its correction")
        if kept.entry.type == self._counted_type and not examination.is_complete:
            raise Unavailable("whether the event was counted can only be known with the database")

    def _correction(
        self, kept: KeptLetter, data: bytes | None, attributes: Mapping[str, str | None]
    ) -> DeadLetter:
        if fixed := sorted({"id", CORRECTS} & attributes.keys()):
            raise Rejected(*(Fault(f"attributes.{name}", "is given by the correction") for name in fixed))
        old_id = kept.letter.attributes.get("id", "")
        changed = self._changed(kept, attributes) | {"id": str(self._new_id())}
        corrected = changed | ({CORRECTS: old_id} if old_id else {})
        text = kept.letter.data if data is None else data
        examination = self._examine(corrected, text)
        if examination.faults:
            raise Rejected(*examination.faults, total=examination.total)
        return DeadLetter(corrected, text, _CORRECTION)

    def _changed(self, kept: KeptLetter, attributes: Mapping[str, str | None]) -> dict[str, str]:
        wanted: dict[str, str | None] = {**self._event(kept), **attributes}
        return {name: text for name, text in wanted.items() if text is not None}

    def _corrected_before(
        self, kept: KeptLetter, data: bytes | None, attributes: Mapping[str, str | None], *, by: str
    ) -> tuple[LetterEntry, LetterEntry]:
        correction = self._get(kept.entry.corrected_by)
        there = dict(correction.letter.attributes)
        wanted = self._changed(kept, attributes) | {
            name: there[name] for name in ("id", CORRECTS) if name in there
        }
        if (wanted, kept.letter.data if data is None else data) != (there, correction.letter.data):
            raise Conflict.because("id", f"dead letter {kept.id} is corrected already, by {correction.id}")
        return self._sent(kept.id, correction.id, by=by)

    def _sent(self, id: str, correction_id: str, *, by: str) -> tuple[LetterEntry, LetterEntry]:
        """Both letters, once the correction was sent, or waits to be."""
        correction = self._get(correction_id).entry
        if correction.state is LetterState.WAITING and correction.failures == 0:
            correction = self.replay(correction_id, by=by)
        return self._get(id).entry, correction


def _exhausted(found: Iterable[LetterEntry], after: str | None, next: str | None) -> int:
    """How many of these letters, behind `after`, are exhausted, up to the one to go on behind."""
    if next is not None and next == after:
        return 0
    count = 0
    for entry in found:
        count += entry.is_exhausted
        if entry.id == next:
            break
    return count
