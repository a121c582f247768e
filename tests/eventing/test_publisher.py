"""Events to a real HTTP sink that fails as it is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from eventing.codec import Event, decode
from eventing.publisher import Publisher
from shared.domain.errors import Rejected, Unavailable
from tests.emitter.receiver import DROP, HANG, Receiver, receiving

EVENT = Event(
    id="1",
    source="/s",
    type="t",
    time=datetime(2025, 10, 15, 12, tzinfo=UTC),
    datacontenttype="application/json",
    extensions={"tenantid": "demo"},
    data=b'{"n": 1.50}',
)


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def publisher(sink: Receiver) -> Iterator[Publisher]:
    publisher = Publisher(sink.url, timeout_s=5)
    yield publisher
    publisher.close()


def test_an_event_arrives_as_a_binary_cloudevent(sink: Receiver, publisher: Publisher) -> None:
    publisher.publish(EVENT)
    (received,) = sink.received
    assert received.headers[":path"] == "/billing/default"
    assert received.headers["ce-time"] == "2025-10-15T12:00:00Z"
    assert decode(received.headers, received.data) == EVENT


def test_a_connection_is_kept(sink: Receiver, publisher: Publisher) -> None:
    sink.body = b"some words"
    for _ in range(3):
        publisher.publish(EVENT)
    assert len({received.connection for received in sink.received}) == 1


def test_a_kept_connection_that_the_sink_has_closed_is_replaced(sink: Receiver, publisher: Publisher) -> None:
    publisher.publish(EVENT)
    sink.script = [DROP]
    publisher.publish(EVENT)
    assert [received.status for received in sink.received] == [202, DROP, 202]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 409, 429, 500, 502, 503, 301, 302, 307, 308])
def test_what_is_not_the_events_fault_is_unavailable(
    sink: Receiver, publisher: Publisher, status: int
) -> None:
    sink.then, sink.body = status, b"because"
    with pytest.raises(Unavailable, match=f"answered {status} because"):
        publisher.publish(EVENT)
    assert len(sink.received) == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_sink_refuses_for_good_is_rejected(
    sink: Receiver, publisher: Publisher, status: int
) -> None:
    sink.then = status
    with pytest.raises(Rejected, match=f"answered {status}"):
        publisher.publish(EVENT)


def test_a_lost_answer_a_silent_sink_and_no_sink_are_unavailable(sink: Receiver) -> None:
    sink.script = [DROP, HANG]
    publisher = Publisher(sink.url, timeout_s=0.2)
    for _ in range(2):
        with pytest.raises(Unavailable, match=sink.url):
            publisher.publish(EVENT)
    with receiving() as gone:
        address = gone.url
    with pytest.raises(Unavailable, match="refused"):
        Publisher(address).publish(EVENT)


def test_a_huge_answer_is_not_read(sink: Receiver, publisher: Publisher) -> None:
    sink.body = b"x" * 1_000_000
    publisher.publish(EVENT)
    publisher.publish(EVENT)
    assert len({received.connection for received in sink.received}) == 2


@pytest.mark.parametrize("url", ["", "broker", "ftp://broker/x"])
def test_a_missing_or_odd_sink_is_named_at_the_first_event(url: str) -> None:
    publisher = Publisher(url)
    with pytest.raises(Unavailable, match=f"K_SINK is '{url}'"):
        publisher.publish(EVENT)


def test_threads_share_a_publisher(sink: Receiver, publisher: Publisher) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: publisher.publish(EVENT), range(100)))
    assert len(sink.received) == 100
    assert len({received.connection for received in sink.received}) <= 8


def test_an_attribute_that_is_not_ascii_goes_out_as_utf8(sink: Receiver, publisher: Publisher) -> None:
    publisher.publish(Event(id="é€", source="/s", type="t"))
    assert sink.received[0].headers["ce-id"].encode("latin-1").decode() == "é€"
