"""Starts that fail and instances that die."""

import asyncio
import logging
from errno import EMFILE, ENOENT, ENOSPC

import pytest

from runtime.activator import revision as rules
from runtime.processes import ProcessFailed
from shared.domain.errors import Unavailable
from tests.runtime.activator.fakes import IDLE_S, Fleet, in_loop, settle


@in_loop
async def test_a_failed_start_answers_all_that_wait_and_is_tried_again_each_time_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet()
    for wait_s in (1, 2, 4, 8, 10, 10):
        requests = await fleet.requests(3)
        await fleet.fail()
        for request in requests:
            with pytest.raises(Unavailable, match=r"billing-tiny does not start; .*billing-tiny\.log"):
                await request
        late = fleet.request()
        await fleet.after(wait_s - 0.1)
        assert not fleet.revision.instances
        await fleet.after(0.2)
        assert fleet.revision.instances
    assert all(instance.stopped for instance in fleet.launched[:-1])
    assert [record.levelno for record in caplog.records if "no such table" in record.message] == [
        logging.ERROR
    ] * 6
    await fleet.ready()
    await late


@pytest.mark.parametrize(
    "error",
    [
        ProcessFailed("it cannot be executed"),
        OSError(EMFILE, "Too many open files"),
        ValueError("embedded null byte"),
    ],
    ids=repr,
)
def test_what_cannot_even_be_executed_is_a_failed_start_whatever_the_reason(error: Exception) -> None:
    @in_loop
    async def story() -> None:
        fleet = Fleet(max=1, concurrency=1)
        fleet.launch_error = error
        with pytest.raises(Unavailable):
            await fleet.request()
        fleet.launch_error = None
        request = fleet.request()
        await fleet.after(1)
        await fleet.ready()
        fleet.revision.release(await request)  # nobody else is counted for the place of the first one
        await fleet.request()

    story()


@in_loop
async def test_a_start_that_fails_for_any_other_reason_is_a_failed_start_and_its_trace_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet()
    (request,) = await fleet.requests(1)
    await fleet.fail(FileNotFoundError(ENOENT, "No such file", "billing-tiny.log"))
    with pytest.raises(Unavailable):
        await request
    assert (fleet.pids(), fleet.launched[0].stopped) == ([], True)
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.exc_info is not None
    request = fleet.request()
    await fleet.after(1)
    await fleet.ready()
    await request


@in_loop
async def test_that_a_change_cannot_be_noted_is_logged_and_changes_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet()
    fleet.note_error = OSError(ENOSPC, "No space left on device")
    fleet.revision.release(await fleet.running())
    await fleet.after(IDLE_S)
    assert fleet.launched[0].stopped
    (failing,) = await fleet.requests(1)
    await fleet.fail()
    with pytest.raises(Unavailable, match="does not start"):
        await failing
    assert fleet.launched[1].stopped
    await fleet.revision.stop()
    assert len([record for record in caplog.records if "No space left" in record.message]) == 5


@in_loop
async def test_a_request_that_breaks_while_it_starts_an_instance_leaves_the_queue() -> None:
    fleet = Fleet(max=1, concurrency=1)
    fleet.note_error = LookupError("a defect")
    with pytest.raises(LookupError):
        await fleet.request()
    fleet.note_error = None
    await fleet.ready()
    running = await asyncio.wait_for(fleet.request(), 1)
    assert running.instance is fleet.launched[0]


@in_loop
async def test_who_waits_for_another_instance_goes_on_waiting_when_one_more_does_not_start() -> None:
    fleet = Fleet(concurrency=1)
    running = await fleet.running()
    (waiting,) = await fleet.requests(1)
    await fleet.after(2)
    await fleet.fail()
    assert not waiting.done()
    fleet.revision.release(running)
    assert (await waiting).instance is fleet.launched[0]


@in_loop
async def test_an_instance_that_dies_is_replaced_since_what_it_accepted_may_still_be_to_do() -> None:
    fleet = Fleet()
    running = await fleet.running()
    await fleet.after(10)
    fleet.launched[0].exit_code = -9
    await fleet.after(0)
    assert fleet.pids() == [101]
    assert fleet.launched[0].stopped  # what is left of its group
    fleet.revision.release(running)
    await fleet.ready()
    await fleet.after(IDLE_S)
    assert fleet.pids() == []


