"""Ticks: on time by a clock that may jump, sent with retries, then lost; and the program as a process."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.event import Event
from runtime import cron
from runtime.broker.client import Addresses
from runtime.manifest_documents import Destination, Ref
from runtime.ping_manifests import PingSource
from runtime.ping_source import PingSettings, Sinks, Ticks, send, tick_on_time
from shared.domain.errors import Rejected, Unavailable

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
QUARTERLY = cron.read("*/15 * * * *", ZoneInfo("UTC"))
SWEEP = PingSource(
    "sweep",
    "billing",
    QUARTERLY,
    Destination(ref=Ref("Broker", "default")),
    Event(id="0", source="/apis/v1/namespaces/billing/pingsources/sweep", type="dev.knative.sources.ping"),
)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class World:
    """A clock that waiting moves on, and that can be set; a sink that fails as told."""

    def __init__(self, *, until: datetime = NOON + 3 * HOUR) -> None:
        self.now = NOON
        self.waited_s = 0.0
        self.waits = 0
        self.until = until
        self.failures: list[Exception] = []
        self.sending = timedelta(0)
        self.sent: list[Event] = []
        self.at_wait: dict[int, timedelta] = {}

    def clock(self) -> datetime:
        return self.now

    def wait(self, pause_s: float) -> bool:
        assert pause_s > 0, "it spins"
        self.waits += 1
        self.waited_s += pause_s
        self.now += timedelta(seconds=pause_s) + self.at_wait.get(self.waits, timedelta(0))
        return self.waited_s > (self.until - NOON).total_seconds()

    def publish(self, event: Event) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(event)
        self.now += self.sending

    def run(self) -> list[datetime | None]:
        tick_on_time(SWEEP, self.publish, self.clock, self.wait)
        return [event.time for event in self.sent]


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_each_tick_is_an_event_of_its_own_at_its_time() -> None:
    world = World()
    assert world.run() == [at(minutes) for minutes in range(15, 181, 15)]
    assert len({UUID(event.id) for event in world.sent}) == 12
    assert {UUID(event.id).version for event in world.sent} == {4}
    assert {(event.type, event.source) for event in world.sent} == {(SWEEP.event.type, SWEEP.event.source)}


def test_ticks_missed_while_it_was_down_are_not_made_up_for() -> None:
    world = World(until=at(20))
    world.run()
    world.sent.clear()
    world.now, world.waited_s, world.until = at(5 * 60 + 1), 0.0, at(20)
    assert world.run() == [at(5 * 60 + 15)]


def test_a_clock_set_forward_makes_one_tick_of_those_it_leaps_over() -> None:
    world = World(until=at(30))
    world.at_wait = {60: 5 * HOUR}
    assert world.run() == [at(5 * 60 + 1), at(5 * 60 + 15), at(5 * 60 + 30)]


def test_a_clock_set_back_makes_it_tick_by_the_new_time_at_once() -> None:
    world = World(until=at(20))
    world.at_wait = {60: -5 * HOUR}
    assert world.run() == [at(-5 * 60 + 15)]


def test_a_clock_that_wavers_around_a_tick_makes_no_second_one() -> None:
    ticks = Ticks(QUARTERLY, NOON)
    assert ticks.is_due(at(15))
    ticks.skip(at(15))
    assert not ticks.is_due(at(15) - SECOND / 2)
    assert not ticks.is_due(at(15) + SECOND / 2)
    assert ticks.next == at(30)


def test_a_clock_that_stands_still_just_before_a_tick_does_not_make_it_spin() -> None:
    ticks = Ticks(QUARTERLY, NOON)
    assert not ticks.is_due(at(15) - timedelta(microseconds=1))
    assert ticks.pause_s() == 0.001


def test_ticks_that_fall_due_while_one_is_being_sent_are_left_out() -> None:
    world = World(until=at(40))
    world.sending = timedelta(minutes=20)
    # Each second quarter passes while the tick of the one before is still being sent.
    assert world.run() == [at(15), at(45), at(75)]


@given(jumps=st.dictionaries(st.integers(1, 200), st.timedeltas(-3 * HOUR, 3 * HOUR), max_size=5))
def test_whatever_the_clock_does_it_neither_spins_nor_falls_silent(jumps: dict[int, timedelta]) -> None:
    world = World(until=at(2 * 60))
    world.at_wait = jumps
    world.run()
    assert world.waits < 2 * 60 * 60 + 60
    # A jump over a quarter makes a tick of its own, and what is waited for is counted from where it ends.
    assert abs(len(world.sent) - 8) <= 2 * len(jumps) + 1


@given(offset=st.timedeltas(timedelta(0), timedelta(days=400)), looks=st.lists(st.floats(0.001, 3_000.0)))
def test_a_tick_is_due_exactly_when_the_schedule_has_come_by(offset: timedelta, looks: list[float]) -> None:
    now = NOON + offset
    ticks = Ticks(QUARTERLY, now)
    for seconds in looks:
        before, now = now, now + timedelta(seconds=seconds)
        is_due = ticks.is_due(now)
        assert is_due == (QUARTERLY.after(before) <= now)
        if is_due:
            ticks.skip(now)
        assert 0 < ticks.pause_s() <= 1.0


def away(count: int) -> list[Exception]:
    return [Unavailable(f"failure {number}") for number in range(1, count + 1)]


class Waits:
    def __init__(self) -> None:
        self.pauses_s: list[float] = []
        self.stops_after = 99

    def __call__(self, pause_s: float) -> bool:
        self.pauses_s.append(pause_s)
        return len(self.pauses_s) >= self.stops_after


def test_a_sink_that_is_away_is_tried_five_times_more_each_time_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, waits = World(), Waits()
    world.failures = away(5)
    send(SWEEP, NOON, world.publish, waits)
    assert len(world.sent) == 1
    assert waits.pauses_s == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8])
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_after_five_retries_a_tick_is_lost_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    world, waits = World(), Waits()
    world.failures = away(6)
    send(SWEEP, NOON, world.publish, waits)
    assert (world.sent, world.failures) == ([], [])
    assert len(waits.pauses_s) == 5
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert warning.getMessage().startswith("PingSource billing/sweep: ")
    assert warning.getMessage().endswith(" is lost: failure 6")


def test_a_retry_is_the_same_event() -> None:
    world, tried = World(), []

    def publish(event: Event) -> None:
        tried.append(event)
        world.publish(event)

    world.failures = away(2)
    send(SWEEP, NOON, publish, Waits())
    assert len(tried) == 3
    assert len(set(event.id for event in tried)) == 1


def test_what_the_sink_refuses_for_good_is_lost_at_once(caplog: pytest.LogCaptureFixture) -> None:
    world, waits = World(), Waits()
    world.failures = [Rejected.because("event", "answered 400")]
    send(SWEEP, NOON, world.publish, waits)
    assert (world.sent, waits.pauses_s) == ([], [])
    assert "is lost: event: answered 400" in caplog.text


def test_the_end_does_not_wait_for_retries(caplog: pytest.LogCaptureFixture) -> None:
    world, waits = World(), Waits()
    world.failures, waits.stops_after = away(9), 2
    send(SWEEP, NOON, world.publish, waits)
    assert len(waits.pauses_s) == 2
    assert caplog.text == ""


def test_a_name_leads_to_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    sinks = Sinks("http://127.0.0.1:8081", Addresses(file))
    broker, service = Ref("Broker", "default"), Ref("Service", "waiter")
    assert sinks.url(Destination(broker), "billing") == "http://127.0.0.1:8081/billing/default"
    other = Ref("Broker", "default", namespace="other")
    assert sinks.url(Destination(other), "billing") == "http://127.0.0.1:8081/other/default"
    assert sinks.url(Destination(uri="https://x/y"), "billing") == "https://x/y"
    with pytest.raises(Unavailable, match="no Service waiter listens here"):
        sinks.url(Destination(service), "billing")
    file.write_text('{"waiter": "http://127.0.0.1:9"}')
    assert sinks.url(Destination(service), "billing") == "http://127.0.0.1:9"
    assert sinks.url(Destination(service, "/path"), "billing") == "http://127.0.0.1:9/path"


def test_in_a_cluster_it_refuses_to_start() -> None:
    with pytest.raises(Rejected, match="KUBERNETES_SERVICE_HOST: is set"):
        PingSettings.read({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
