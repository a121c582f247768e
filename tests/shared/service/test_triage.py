"""Dead letters in people's hands: seen, sent again as they were, or dropped."""

import pytest

from shared.domain.dead_letters import LetterFilter, LetterState
from shared.domain.errors import Conflict, Fault, NotFound, Rejected, Unavailable
from shared.service.ingest import Examination
from tests.shared.service.letter_fakes import USAGE, letter
from tests.shared.service.triage_desk import Desk


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


def test_an_unknown_letter_is_not_found(desk: Desk) -> None:
    for id in ("1-0", "nonsense", "1760000000000-0\n", ""):
        with pytest.raises(NotFound):
            desk.triage.show(id)
        with pytest.raises(NotFound):
            desk.triage.replay(id, by="ann")
        with pytest.raises(NotFound):
            desk.triage.drop(id, by="ann", reason="x")


def test_letters_are_listed_either_way_and_by_what_they_are(desk: Desk) -> None:
    ids = [
        desk.store.keep(
            letter(str(n), tenant="acme" if n % 2 else "globex", status="503" if n == 4 else "422")
        )
        for n in range(5)
    ]
    newest = desk.triage.list(LetterFilter(), limit=2)
    assert [e.id for e in newest.entries] == [ids[4], ids[3]]
    older = desk.triage.list(LetterFilter(), limit=3, after=newest.next)
    assert ([e.id for e in older.entries], older.next) == ([ids[2], ids[1], ids[0]], None)
    oldest = desk.triage.list(LetterFilter(), limit=2, newest_first=False)
    assert [e.id for e in oldest.entries] == ids[:2]
    rest = desk.triage.list(LetterFilter(), limit=9, after=oldest.next, newest_first=False)
    assert [e.id for e in rest.entries] == ids[2:]
    acme = desk.triage.list(LetterFilter(tenants=frozenset({"acme"})), limit=9)
    assert [e.event_id for e in acme.entries] == ["3", "1"]
    assert [e.event_id for e in desk.triage.list(LetterFilter(status="503"), limit=9).entries] == ["4"]
    assert desk.triage.list(LetterFilter(type="other"), limit=9) == ([], None)
