"""What becomes of usage when the process that emits it ends, in every way it can."""

import json
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from faas_billing_emitter import Emitter

from tests.emitter.processes import FOR_EVER, start
from tests.emitter.receiver import DROP, Received, Receiver

LIMIT_S = 30


def killed_at_random(receiver: Receiver, spool: Path, chance: random.Random, first: int) -> list[int]:
    """The records whose `emit` returned before the process was killed."""
    with start(FOR_EVER, receiver.url, spool, first) as process:
        assert process.stdout is not None
        emitted = [int(process.stdout.readline()) for _ in range(chance.randrange(1, 200))]
        process.send_signal(signal.SIGKILL)
        return emitted + [int(line) for line in process.stdout.read().split(b"\n")[:-1]]


def records(received: list[Received]) -> list[int]:
    return [record["duration_ns"] for one in received for record in json.loads(one.data)["records"]]


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_or_recut_however_often_the_process_is_killed(
    receiver: Receiver, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    receiver.script = chance.choices([202, 503, DROP], weights=[7, 2, 1], k=500)
    emitted: list[int] = []
    for life in range(6):
        emitted += killed_at_random(receiver, tmp_path, chance, first=life * 1_000_000)
    receiver.script = []
    with Emitter(sink=receiver.url, tenant="acme", spool=tmp_path) as emitter:
        assert emitter.flush(LIMIT_S)
    by_sequence = {one.sequence: one for one in receiver.received}
    assert sorted(by_sequence) == list(range(1, len(by_sequence) + 1))
    for one in receiver.received:
        assert (one.headers, one.data) == (by_sequence[one.sequence].headers, by_sequence[one.sequence].data)
    delivered = {one.id: one for one in receiver.delivered}
    assert len(delivered) == len(by_sequence)
    counted = Counter(records(list(delivered.values())))
    assert set(emitted) <= set(counted)
    assert set(counted.values()) == {1}


def test_a_program_that_ends_delivers_first(receiver: Receiver, tmp_path: Path) -> None:
    with start(
        "emitter._pace = type(emitter._pace)(max_age_s=None); emit(1)", receiver.url, tmp_path
    ) as process:
        assert process.wait(LIMIT_S) == 0
    assert records(receiver.delivered) == [1]


def test_a_program_that_fails_delivers_first(receiver: Receiver, tmp_path: Path) -> None:
    with start("emit(1); sys.exit(3)", receiver.url, tmp_path) as process:
        assert process.wait(LIMIT_S) == 3
    assert records(receiver.delivered) == [1]


def test_a_program_that_ends_does_not_wait_for_ever(tmp_path: Path) -> None:
    program = "emitter._pace = type(emitter._pace)(exit_limit_s=0.2); emit(1)"
    with start(program, "http://127.0.0.1:1/", tmp_path) as process:
        assert process.wait(LIMIT_S) == 0
    assert list(tmp_path.glob("*.sealed"))


def test_sigterm_delivers_first_where_it_is_asked_for(receiver: Receiver, tmp_path: Path) -> None:
    with start("emitter.exit_on_sigterm()" + FOR_EVER, receiver.url, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        emitted = [0] + [int(line) for line in process.stdout.read().split()]
        assert process.wait(LIMIT_S) == 128 + signal.SIGTERM
    assert sorted(records(receiver.delivered)) == emitted


def test_a_handler_of_the_server_is_left_alone(receiver: Receiver, tmp_path: Path) -> None:
    program = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
emitter.exit_on_sigterm()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
"""
    with start(program, receiver.url, tmp_path) as process:
        assert process.wait(LIMIT_S) == 0


def test_a_forked_worker_delivers_on_its_own(receiver: Receiver, tmp_path: Path) -> None:
    """The emitter is made before the fork, as under a server that loads the function first."""
    program = """
import multiprocessing
workers = [multiprocessing.get_context("fork").Process(target=emit, args=(n,)) for n in (1,)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
"""
    with start(program, receiver.url, tmp_path) as process:
        assert process.wait(LIMIT_S) == 0
    assert records(receiver.delivered) == [1]


def test_a_fork_of_a_process_that_emits_takes_a_spool_of_its_own(receiver: Receiver, tmp_path: Path) -> None:
    program = """
emitter = Emitter(sink=url, tenant="acme", spool=spool, processes=2, exit_limit_s=10)
assert emit(1)
if os.fork() == 0:
    assert emit(2)
    sys.exit(0)
os.wait()
assert emit(3)
"""
    with start(program, receiver.url, tmp_path) as process:
        assert process.wait(LIMIT_S) == 0
    assert sorted(records(receiver.delivered)) == [1, 2, 3]
    assert len({one.headers["ce-source"] for one in receiver.delivered}) == 2


def test_a_child_does_not_hold_the_spool_after_its_parent_died(receiver: Receiver, tmp_path: Path) -> None:
    program = """
assert emit(1)
child = os.fork()
os.write(1, b"%d\\n" % child)
time.sleep(60)
"""
    with start(program, receiver.url, tmp_path) as process:
        assert process.stdout is not None
        # Parent and child each say a line; the child's, 0, tells that it has let go.
        child = max(int(process.stdout.readline()) for _ in range(2))
        try:
            process.kill()
            process.wait(LIMIT_S)
            Emitter(sink=receiver.url, tenant="acme", spool=tmp_path).open().close()
        finally:
            os.kill(child, signal.SIGKILL)
