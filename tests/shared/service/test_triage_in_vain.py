"""Letters that cannot be sent: they hold up no other, and in the end they are left to people."""

import logging
from time import monotonic

import pytest

from shared.domain.dead_letters import DRAINS_MAX, LetterFilter, LetterState
from shared.domain.errors import Rejected, Unavailable
from shared.service.drain import drain_all
from tests.shared.service.letter_fakes import letter
from tests.shared.service.triage_desk import Desk

REFUSED = Rejected.because("event", "the sink answered 413")
NOT_TAKEN = Unavailable("the sink answered 500")


def keep(desk: Desk, *events: str) -> list[str]:
    return [desk.store.keep(letter(event, status="503")) for event in events]


@pytest.mark.parametrize("arrival", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "never"])
def test_a_time_of_arrival_that_a_sender_made_up_stops_nothing(desk: Desk, arrival: str) -> None:
    id = desk.store.keep(letter("odd", status="503", arrival=arrival))
    keep(desk, "good")
    received_at = desk.triage.show(id).kept.received_at
    assert drain_all(desk.triage.drain) == 2
    assert desk.sink.ids == ["odd", "good"]
    assert desk.sink.sent[0][0]["time"] == received_at.isoformat()


@pytest.mark.parametrize("failure", [REFUSED, NOT_TAKEN, OverflowError("date value out of range")])
def test_a_letter_that_can_never_be_sent_holds_up_no_other_and_is_exhausted_in_the_end(
    desk: Desk, failure: Exception
) -> None:
    (bad,) = keep(desk, "bad")
    desk.sink.fails = {"bad": failure}
    for n in range(DRAINS_MAX):
        keep(desk, f"good {n}")
        assert drain_all(desk.triage.drain) == 1
        assert desk.entry(bad).drains == n + 1
    assert len(desk.sink.ids) == DRAINS_MAX
    assert (desk.entry(bad).is_exhausted, desk.triage.drain().exhausted) == (True, 1)
    by, action, note = desk.actions(bad)[-1]
    assert (by, action, str(failure) in note) == ("drain", "not sent", True)
    desk.sink.fails.clear()
    assert desk.triage.replay(bad, by="ann").drains == 0


def test_a_bug_that_one_letter_meets_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    (bad,) = keep(desk, "bad")
    desk.sink.fails = {"bad": ZeroDivisionError("a bug")}
    with caplog.at_level(logging.ERROR):
        (refused,) = desk.triage.drain().refused
    assert (refused.id, refused.reason) == (bad, "ZeroDivisionError: a bug")
    assert f"could not replay dead letter {bad}" in caplog.text


def test_a_sink_that_takes_nothing_is_away_after_three_letters_none_of_which_is_to_blame(desk: Desk) -> None:
    ids = keep(desk, *map(str, range(9)))
    desk.sink.is_away = True
    drained = desk.triage.drain()
    assert (drained.replayed, drained.refused, drained.stopped) == (0, (), "the sink is away")
    assert desk.sink.tries == 3
    with pytest.raises(Unavailable, match="0 dead letters were sent again, then: the sink is away"):
        drain_all(desk.triage.drain)
    assert {(desk.state(id), desk.entry(id).drains) for id in ids} == {(LetterState.WAITING, 0)}


def test_some_side_by_side_that_are_never_taken_do_not_pass_for_a_sink_that_is_away(desk: Desk) -> None:
    bad = [str(n) for n in range(3)]
    keep(desk, *bad, *(f"good {n}" for n in range(30)))
    desk.sink.fails = dict.fromkeys(bad, NOT_TAKEN)
    sent = 0
    for _ in range(30):
        sent += desk.triage.drain().replayed
        if sent == 30:
            break
    assert sent == 30


def test_a_page_of_letters_that_are_never_taken_does_not_starve_those_behind(desk: Desk) -> None:
    bad = [f"bad {n}" for n in range(30)]
    keep(desk, *bad, *(f"good {n}" for n in range(30)))
    desk.sink.fails = dict.fromkeys(bad, NOT_TAKEN)
    for _ in range(60):
        if desk.triage.drain(limit=20).replayed:
            break
    assert desk.sink.ids


