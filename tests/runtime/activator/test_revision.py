import asyncio
import logging

import pytest

from runtime.activator import revision as rules
from runtime.activator.revision import Running
from shared.domain.errors import Unavailable
from tests.runtime.activator.fakes import IDLE_S, Fleet, in_loop, settle


def served(requests: list[asyncio.Task[Running]]) -> list[int]:
    """Which of the requests have an instance."""
    return [number for number, request in enumerate(requests) if request.done()]


@in_loop
async def test_twenty_first_requests_start_one_instance() -> None:
    fleet = Fleet()
    requests = await fleet.requests(20)
    await fleet.after(60)
    assert (len(fleet.launched), served(requests)) == (1, [])
    await fleet.ready()
    assert served(requests) == [*range(20)]


@in_loop
async def test_requests_are_served_in_the_order_they_came_and_nobody_overtakes() -> None:
    fleet = Fleet(concurrency=1, max=1)
    requests = await fleet.requests(4)
    await fleet.ready()
    for number in range(3):
        assert served(requests) == [*range(number + 1)]
        fleet.revision.release(requests[number].result())
        requests.append(fleet.request())
        await settle()


@in_loop
async def test_an_instance_has_no_more_requests_at_once_than_its_limit() -> None:
    fleet = Fleet(concurrency=3, max=1)
    requests = await fleet.requests(5)
    await fleet.ready()
    assert served(requests) == [0, 1, 2]


@in_loop
async def test_one_more_is_started_when_a_request_has_waited_a_second_and_never_more_than_max() -> None:
    fleet = Fleet(concurrency=1, max=3)
    requests = await fleet.requests(6)
    await fleet.after(50)
    await fleet.ready()
    await fleet.after(0.9)
    assert len(fleet.launched) == 1
    await fleet.after(0.2)
    await fleet.after(5)
    assert len(fleet.launched) == 2
    await fleet.ready()
    await fleet.after(0.9)
    assert len(fleet.launched) == 2
    await fleet.after(0.2)
    await fleet.ready()
    await fleet.after(60)
    assert len(fleet.launched) == 3
    assert served(requests) == [0, 1, 2]


@in_loop
async def test_the_first_instances_are_filled_first_so_that_the_last_become_idle() -> None:
    fleet = Fleet(concurrency=1)
    first, second = await fleet.requests(2)
    await fleet.ready()
    await fleet.after(2)
    await fleet.ready()
    for request in (first, second):
        fleet.revision.release(await request)
    await fleet.after(IDLE_S - 1)
    again = await fleet.request()
    assert again.instance is fleet.launched[0]
    fleet.revision.release(again)
    await fleet.after(2)
    assert [instance.stopped for instance in fleet.launched] == [False, True]


@in_loop
async def test_an_idle_instance_is_stopped_and_a_busy_one_is_not() -> None:
    fleet = Fleet()
    running = await fleet.running()
    await fleet.after(100 * IDLE_S)
    fleet.revision.release(running)
    await fleet.after(IDLE_S - 1)
    assert fleet.pids() == [100]
    await fleet.after(1)
    assert fleet.pids() == []
    assert fleet.launched[0].stopped
    await fleet.after(IDLE_S)
    assert len(fleet.launched) == 1


@in_loop
async def test_a_request_during_the_drain_gets_a_new_instance() -> None:
    fleet = Fleet(max=1)
    fleet.revision.release(await fleet.running())
    draining = fleet.launched[0]
    draining.drained.clear()
    await fleet.after(IDLE_S)
    assert (draining.asked_to_stop, draining.stopped) == (True, False)
    assert (await fleet.running()).instance is fleet.launched[1]


@in_loop
async def test_the_least_number_is_started_without_a_request_and_kept() -> None:
    fleet = Fleet(min=2)
    for _ in range(2):
        await fleet.after(0)
        await fleet.ready()
    await fleet.after(IDLE_S)
    assert fleet.pids() == [100, 101]


@in_loop
async def test_a_client_that_goes_away_leaves_the_queue() -> None:
    fleet = Fleet(concurrency=1)
    running = await fleet.running()
    gone, waiting = await fleet.requests(2)
    gone.cancel()
    await settle()
    fleet.revision.release(running)
    assert (await waiting).instance is fleet.launched[0]
    (gone,) = await fleet.requests(1)
    gone.cancel()
    await settle()
    await fleet.after(5)
    assert len(fleet.launched) == 1


@in_loop
async def test_what_was_given_to_a_client_at_the_moment_it_went_away_is_given_to_the_next() -> None:
    fleet = Fleet(concurrency=1, max=1)
    running = await fleet.running()
    gone, waiting = await fleet.requests(2)
    fleet.revision.release(running)
    gone.cancel()
    assert (await waiting).instance is fleet.launched[0]
    assert gone.cancelled()


@in_loop
async def test_too_many_do_not_wait() -> None:
    fleet = Fleet()
    await fleet.requests(rules.WAITING_MAX)
    with pytest.raises(Unavailable, match="too many"):
        await fleet.request()
    fleet.revision.close()
    await settle()


@in_loop
async def test_in_the_end_all_instances_drain_at_the_same_time_and_nobody_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet(concurrency=1)
    requests = await fleet.requests(3)
    await fleet.ready()
    await fleet.after(2)
    first, starting = fleet.launched
    first.drained.clear()
    ending = asyncio.create_task(fleet.revision.stop())
    await settle()
    assert (first.asked_to_stop, starting.stopped, ending.done()) == (True, True, False)
    for request in requests[1:]:
        with pytest.raises(Unavailable, match="stops"):
            await request
    with pytest.raises(Unavailable, match="stops"):
        await fleet.request()
    first.drained.set()
    await ending
    assert fleet.changes[-1] == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@in_loop
async def test_every_change_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fleet = Fleet()
    fleet.revision.release(await fleet.running())
    await fleet.after(IDLE_S)
    assert caplog.messages == [
        "billing-tiny: 0 -> 1 instances (a request waits)",
        "billing-tiny: 1 -> 0 instances (idle for 30 s)",
    ]
    assert fleet.changes == [[100], []]
