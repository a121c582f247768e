"""Many dead letters at once: replayed as people choose them, drained, and at last removed."""

from datetime import timedelta

import pytest

from shared.domain.dead_letters import DRAINS_MAX, REPLAYABLE, DeadLetter, LetterFilter, LetterState
from shared.domain.errors import NotFound, Rejected, Unavailable
from tests.shared.service.letter_fakes import VOID, letter
from tests.shared.service.triage_desk import Desk


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
    ids = [desk.store.keep(letter(str(n))) for n in range(6)]
    desk.sink.fails = {"1": Rejected.because("event", "too large")}
    desk.sink.fails |= {str(n): Unavailable("the sink is full") for n in (3, 4, 5)}
    replayed = desk.triage.replay_all(LetterFilter(), by="ann", limit=9)
    assert (replayed.replayed, desk.sink.ids) == (2, ["0", "2"])
    assert [refusal.id for refusal in replayed.refused] == [ids[1]]
    assert (replayed.next, replayed.stopped) == (ids[2], "the sink is full")
    again = desk.triage.replay_all(LetterFilter(), by="ann", limit=9, after=replayed.next)
    assert (again.next, again.stopped) == (ids[2], "the sink is full")


def test_the_drain_sends_only_usage_and_voids_that_failed_for_no_fault_of_its_own(desk: Desk) -> None:
    for n, status in enumerate(("503", "422", "", "500", "413", "404", "408", "409", "429", "400")):
        desk.store.keep(letter(str(n), status=status))
    desk.store.keep(letter("other", status="503", type="com.example.other"))
    desk.store.keep(letter("void", status="503", type=VOID))
    drained = desk.triage.drain()
    assert (drained.replayed, desk.sink.ids) == (8, ["0", "2", "3", "5", "6", "7", "8", "void"])
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


def again(n: int, status: str = "503") -> DeadLetter:
    return letter(status=status, arrival=f"{n}")


def drain_in_vain(desk: Desk) -> str:
    """A letter that failed again after every drain there may be."""
    id = desk.store.keep(again(0))
    for n in range(1, DRAINS_MAX + 1):
        assert desk.triage.drain().replayed == 1
        desk.store.keep(again(n))
    return id


def test_the_drain_gives_a_letter_that_always_fails_to_people_and_says_so(desk: Desk) -> None:
    id = drain_in_vain(desk)
    drained = desk.triage.drain()
    assert (drained.replayed, drained.exhausted) == (0, 1)
    entry = desk.entry(id)
    assert (entry.state, entry.is_exhausted, entry.drains) == (LetterState.WAITING, True, DRAINS_MAX)
    desk.store.keep(letter("2", status="503"))
    (listed,) = desk.triage.list(LetterFilter(is_exhausted=True), limit=9).entries
    assert listed.id == id


def test_what_people_sent_again_is_drained_again_as_often(desk: Desk) -> None:
    id = drain_in_vain(desk)
    assert desk.triage.replay(id, by="ann").state is LetterState.REPLAYED
    desk.store.keep(again(99))
    assert (desk.entry(id).drains, desk.entry(id).replays) == (0, DRAINS_MAX + 1)
    assert desk.triage.drain().replayed == 1


def test_replays_by_people_and_drains_that_helped_use_up_no_drain(desk: Desk) -> None:
    id = desk.store.keep(again(0))
    for n in range(1, DRAINS_MAX + 3):
        desk.triage.replay(id, by="ann")
        desk.store.keep(again(n))
    assert desk.entry(id).drains == 0
    desk.triage.drain()
    desk.store.keep(again(100, "422"))
    assert (desk.state(id), desk.entry(id).drains) == (LetterState.WAITING, 0)


def test_a_drain_that_fails_while_it_is_sent_is_in_vain_too(desk: Desk) -> None:
    id = desk.store.keep(again(0))
    desk.sink.meanwhile = lambda: desk.store.keep(again(1))
    assert desk.triage.drain().replayed == 1
    assert (desk.state(id), desk.entry(id).drains) == (LetterState.WAITING, 1)
    desk.sink.meanwhile = lambda: None
    desk.triage.drain()
    assert (desk.state(id), desk.entry(id).drains) == (LetterState.REPLAYED, 1)


def test_what_people_settle_while_others_are_sent_is_not_sent(desk: Desk) -> None:
    _, dropped, late = (desk.store.keep(letter(str(n), status="503")) for n in range(3))

    def drop() -> None:
        desk.sink.meanwhile = lambda: None
        desk.triage.drop(dropped, by="bob", reason="a test of ours")

    desk.sink.meanwhile = drop
    drained = desk.triage.drain()
    assert (drained.replayed, desk.sink.ids) == (2, ["0", "2"])
    assert [refusal.id for refusal in drained.refused] == [dropped]
    assert (desk.state(dropped), desk.state(late)) == (LetterState.DROPPED, LetterState.REPLAYED)


def test_letters_settled_long_ago_are_removed_and_none_that_waits(desk: Desk) -> None:
    waiting, replayed, dropped = (desk.store.keep(letter(str(n))) for n in range(3))
    desk.triage.replay(replayed, by="ann")
    desk.triage.drop(dropped, by="ann", reason="ours")
    assert desk.triage.tidy() == 0
    assert desk.triage.tidy(settled_for=timedelta(0)) == 2
    assert [entry.id for entry in desk.triage.list(LetterFilter(), limit=9).entries] == [waiting]
    for state in (LetterState.REPLAYED, LetterState.DROPPED):
        assert desk.triage.list(LetterFilter(state), limit=9) == ([], None)
    with pytest.raises(NotFound):
        desk.triage.show(replayed)
    assert desk.store.keep(letter("1")) not in (replayed, "")
    assert desk.actions(waiting)


def test_only_so_many_are_removed_at_once_and_none_in_somebodys_hands(desk: Desk) -> None:
    ids = [desk.store.keep(letter(str(n))) for n in range(5)]
    for id in ids:
        desk.triage.drop(id, by="ann", reason="ours")
    assert desk.triage.tidy(settled_for=timedelta(0), limit=3) == 3
    with desk.store.claimed(ids[3], REPLAYABLE):
        assert desk.triage.tidy(settled_for=timedelta(0)) == 1
    assert desk.state(ids[3]) is LetterState.DROPPED
    desk.triage.replay(ids[3], by="ann")
    desk.store.keep(letter("3", arrival="again"))
    assert desk.triage.tidy(settled_for=timedelta(0)) == 0


def test_an_event_that_was_corrected_never_comes_back_as_a_letter_to_be_corrected_again(desk: Desk) -> None:
    id = desk.store.keep(letter())
    desk.triage.correct(id, b"[2]", {}, by="ann", reason="a typo")
    assert desk.triage.tidy(settled_for=timedelta(0)) == 2
    for n in range(2):
        assert desk.store.keep(letter(arrival=f"late {n}")) == ""
    assert desk.triage.list(LetterFilter(), limit=9).entries == []
