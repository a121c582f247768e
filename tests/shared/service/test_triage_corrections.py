"""Corrections: another event in the place of one that is wrong, and never both."""

from uuid import UUID

import pytest

from shared.domain.dead_letters import LetterState
from shared.domain.errors import Conflict, Fault, Rejected, Unavailable
from shared.service.ingest import Examination
from tests.shared.service.letter_fakes import USAGE, letter
from tests.shared.service.triage_desk import Desk


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