@in_loop
async def test_the_successor_of_what_died_is_started_until_one_is_ready_and_only_one_is() -> None:
    fleet = Fleet()
    fleet.revision.release(await fleet.running())
    await fleet.after(10)
    fleet.launched[0].exit_code = -9
    await fleet.after(0)
    for wait_s in (1, 2, 4):
        await fleet.fail()
        assert fleet.pids() == []
        await fleet.after(wait_s)
    assert fleet.pids() == [104]
    await fleet.ready()
    await fleet.after(IDLE_S)
    await fleet.after(60)
    assert len(fleet.launched) == 5


@in_loop
async def test_what_was_already_starting_is_no_successor_of_what_dies() -> None:
    fleet = Fleet(concurrency=1)
    await fleet.requests(2)
    await fleet.ready()
    await fleet.after(5)
    fleet.launched[0].exit_code = -9
    await fleet.after(0)
    await fleet.ready()
    assert fleet.pids() == [101]
    await fleet.after(0)
    assert fleet.pids() == [101, 102]


@in_loop
async def test_what_fails_three_liveness_probes_in_a_row_is_stopped_and_replaced() -> None:
    fleet = Fleet(max=1)
    running = await fleet.running()
    for alive in (True, False, False, True, False, False):
        fleet.launched[0].alive = alive
        await fleet.after(rules.LIVENESS_PERIOD_S / 2)
        await fleet.after(rules.LIVENESS_PERIOD_S / 2)
    assert (fleet.launched[0].probes, fleet.pids()) == (6, [100])
    await fleet.after(rules.LIVENESS_PERIOD_S)
    assert fleet.launched[0].stopped
    await fleet.after(0)
    assert fleet.pids() == [101]
    fleet.revision.release(running)
    await fleet.ready()
    assert (await fleet.request()).instance is fleet.launched[1]


@in_loop
async def test_in_the_end_a_late_liveness_probe_stops_nothing_twice() -> None:
    fleet = Fleet()
    await fleet.running()
    fleet.launched[0].alive = False
    for _ in range(rules.LIVENESS_FAILURES_MAX - 1):
        await fleet.after(rules.LIVENESS_PERIOD_S)
    fleet.now += rules.LIVENESS_PERIOD_S
    fleet.revision.tick()
    fleet.revision.close()
    await settle()
    assert not fleet.launched[0].asked_to_stop


@in_loop
async def test_what_dies_soon_after_each_start_is_started_again_each_time_later() -> None:
    fleet = Fleet()
    fleet.revision.release(await fleet.running())
    for wait_s in (1, 2, 4, 8, 10, 10):
        fleet.launched[-1].exit_code = 1
        await fleet.after(0)
        await fleet.after(wait_s - 0.1)
        assert not fleet.revision.instances
        await fleet.after(0.2)
        await fleet.ready()
    await fleet.after(10)
    fleet.launched[-1].exit_code = 1
    await fleet.after(0)
    assert fleet.revision.instances
    await fleet.fail()
    fleet.request()
    await fleet.after(1)
    assert fleet.revision.instances
    fleet.revision.close()
    await settle()


@in_loop
async def test_who_waits_goes_to_another_instance_when_one_dies() -> None:
    fleet = Fleet(concurrency=1)
    first, second, waiting = await fleet.requests(3)
    await fleet.ready()
    await fleet.after(2)
    await fleet.ready()
    fleet.launched[0].exit_code = -9
    await fleet.after(0)
    fleet.revision.release(await first)
    await settle()
    assert not waiting.done()
    fleet.revision.release(await second)
    assert (await waiting).instance is fleet.launched[1]


@in_loop
async def test_an_instance_that_does_not_listen_gets_no_request_any_more() -> None:
    fleet = Fleet()
    running = await fleet.running()
    fleet.revision.lost(running, "does not listen")
    fleet.revision.lost(running, "does not listen")
    fleet.revision.release(running)
    assert fleet.pids() == []
    await fleet.after(1)
    await fleet.ready()
    assert (await fleet.request()).instance is fleet.launched[1]
    assert len(fleet.launched) == 2
