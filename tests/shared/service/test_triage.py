"""Dead letters in people's hands: over letters in memory and in a real Redis, with the same outcome."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import pytest

from shared.adapters.redis_dead_letters import RedisDeadLetters
from shared.domain.dead_letters import LetterFilter, LetterState
from shared.domain.errors import Conflict, Fault, NotFound, Rejected, Unavailable
from shared.service.ingest import Examination
from shared.service.triage import DRAINS_MAX, Triage
from tests.shared.service.letter_fakes import USAGE, Examiner, MemoryLetters, Sink, letter

EVERYTHING = LetterFilter()


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
            drained_type=USAGE,
            new_id=lambda: UUID(int=next(numbers)),
        )

    def check_database(self) -> None:
        if self.is_database_away:
            raise Unavailable("PostgreSQL is away")

    def state(self, id: str) -> LetterState:
        return self.triage.show(id).kept.entry.state

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


def test_a_letter_waits_and_says_what_happened(desk: Desk) -> None:
    id = desk.store.keep(letter())
    shown = desk.triage.show(id)
    assert (shown.kept.entry.state, shown.kept.entry.failures) == (LetterState.WAITING, 1)
    assert (shown.kept.letter.status, shown.kept.letter.answer) == ("422", "said")
    assert desk.actions(id) == [("broker", "failed", "422 from http://a")]


def test_all_that_is_wrong_with_the_event_stands_beside_the_answer(desk: Desk) -> None:
    faults = tuple(Fault(f"records[{n}].memory_mb", "must not be negative") for n in range(50))
    desk.examiner.found[b"{}"] = Examination(faults, 50)
    shown = desk.triage.show(desk.store.keep(letter()))
    assert shown.examination.faults == faults


def test_a_replay_sends_the_event_as_it_was_without_what_brokers_added(desk: Desk) -> None:
    id = desk.store.keep(letter(data=b'{"n": 1.50}'))
    entry = desk.triage.replay(id, by="ann", note="the tenant is there now")
    assert (entry.state, entry.replays) == (LetterState.REPLAYED, 1)
    ((attributes, data),) = desk.sink.sent
    assert data == b'{"n": 1.50}'
    assert attributes == {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": USAGE,
        "tenantid": "acme",
        "time": "2025-10-15T11:00:00+00:00",
    }
    assert desk.actions(id)[1:] == [("ann", "replayed", "the tenant is there now")]


def test_what_fails_again_waits_again_as_the_same_letter(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.triage.replay(id, by="ann")
    again = letter(status="503", arrival="2025-10-15T12:00:00Z")
    assert desk.store.keep(again) == id
    entry = desk.triage.show(id).kept.entry
    assert (entry.state, entry.failures, entry.replays, entry.status) == (LetterState.WAITING, 2, 1, "503")
    assert [action for _, action, _ in desk.actions(id)] == ["failed", "replayed", "failed"]


def test_a_letter_told_twice_by_the_broker_is_no_second_failure(desk: Desk) -> None:
    id = desk.store.keep(letter())
    assert desk.store.keep(letter()) == id
    desk.triage.replay(id, by="ann")
    desk.store.keep(letter())
    assert desk.state(id) is LetterState.REPLAYED
    assert desk.triage.show(id).kept.entry.failures == 1


def test_what_fails_again_before_the_replay_is_noted_is_waiting(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.sink.meanwhile = lambda: desk.store.keep(letter(arrival="later"))
    assert desk.triage.replay(id, by="ann").state is LetterState.WAITING


def test_a_replay_that_the_sink_does_not_take_changes_nothing(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.sink.is_away = True
    with pytest.raises(Unavailable):
        desk.triage.replay(id, by="ann")
    desk.sink.is_away = False
    desk.sink.fails["1"] = Rejected.because("event", "no")
    with pytest.raises(Rejected):
        desk.triage.replay(id, by="ann")
    assert (desk.state(id), len(desk.actions(id))) == (LetterState.WAITING, 1)
    desk.sink.fails.clear()
    assert desk.triage.replay(id, by="ann").state is LetterState.REPLAYED


def test_while_one_acts_on_a_letter_nobody_else_may(desk: Desk) -> None:
    id = desk.store.keep(letter())
    with desk.store.claimed(id, [LetterState.WAITING]):
        with pytest.raises(Conflict, match="somebody else"):
            desk.triage.drop(id, by="bob", reason="no")
        with pytest.raises(Conflict, match="somebody else"):
            desk.triage.correct(id, b"[]", {}, by="bob", reason="no")
    assert desk.triage.drop(id, by="bob", reason="no").state is LetterState.DROPPED


def test_a_dropped_letter_stays_visible_with_who_and_why_and_can_be_sent_after_all(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.triage.drop(id, by="bob", reason="a test of ours")
    assert [e.id for e in desk.triage.list(LetterFilter(LetterState.DROPPED), limit=9).entries] == [id]
    assert desk.actions(id)[-1] == ("bob", "dropped", "a test of ours")
    with pytest.raises(Conflict, match="dropped already"):
        desk.triage.drop(id, by="bob", reason="again")
    desk.store.keep(letter(arrival="sent once more"))
    assert desk.state(id) is LetterState.DROPPED
    assert desk.triage.replay(id, by="bob").state is LetterState.REPLAYED


def test_a_correction_is_an_event_of_its_own_linked_to_the_old_one(desk: Desk) -> None:
    id = desk.store.keep(letter())
    old, new = desk.triage.correct(id, b'{"n": 2}', {"tenantid": "globex"}, by="ann", reason="a typo")
    assert (old.state, old.corrected_by, new.corrects) == (LetterState.CORRECTED, new.id, id)
    assert (new.state, new.event_id, new.failures) == (LetterState.REPLAYED, str(UUID(int=1)), 0)
    (given_up,) = desk.given_up
    assert (given_up["id"], given_up["tenantid"]) == ("1", "acme")
    ((attributes, data),) = desk.sink.sent
    assert data == b'{"n": 2}'
    assert attributes == {
        "specversion": "1.0",
        "id": str(UUID(int=1)),
        "source": "/s",
        "type": USAGE,
        "tenantid": "globex",
        "time": "2025-10-15T11:00:00+00:00",
        "corrects": "1",
    }
    assert desk.actions(id)[-1] == ("ann", "corrected", "a typo")
    assert desk.actions(new.id)[0][:2] == ("ann", "created")


def test_a_correction_that_is_wrong_too_is_refused_with_every_fault(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.examiner.found[b"bad"] = Examination((Fault("a", "is bad"), Fault("b", "is bad")), 7)
    with pytest.raises(Rejected) as refused:
        desk.triage.correct(id, b"bad", {}, by="ann", reason="a typo")
    assert refused.value.total == 7
    with pytest.raises(Rejected, match="give data or attributes"):
        desk.triage.correct(id, None, {}, by="ann", reason="a typo")
    with pytest.raises(Rejected, match=r"attributes\.id"):
        desk.triage.correct(id, None, {"id": "mine"}, by="ann", reason="a typo")
    assert (desk.state(id), desk.sink.sent) == (LetterState.WAITING, [])


def test_a_correction_asked_for_twice_is_one_event(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.sink.is_away = True
    with pytest.raises(Unavailable):
        desk.triage.correct(id, b"[2]", {}, by="ann", reason="a typo")
    assert desk.state(id) is LetterState.CORRECTED
    desk.sink.is_away = False
    _, new = desk.triage.correct(id, b"[2]", {}, by="ann", reason="a typo")
    assert desk.triage.correct(id, b"[2]", {}, by="ann", reason="a typo")[1] == new
    assert desk.sink.ids == [str(UUID(int=1))]
    with pytest.raises(Conflict, match="corrected already"):
        desk.triage.correct(id, b"[3]", {}, by="bob", reason="another")


def test_a_correction_that_could_not_be_sent_is_sent_by_the_drain(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.sink.is_away = True
    with pytest.raises(Unavailable):
        desk.triage.correct(id, b"[2]", {}, by="ann", reason="a typo")
    desk.sink.is_away = False
    assert desk.triage.drain().replayed == 1
    assert desk.sink.sent[0][1] == b"[2]"


def test_what_was_counted_or_corrected_or_sent_cannot_count_again_as_a_correction(desk: Desk) -> None:
    counted = desk.store.keep(letter("1", b"counted"))
    unknown = desk.store.keep(letter("2", b"unknown"))
    replayed = desk.store.keep(letter("3"))
    corrected = desk.store.keep(letter("4"))
    desk.examiner.found[b"counted"] = Examination(is_counted=True)
    desk.examiner.found[b"unknown"] = Examination(is_complete=False)
    desk.triage.replay(replayed, by="ann")
    desk.triage.correct(corrected, b"[]", {}, by="ann", reason="a typo")

    with pytest.raises(Conflict, match="was counted"):
        desk.triage.correct(counted, b"[]", {}, by="ann", reason="x")
    with pytest.raises(Unavailable, match="only be known with the database"):
        desk.triage.correct(unknown, b"[]", {}, by="ann", reason="x")
    with pytest.raises(Conflict, match="replayed already"):
        desk.triage.correct(replayed, b"[]", {}, by="ann", reason="x")
    with pytest.raises(Conflict, match="corrected already"):
        desk.triage.replay(corrected, by="ann")


def test_an_unknown_letter_is_not_found(desk: Desk) -> None:
    for id in ("1-0", "nonsense", "1760000000000-0\n", ""):
        with pytest.raises(NotFound):
            desk.triage.show(id)
        with pytest.raises(NotFound):
            desk.triage.replay(id, by="ann")
        with pytest.raises(NotFound):
            desk.triage.drop(id, by="ann", reason="x")


def test_the_waiting_letters_wanted_are_replayed_oldest_first(desk: Desk) -> None:
    for n in range(6):
        desk.store.keep(
            letter(str(n), tenant="globex" if n % 2 else "acme", status="400" if n > 3 else "422")
        )
    first = desk.triage.replay_all(LetterFilter(tenants=frozenset({"acme"})), by="ann", limit=2)
    assert (first.replayed, desk.sink.ids) == (2, ["0", "2"])
    rest = desk.triage.replay_all(
        LetterFilter(tenants=frozenset({"acme"})), by="ann", limit=2, after=first.next
    )
    assert (rest.replayed, rest.next, desk.sink.ids[2:]) == (1, None, ["4"])
    assert desk.triage.replay_all(LetterFilter(status="400"), by="ann", limit=9).replayed == 1
    assert desk.sink.ids[3:] == ["5"]


def test_a_letter_that_is_refused_holds_up_no_other_and_a_sink_that_is_away_ends_it(desk: Desk) -> None:
    ids = [desk.store.keep(letter(str(n))) for n in range(4)]
    desk.sink.fails = {"1": Rejected.because("event", "too large"), "3": Unavailable("the sink is full")}
    replayed = desk.triage.replay_all(EVERYTHING, by="ann", limit=9)
    assert (replayed.replayed, desk.sink.ids) == (2, ["0", "2"])
    assert [refusal.id for refusal in replayed.refused] == [ids[1]]
    assert (replayed.next, replayed.stopped) == (ids[2], "the sink is full")


def test_the_drain_sends_only_usage_that_failed_for_no_fault_of_its_own(desk: Desk) -> None:
    for n, status in enumerate(("503", "422", "", "500", "413", "404", "429")):
        desk.store.keep(letter(str(n), status=status))
    desk.store.keep(letter("other", status="503", type="com.example.other"))
    drained = desk.triage.drain()
    assert (drained.replayed, desk.sink.ids) == (3, ["0", "2", "3"])
    assert desk.triage.drain().replayed == 0


def test_the_drain_is_bounded_and_goes_on_where_it_ended(desk: Desk) -> None:
    for n in range(7):
        desk.store.keep(letter(str(n), status="422" if n % 3 == 1 else "503"))
    assert desk.triage.drain(limit=3).next is not None
    assert desk.triage.drain(limit=3).next is None
    assert desk.sink.ids == ["0", "2", "3", "5", "6"]


def test_the_drain_waits_for_the_database(desk: Desk) -> None:
    id = desk.store.keep(letter(status="503"))
    desk.is_database_away = True
    with pytest.raises(Unavailable):
        desk.triage.drain()
    assert desk.state(id) is LetterState.WAITING
    desk.is_database_away = False
    assert desk.triage.drain().replayed == 1
    assert desk.actions(id)[-1][:2] == ("drain", "replayed")


def test_the_drain_gives_a_letter_that_always_fails_to_people(desk: Desk) -> None:
    id = desk.store.keep(letter(status="500"))
    for n in range(DRAINS_MAX):
        assert desk.triage.drain().replayed == 1
        desk.store.keep(letter(status="500", arrival=f"{n}"))
    assert desk.triage.drain().replayed == 0
    assert desk.triage.replay(id, by="ann").state is LetterState.REPLAYED


def test_letters_are_listed_either_way_and_by_what_they_are(desk: Desk) -> None:
    ids = [
        desk.store.keep(
            letter(str(n), tenant="acme" if n % 2 else "globex", status="503" if n == 4 else "422")
        )
        for n in range(5)
    ]
    newest = desk.triage.list(EVERYTHING, limit=2)
    assert [e.id for e in newest.entries] == [ids[4], ids[3]]
    older = desk.triage.list(EVERYTHING, limit=3, after=newest.next)
    assert ([e.id for e in older.entries], older.next) == ([ids[2], ids[1], ids[0]], None)
    oldest = desk.triage.list(EVERYTHING, limit=2, newest_first=False)
    assert [e.id for e in oldest.entries] == ids[:2]
    rest = desk.triage.list(EVERYTHING, limit=9, after=oldest.next, newest_first=False)
    assert [e.id for e in rest.entries] == ids[2:]
    acme = desk.triage.list(LetterFilter(tenants=frozenset({"acme"})), limit=9)
    assert [e.event_id for e in acme.entries] == ["3", "1"]
    assert [e.event_id for e in desk.triage.list(LetterFilter(status="503"), limit=9).entries] == ["4"]
    assert desk.triage.list(LetterFilter(type="other"), limit=9) == ([], None)