def test_a_page_of_refused_letters_does_not_starve_those_behind(desk: Desk) -> None:
    bad = [f"bad {n}" for n in range(150)]
    keep(desk, *bad, "good")
    desk.sink.fails = dict.fromkeys(bad, REFUSED)
    assert drain_all(desk.triage.drain) == 1
    assert desk.sink.ids == ["good"]


def test_the_drain_goes_on_behind_a_letter_that_waits_still(desk: Desk) -> None:
    keep(desk, "bad", "1", "2")
    desk.sink.fails = {"bad": REFUSED}
    first = desk.triage.drain(limit=1)
    assert first.replayed == 0
    assert desk.triage.drain(limit=1, after=first.next).replayed == 1
    assert desk.sink.ids == ["1"]


def test_a_drain_that_is_late_ends_behind_the_letter_in_hand(desk: Desk) -> None:
    ids = keep(desk, "1", "2", "3")
    late = desk.triage.drain(until=monotonic() - 1)
    assert (late.replayed, late.next, late.stopped) == (1, ids[0], None)
    with pytest.raises(Unavailable, match="1 dead letters were sent again in -1 s, and more wait"):
        drain_all(desk.triage.drain, limit_s=-1)
    assert desk.sink.ids == ["1", "2"]


def test_a_letter_that_hangs_does_not_use_up_every_drain(desk: Desk) -> None:
    (bad, *_) = keep(desk, "bad", "1", "2")
    desk.sink.fails = {"bad": NOT_TAKEN}
    assert desk.triage.drain(until=monotonic() - 1).replayed == 1
    assert desk.entry(bad).drains == 1


def test_the_last_letter_is_to_blame_only_where_others_were_taken(desk: Desk) -> None:
    _, bad = keep(desk, "good", "bad")
    desk.sink.fails = {"bad": NOT_TAKEN}
    drained = desk.triage.drain()
    assert (drained.replayed, [refusal.id for refusal in drained.refused]) == (1, [bad])
    assert (drained.stopped, desk.entry(bad).drains) == (None, 1)
    alone = desk.triage.drain()
    assert (alone.refused, alone.stopped, desk.entry(bad).drains) == ((), "the sink answered 500", 1)


def test_a_letter_in_somebodys_hands_is_not_drained_in_vain(desk: Desk) -> None:
    (id,) = keep(desk, "1")
    with desk.store.claimed(id, [LetterState.WAITING]):
        (refused,) = desk.triage.drain().refused
    assert "somebody else is acting" in refused.reason
    assert (desk.entry(id).drains, desk.triage.drain().replayed) == (0, 1)


def test_exhausted_letters_are_counted_once_over_all_pages(desk: Desk) -> None:
    ids = keep(desk, "1", "2", "3", "exhausted", "4", "exhausted, too", "5", "6")
    for exhausted in (ids[3], ids[5]):
        for _ in range(DRAINS_MAX):
            desk.store.note_vain(exhausted, reason="not taken")
    first = desk.triage.drain(limit=4)
    assert (first.replayed, first.exhausted, first.next) == (4, 1, ids[4])
    rest = desk.triage.drain(limit=4, after=first.next)
    assert (rest.replayed, rest.exhausted, rest.next) == (2, 1, None)


def test_what_is_settled_meanwhile_counts_no_drain(desk: Desk) -> None:
    (id,) = keep(desk, "1")
    desk.triage.drop(id, by="ann", reason="ours")
    desk.store.note_vain(id, reason="not taken")
    assert (desk.entry(id).drains, desk.actions(id)[-1][1]) == (0, "dropped")


def test_what_people_replay_goes_on_too_and_uses_up_no_drain(desk: Desk) -> None:
    refused, not_taken, _ = keep(desk, "1", "2", "3")
    desk.sink.fails = {"1": REFUSED, "2": NOT_TAKEN}
    replayed = desk.triage.replay_all(LetterFilter(), by="ann", limit=9)
    assert (replayed.replayed, replayed.next, replayed.stopped) == (1, None, None)
    assert [refusal.id for refusal in replayed.refused] == [refused, not_taken]
    assert (desk.entry(refused).drains, desk.entry(not_taken).drains) == (0, 0)
