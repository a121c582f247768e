"""Starts that fail and instances that die."""

import logging

import pytest

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


@in_loop
async def test_what_cannot_even_be_executed_is_a_failed_start() -> None:
    fleet = Fleet()
    fleet.cannot_launch = True
    with pytest.raises(Unavailable):
        await fleet.request()
    fleet.cannot_launch = False
    request = fleet.request()
    await fleet.after(1)
    await fleet.ready()
    await request


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
