import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from faas_billing_emitter import Emitter, SpoolInUse

from tests.emitter.receiver import DROP, HANG, Receiver, receiving

NEVER = None


def emit(emitter: Emitter, n: int = 1, **fields: Any) -> bool:
    usage: dict[str, Any] = {"service_name": "waiter", "revision": "waiter-00001", "memory_mb": 256}
    return emitter.emit(**usage | {"duration_ns": n} | fields)


def durations(receiver: Receiver) -> list[int]:
    return [record["duration_ns"] for one in receiver.delivered for record in json.loads(one.data)["records"]]


@contextmanager
def emitting(receiver: Receiver, folder: Path, **options: Any) -> Iterator[Emitter]:
    options = {"max_age_s": NEVER, "exit_limit_s": 0.0} | options
    with Emitter(sink=receiver.url, tenant="acme", spool=folder, **options) as emitter:
        yield emitter


@pytest.fixture
def emitter(receiver: Receiver, tmp_path: Path) -> Iterator[Emitter]:
    with emitting(receiver, tmp_path / "spool") as emitter:
        yield emitter


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_what_is_emitted_arrives_when_it_is_flushed(emitter: Emitter, receiver: Receiver) -> None:
    assert all(emit(emitter, n) for n in range(2_500))
    assert emitter.flush(10)
    assert durations(receiver) == list(range(2_500))
    assert [one.sequence for one in receiver.received] == [1, 2, 3]
    assert emitter.status().batches_held == 0
    assert emitter.status().batches_delivered == 3


def test_a_full_batch_is_sent_without_a_flush(emitter: Emitter, receiver: Receiver) -> None:
    for n in range(1_001):
        emit(emitter, n)
    receiver.wait_for(1)
    assert durations(receiver) == list(range(1_000))


def test_a_batch_is_sent_after_a_short_age(receiver: Receiver, tmp_path: Path) -> None:
    with emitting(receiver, tmp_path, max_age_s=0.0) as emitter:
        emit(emitter)
        receiver.wait_for(1)


def test_closing_sends_what_is_left(receiver: Receiver, tmp_path: Path) -> None:
    with emitting(receiver, tmp_path, exit_limit_s=5.0) as emitter:
        emit(emitter)
    assert durations(receiver) == [1]
    assert emitter.status().batches_held == 0


def test_a_record_left_without_a_time_gets_that_of_the_clock(receiver: Receiver, tmp_path: Path) -> None:
    with emitting(receiver, tmp_path, clock=lambda: 1_800_000_000_123_456_789) as emitter:
        emit(emitter)
        assert emitter.flush()
    (one,) = receiver.received
    assert one.headers["ce-time"] == "2027-01-15T08:00:00.123456Z"
    assert json.loads(one.data)["records"][0]["timestamp"] == "2027-01-15T08:00:00.123456Z"


@pytest.mark.parametrize("failure", [503, 500, 429, 404, 302, DROP])
def test_a_batch_is_sent_again_byte_for_byte_until_it_is_taken(
    emitter: Emitter, receiver: Receiver, failure: int
) -> None:
    receiver.script = [failure, failure]
    emit(emitter)
    assert emitter.flush(10)
    first, second, third = receiver.received
    assert (first.headers, first.data) == (second.headers, second.data) == (third.headers, third.data)
    assert third.status == 202


def test_a_slow_answer_is_not_waited_for_longer_than_the_timeout(receiver: Receiver, tmp_path: Path) -> None:
    receiver.script = [HANG]
    with emitting(receiver, tmp_path, timeout_s=0.3) as emitter:
        emit(emitter)
        assert emitter.flush(10)
    first, second = receiver.received
    assert first.data == second.data


