import socket
import threading
import time

import pytest
from faas_billing_emitter.batch import Batch, Origin
from faas_billing_emitter.sink import HttpSink, Outcome, outcome_of

from tests.emitter.receiver import DROP, HANG, Receiver

BATCH = Batch(Origin("/spool/1", "acme"), 3, "2026-01-02T03:04:05.000006Z", b'{"records":[\n{}\n]}')


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 202, 204), Outcome.DELIVERED),
        ((400, 401, 403, 405, 410, 413, 415, 422, 425), Outcome.REFUSED),
        ((404, 408, 409, 429, 500, 502, 503, 504), Outcome.UNKNOWN),
        ((301, 302, 303, 304, 307, 308), Outcome.UNKNOWN),
    ],
)
def test_only_a_4xx_that_no_broker_retries_is_final(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {outcome_of(status) for status in statuses} == {outcome}


def test_a_batch_goes_as_one_binary_cloudevent(receiver: Receiver) -> None:
    sink = HttpSink(receiver.url + "?x=1")
    assert sink.post(BATCH).outcome is Outcome.DELIVERED
    sink.close()
    (received,) = receiver.received
    assert received.data == BATCH.data
    sent = {
        name: value
        for name, value in received.headers.items()
        if name.startswith(("ce-", "content-", ":path"))
    }
    assert sent == {
        ":path": "/billing/default?x=1",
        "content-type": "application/json",
        "content-length": str(len(BATCH.data)),
        "ce-specversion": "1.0",
        "ce-type": "dev.faasbilling.usage.recorded.v1",
        "ce-source": "/spool/1",
        "ce-id": BATCH.id,
        "ce-time": "2026-01-02T03:04:05.000006Z",
        "ce-tenantid": "acme",
        "ce-partitionkey": "acme",
        "ce-sequence": "3",
    }


def test_the_connection_is_kept(receiver: Receiver) -> None:
    receiver.script = [503, 202, 422]
    receiver.body = b"what happened"
    sink = HttpSink(receiver.url)
    assert [sink.post(BATCH).status for _ in range(3)] == [503, 202, 422]
    sink.close()
    assert len({received.connection for received in receiver.received}) == 1


def test_an_answer_carries_the_start_of_its_body(receiver: Receiver) -> None:
    receiver.then, receiver.body = 422, b"tenantid: no tenant 'acme'" + b"." * 5_000
    sink = HttpSink(receiver.url)
    answer = sink.post(BATCH)
    assert answer.reason.startswith("tenantid: no tenant 'acme'")
    assert len(answer.reason) == 2_048
    assert sink.post(BATCH).status == 422
    sink.close()


def test_a_connection_that_the_receiver_closed_meanwhile_is_no_failure(receiver: Receiver) -> None:
    receiver.script = [202, DROP, 202]
    sink = HttpSink(receiver.url)
    assert sink.post(BATCH).outcome is Outcome.DELIVERED
    assert sink.post(BATCH).outcome is Outcome.DELIVERED
    sink.close()


def test_a_request_without_an_answer_is_of_unknown_outcome(receiver: Receiver) -> None:
    receiver.script = [DROP]
    sink = HttpSink(receiver.url)
    answer = sink.post(BATCH)
    sink.close()
    assert (answer.outcome, answer.status) == (Outcome.UNKNOWN, None)
    assert "RemoteDisconnected" in answer.reason


def test_an_answer_that_does_not_come_is_of_unknown_outcome(receiver: Receiver) -> None:
    receiver.then = HANG
    sink = HttpSink(receiver.url, timeout_s=0.3)
    answer = sink.post(BATCH)
    sink.close()
    assert answer.outcome is Outcome.UNKNOWN
    assert "TimeoutError" in answer.reason


def test_waiting_for_an_answer_ends_when_it_is_given_up(receiver: Receiver) -> None:
    receiver.then = HANG
    sink = HttpSink(receiver.url)
    began = time.monotonic()
    assert sink.post(BATCH, lambda: bool(receiver.received)).outcome is Outcome.UNKNOWN
    sink.close()
    assert time.monotonic() - began < 10


def test_nobody_listening_is_of_unknown_outcome() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = HttpSink(f"http://127.0.0.1:{closed.getsockname()[1]}/").post(BATCH)
    assert (answer.outcome, answer.status) == (Outcome.UNKNOWN, None)


def test_an_answer_given_before_the_batch_was_read_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse_at_once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(
                    b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

        thread = threading.Thread(target=refuse_at_once)
        thread.start()
        sink = HttpSink(f"http://127.0.0.1:{server.getsockname()[1]}/")
        answer = sink.post(BATCH)
        sink.close()
        thread.join()
    assert (answer.outcome, answer.status) == (Outcome.REFUSED, 413)


@pytest.mark.parametrize(
    "url", ["", "localhost:8081", "ftp://x/", "http://", "http://user:key@x/", "http://x/#y"]
)
def test_a_sink_is_an_http_url_without_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="is not an http or https URL"):
        HttpSink(url)
