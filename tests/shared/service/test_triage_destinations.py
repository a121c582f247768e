"""One letter for one event, though several destinations fail for it, each for reasons of its own."""

from shared.domain.dead_letters import LetterFilter, LetterState
from tests.shared.service.letter_fakes import DESTINATIONS_MAX, letter
from tests.shared.service.triage_desk import Desk

AGGREGATOR, PARTY = "http://aggregator", "http://party"


def failed(desk: Desk, id: str) -> list[tuple[str, str]]:
    return [(failure.destination, failure.status) for failure in desk.entry(id).destinations]


def fail(desk: Desk, destination: str, status: str, arrival: str = "1", event: str = "1") -> str:
    return desk.store.keep(letter(event, destination=destination, status=status, arrival=arrival))


def test_what_the_destinations_said_stands_side_by_side_and_the_newest_in_front(desk: Desk) -> None:
    fail(desk, AGGREGATOR, "503")
    id = fail(desk, PARTY, "422")
    entry = desk.entry(id)
    assert (entry.destination, entry.status, entry.reason) == (PARTY, "422", f"422 from {PARTY}")
    assert failed(desk, id) == [(PARTY, "422"), (AGGREGATOR, "503")]
    (_, aggregator) = entry.destinations
    assert (aggregator.reason, aggregator.answer) == (f"503 from {AGGREGATOR}", "said")
    assert aggregator.failed_at <= entry.failed_at
    fail(desk, AGGREGATOR, "500", "2")
    assert failed(desk, id) == [(AGGREGATOR, "500"), (PARTY, "422")]
    assert [failure.count for failure in desk.entry(id).destinations] == [2, 1]
    assert desk.entry(id).failures == 3


def test_usage_that_was_refused_by_another_is_drained_all_the_same(desk: Desk) -> None:
    fail(desk, AGGREGATOR, "503")
    id = fail(desk, PARTY, "422")
    assert desk.entry(id).is_transient
    assert desk.triage.drain().replayed == 1
    assert (desk.state(id), failed(desk, id)) == (LetterState.REPLAYED, [])


def test_what_fails_again_for_one_waits_for_that_one_alone(desk: Desk) -> None:
    fail(desk, AGGREGATOR, "503")
    id = fail(desk, PARTY, "422")
    desk.triage.drain()
    fail(desk, PARTY, "422", "2")
    assert (desk.state(id), failed(desk, id)) == (LetterState.WAITING, [(PARTY, "422")])
    assert desk.triage.drain().replayed == 0


def test_a_failure_while_the_event_is_sent_is_kept_and_those_before_are_not(desk: Desk) -> None:
    fail(desk, PARTY, "422")
    id = fail(desk, AGGREGATOR, "503")
    desk.sink.meanwhile = lambda: fail(desk, AGGREGATOR, "503", "2")
    assert desk.triage.replay(id, by="ann").state is LetterState.WAITING
    assert failed(desk, id) == [(AGGREGATOR, "503")]
    desk.sink.meanwhile = lambda: None
    assert desk.triage.drain().replayed == 1


def test_a_replay_that_is_not_sent_closes_nothing(desk: Desk) -> None:
    fail(desk, PARTY, "422")
    id = fail(desk, AGGREGATOR, "503")
    desk.sink.is_away = True
    assert desk.triage.drain().stopped == "the sink is away"
    assert failed(desk, id) == [(AGGREGATOR, "503"), (PARTY, "422")]


def test_one_that_is_told_twice_is_no_second_failure_though_another_failed_between(desk: Desk) -> None:
    fail(desk, AGGREGATOR, "503")
    id = fail(desk, PARTY, "422")
    fail(desk, AGGREGATOR, "503")
    assert desk.entry(id).failures == 2
    desk.triage.replay(id, by="ann")
    fail(desk, AGGREGATOR, "503")
    fail(desk, PARTY, "422")
    assert desk.state(id) is LetterState.REPLAYED


def test_letters_are_found_by_the_status_of_any_destination(desk: Desk) -> None:
    fail(desk, AGGREGATOR, "503", event="both")
    fail(desk, PARTY, "422", event="both")
    fail(desk, AGGREGATOR, "503", event="away")
    fail(desk, AGGREGATOR, "", event="silent")

    def found(status: str) -> set[str]:
        page = desk.triage.list(LetterFilter(status=status), limit=9)
        return {entry.event_id for entry in page.entries}

    assert (found("503"), found("422"), found("")) == ({"both", "away"}, {"both"}, {"silent"})
    assert desk.triage.replay_all(LetterFilter(status="503"), by="ann", limit=9).replayed == 2


def test_of_very_many_destinations_those_go_first_that_are_not_transient(desk: Desk) -> None:
    fail(desk, AGGREGATOR, "503")
    for n in range(2 * DESTINATIONS_MAX):
        id = fail(desk, f"http://party/{n}", "422")
    entry = desk.entry(id)
    assert len(entry.destinations) == DESTINATIONS_MAX
    assert entry.left_out == DESTINATIONS_MAX + 1
    assert entry.destinations[0].destination == f"http://party/{2 * DESTINATIONS_MAX - 1}"
    assert entry.destinations[-1].destination == AGGREGATOR
    assert entry.is_transient
    desk.triage.drain()
    fail(desk, PARTY, "422")
    assert (len(desk.entry(id).destinations), desk.entry(id).left_out) == (1, 0)


def test_failures_that_a_replay_closed_go_before_all_others(desk: Desk) -> None:
    for n in range(DESTINATIONS_MAX):
        id = fail(desk, f"http://party/{n}", "503")
    desk.triage.replay(id, by="ann")
    for n in range(DESTINATIONS_MAX):
        fail(desk, f"http://other/{n}", "422", "2")
    assert len(desk.entry(id).destinations) == DESTINATIONS_MAX
    assert (desk.entry(id).left_out, desk.entry(id).is_transient) == (0, False)
    fail(desk, AGGREGATOR, "503", "2")
    fail(desk, PARTY, "422", "2")
    assert (desk.entry(id).left_out, desk.entry(id).is_transient) == (2, True)