def test_a_batch_is_durable_before_its_first_byte_is_sent(
    emitter: Emitter, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.then = HANG
    emit(emitter)
    emitter.flush(0)
    (one,) = receiver.wait_for(1)
    (path,) = (tmp_path / "spool").glob("*.sealed")
    assert path.read_bytes().endswith(one.data)


def test_a_batch_refused_for_good_is_put_aside_and_the_rest_goes_on(
    emitter: Emitter, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.script, receiver.body = [422], b"tenantid: no such tenant"
    emit(emitter, 1)
    assert not emitter.flush(10)
    emit(emitter, 2)
    assert emitter.flush(10)
    assert durations(receiver) == [2]
    assert [one.sequence for one in receiver.received] == [1, 2]
    assert emitter.status().batches_refused == 1
    assert "was refused for good: 422 tenantid: no such tenant" in caplog.text
    (answer,) = (tmp_path / "spool" / "refused").glob("*.json")
    assert json.loads(answer.read_text()) == {
        "id": receiver.received[0].id,
        "status": 422,
        "reason": "tenantid: no such tenant",
    }


def test_emitting_does_not_wait_for_a_sink_that_hangs(emitter: Emitter, receiver: Receiver) -> None:
    receiver.then = HANG
    emit(emitter, 0)
    emitter.flush(0)
    receiver.wait_for(1)
    began = time.monotonic()
    assert all(emit(emitter, n) for n in range(3_000))
    assert time.monotonic() - began < 5


def test_what_was_emitted_while_the_sink_was_down_arrives_later(tmp_path: Path) -> None:
    port = free_port()
    with Emitter(sink=f"http://127.0.0.1:{port}/", tenant="acme", spool=tmp_path) as emitter:
        for n in range(1_500):
            assert emit(emitter, n)
        assert not emitter.flush(0.3)
        with receiving(port) as receiver:
            assert emitter.flush(10)
            assert durations(receiver) == list(range(1_500))


def test_closing_leaves_what_it_cannot_deliver_to_the_next_process(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.then = HANG
    with emitting(receiver, tmp_path, exit_limit_s=0.3) as emitter:
        emit(emitter)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert emitter.status().batches_held == 1
    receiver.then = 202
    with emitting(receiver, tmp_path) as emitter:
        assert emitter.flush(10)
    first, *_, last = receiver.received
    assert (first.id, first.data) == (last.id, last.data)


def test_a_second_emitter_on_the_same_spool_is_refused(
    emitter: Emitter, receiver: Receiver, tmp_path: Path
) -> None:
    with pytest.raises(SpoolInUse):
        Emitter(sink=receiver.url, tenant="acme", spool=tmp_path / "spool").open()


def test_a_user_function_is_told_of_a_spool_in_use_but_not_broken(
    emitter: Emitter, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = Emitter(sink=receiver.url, tenant="acme", spool=tmp_path / "spool")
    assert not emit(second)
    assert not emit(second)
    assert second.status().records_lost == 2
    assert "USAGE LOST" in caplog.text
    assert "is in use by another emitter" in caplog.text


def test_several_processes_share_a_spool_by_number(receiver: Receiver, tmp_path: Path) -> None:
    with (
        emitting(receiver, tmp_path, processes=2, source="/pod-1") as first,
        emitting(receiver, tmp_path, processes=2, source="/pod-1") as second,
    ):
        emit(first, 1)
        emit(second, 2)
        assert first.flush(10)
        assert second.flush(10)
        with pytest.raises(SpoolInUse, match="2 processes use"):
            Emitter(sink=receiver.url, tenant="acme", spool=tmp_path, processes=2).open()
    assert [one.headers["ce-source"] for one in receiver.received] == ["/pod-1/0", "/pod-1/1"]
    assert [one.sequence for one in receiver.received] == [1, 1]


def test_a_record_unfit_to_be_billed_is_put_aside_visibly(
    emitter: Emitter, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not emit(emitter, -1)
    assert not emit(emitter, memory_mb=float("nan"), labels={"x": object()})
    assert emit(emitter, 7)
    assert emitter.flush(10)
    assert durations(receiver) == [7]
    assert emitter.status().records_refused == 2
    assert "duration_ns: less than 0" in caplog.text
    lines = (tmp_path / "spool" / "refused" / "records.jsonl").read_text().splitlines()
    assert [json.loads(line)["faults"] for line in lines] == [
        ["duration_ns: less than 0"],
        ["memory_mb: not finite", "labels: a value is not text"],
    ]


def test_a_request_emitted_twice_in_a_batch_does_not_cost_the_batch(
    emitter: Emitter, receiver: Receiver
) -> None:
    assert emit(emitter, 1, request_id="r-1")
    assert not emit(emitter, 2, request_id="r-1")
    assert emitter.flush(10)
    assert durations(receiver) == [1]
    assert emitter.status().records_refused == 1


def test_a_full_spool_loses_records_loudly_and_recovers(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.then = 503
    with emitting(receiver, tmp_path, spool_bytes_max=50_000) as emitter:
        kept = sum(emit(emitter, n) for n in range(500))
        assert 0 < kept < 500
        assert emitter.status().records_lost == 500 - kept
        assert len([line for line in caplog.messages if "USAGE LOST" in line]) == 1
        receiver.then = 202
        assert emitter.flush(10)
        assert durations(receiver) == list(range(kept))
        assert emit(emitter, 1)
        assert emitter.flush(10)
        assert emit(emitter, 2)


def test_a_spool_that_cannot_be_used_does_not_break_the_user_function(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    emitter = Emitter(sink=receiver.url, tenant="acme", spool=tmp_path / "file" / "spool")
    assert not emit(emitter)
    assert "USAGE LOST" in caplog.text
    with pytest.raises(OSError, match="Not a directory"):
        emitter.open()


def test_nothing_is_emitted_after_closing(emitter: Emitter, caplog: pytest.LogCaptureFixture) -> None:
    emitter.close()
    assert not emit(emitter)
    assert "the emitter is closed" in caplog.text


def test_making_an_emitter_touches_nothing(tmp_path: Path) -> None:
    emitter = Emitter(sink="http://127.0.0.1:1/", tenant="acme", spool=tmp_path / "spool")
    assert not (tmp_path / "spool").exists()
    assert emitter.flush()
    assert emitter.close()
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a%20b", "é", "a\nb"])
def test_a_tenant_and_a_source_must_survive_a_header(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tenant"):
        Emitter(sink="http://x/", tenant=name, spool=tmp_path)
    with pytest.raises(ValueError, match="source"):
        Emitter(sink="http://x/", tenant="acme", source=name, spool=tmp_path)


def test_many_threads_emit_without_losing_or_repeating(emitter: Emitter, receiver: Receiver) -> None:
    def work(part: int) -> None:
        for n in range(500):
            assert emit(emitter, part * 500 + n)

    threads = [Thread(target=work, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emitter.flush(10)
    assert sorted(durations(receiver)) == list(range(4_000))


def test_trouble_is_logged_once_in_a_while_not_on_every_attempt(
    emitter: Emitter, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.script = [503] * 3
    with caplog.at_level(logging.WARNING, "faas_billing_emitter"):
        emit(emitter)
        assert emitter.flush(20)
    (line,) = [line for line in caplog.messages if "503" in line]
    assert line.startswith(
        f"usage stays in the spool for now (1 so far): batch {receiver.received[0].id}: 503"
    )
    assert "usage is delivered again after 3 failures" in caplog.messages
