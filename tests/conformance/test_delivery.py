"""What a subscriber is sent, and when it is sent again."""

import json
import threading
from itertools import pairwise

import pytest

from tests.conformance.target import QUICK, Target
from tests.runtime.broker.rig import Reply, Subscriber, until


def waits(subscriber: Subscriber) -> list[float]:
    return [later.at - earlier.at for earlier, later in pairwise(subscriber.received)]


def test_7_to_15_what_a_subscriber_is_sent(broker: Target, subscriber: Subscriber) -> None:
    sent = {
        "authorization": "Bearer secret",
        "user-agent": "producer",
        "x-tenant": "x",
        "kn-namespace": "other",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-request-id": "r",
        "x-b3-traceid": "b3",
        "knative-x": "k",
        "retry-after": "1",
    }
    with broker.trigger(subscriber) as kind:
        time = "2025-10-15T14:00:00+02:00"
        assert broker.send(b'{"a": 1.0}', headers=sent, type=kind, time=time, tenantid="demo") == 202
        request = until(lambda: subscriber.received)[0]
    wanted = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/test",
        "ce-type": kind,
        "ce-time": "2025-10-15T12:00:00Z",
        "ce-tenantid": "demo",
        "content-type": "application/json",
        "prefer": "reply",
        "kn-namespace": broker.path.split("/")[1],
        "x-request-id": "r",
        "x-b3-traceid": "b3",
        "knative-x": "k",
        "retry-after": "1",
    }
    of_transport = {"host", "content-length", "user-agent", "accept-encoding", "traceparent", "tracestate"}
    assert request.body == b'{"a": 1.0}'
    assert wanted.items() <= request.headers.items()
    assert request.headers.keys() - wanted.keys() - of_transport == {"ce-knativearrivaltime"}
    assert request.headers.get("user-agent") != "producer"
    assert request.headers.get("traceparent") != sent["traceparent"]


def test_10_a_structured_event_is_delivered_in_binary_mode(broker: Target, subscriber: Subscriber) -> None:
    with broker.trigger(subscriber) as kind:
        event = {"specversion": "1.0", "id": "s", "source": "/s", "type": kind, "data": {"a": 1}}
        headers = {"content-type": "application/cloudevents+json"}
        assert broker.request("POST", broker.path, headers, json.dumps(event).encode())[0] == 202
        (request,) = until(lambda: subscriber.received)
    assert request.headers["ce-id"] == "s"
    assert json.loads(request.body) == {"a": 1}


@pytest.mark.parametrize(
    ("media_type", "body", "data"),
    [
        (
            "application/json",
            b'{"a": 1.50, "b": 12345678901234567890}',
            {"a": "1.50", "b": "12345678901234567890"},
        ),
        ("text/plain", "grüezi".encode(), "grüezi"),
    ],
)
def test_10_delivery_format_json_sends_an_event_in_one_piece(
    broker: Target, subscriber: Subscriber, media_type: str, body: bytes, data: object
) -> None:
    sent = {"content-type": media_type, "x-request-id": "r"}
    with broker.trigger(subscriber, delivery={**QUICK, "format": "json"}) as kind:
        assert broker.send(body, headers=sent, type=kind, subject="Zürich", sequence="5") == 202
        (request,) = until(lambda: subscriber.received)
    event = json.loads(request.body, parse_float=str, parse_int=str)
    assert event.pop("knativearrivaltime").endswith("Z")
    assert event == {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": kind,
        "subject": "Zürich",
        "sequence": "5",
        "datacontenttype": media_type,
        "data": data,
    }
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert request.headers["prefer"] == "reply"
    assert request.headers["x-request-id"] == "r"
    assert not [name for name in request.headers if name.startswith("ce-")]


def test_10_a_dead_letter_is_binary_whatever_the_format(
    broker: Target, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(422)
    with broker.trigger(subscriber, letters, {**QUICK, "format": "json"}) as kind:
        assert broker.send(b"[1]", type=kind) == 202
        (letter,) = until(lambda: letters.received)
    assert (letter.headers["ce-id"], letter.body) == ("1", b"[1]")


def test_19_a_slow_subscriber_holds_no_other_up(broker: Target, subscriber: Subscriber) -> None:
    go_on, slow = threading.Event(), Subscriber(subscriber.host)
    slow.default = Reply(wait_for=go_on)
    patient, ids = {"timeout": "PT20S"}, [str(number) for number in range(100)]
    try:
        with broker.trigger(slow, delivery=patient) as kind, broker.trigger(subscriber, kind=kind):
            senders = [threading.Thread(target=broker.send, kwargs={"type": kind, "id": id}) for id in ids]
            for sender in senders:
                sender.start()
            until(lambda: set(subscriber.ids()) == set(ids))
            assert not go_on.is_set()
            go_on.set()
            until(lambda: set(slow.ids()) == set(ids))
            for sender in senders:
                sender.join()
    finally:
        go_on.set()
        slow.close()


def test_19_an_event_that_is_retried_holds_no_other_of_its_trigger_up(
    broker: Target, subscriber: Subscriber
) -> None:
    patient = {**QUICK, "backoffDelay": "PT3S", "retry": 1}
    with broker.trigger(subscriber, delivery=patient) as kind:
        subscriber.replies.append(Reply(503))
        sender = threading.Thread(target=broker.send, kwargs={"type": kind, "id": "bad"})
        sender.start()
        until(lambda: subscriber.ids() == ["bad"])
        assert broker.send(type=kind, id="good") == 202
        until(lambda: subscriber.ids() == ["bad", "good"])
        until(lambda: subscriber.ids() == ["bad", "good", "bad"])
        sender.join()


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504])
def test_21_and_22_what_may_pass_is_tried_again_after_growing_waits(
    broker: Target, subscriber: Subscriber, status: int
) -> None:
    subscriber.replies.extend([Reply(status)] * 3)
    with broker.trigger(subscriber) as kind:
        assert broker.send(type=kind, id="x") == 202
        until(lambda: len(subscriber.received) == 4)
        broker.quiet()
    assert subscriber.ids() == ["x"] * 4
    for wait, least in zip(waits(subscriber), (0.1, 0.2, 0.4), strict=True):
        assert wait >= least * 0.99


def test_22_the_first_linear_retry_is_immediate(broker: Target, subscriber: Subscriber) -> None:
    linear = {**QUICK, "backoffPolicy": "linear", "backoffDelay": "PT1S"}
    subscriber.replies.extend([Reply(503)] * 2)
    with broker.trigger(subscriber, delivery=linear) as kind:
        assert broker.send(type=kind) == 202
        until(lambda: len(subscriber.received) == 3)
    first, second = waits(subscriber)
    assert first < 0.99 <= second


@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 413, 415, 422, 425])
def test_21_what_cannot_pass_fails_at_once(
    broker: Target, subscriber: Subscriber, letters: Subscriber, status: int
) -> None:
    subscriber.default = Reply(status)
    with broker.trigger(subscriber, letters) as kind:
        assert broker.send(type=kind) == 202
        (letter,) = until(lambda: letters.received)
        broker.quiet()
    assert len(subscriber.received) == 1
    assert letter.headers["ce-knativeerrorcode"] == str(status)


@pytest.mark.parametrize("delay", ["PT0.05S", "PT0.09S"])
def test_24_a_duration_counts_to_one_decimal(broker: Target, subscriber: Subscriber, delay: str) -> None:
    subscriber.replies.extend([Reply(503)] * 7)
    with broker.trigger(subscriber, delivery={**QUICK, "retry": 7, "backoffDelay": delay}) as kind:
        assert broker.send(type=kind) == 202
        until(lambda: len(subscriber.received) == 8)
    assert sum(waits(subscriber)) < 0.05 * 2**6, "one wait alone would be longer"


def test_25_an_attempt_has_its_own_time(broker: Target, subscriber: Subscriber) -> None:
    go_on = threading.Event()
    subscriber.replies.append(Reply(wait_for=go_on))
    with broker.trigger(subscriber, delivery={**QUICK, "timeout": "PT0.5S"}) as kind:
        assert broker.send(type=kind, id="x") == 202
        until(lambda: subscriber.ids() == ["x", "x"])
        go_on.set()
    assert waits(subscriber)[0] > 0.3


@pytest.mark.parametrize("status", [429, 503])
def test_26_retry_after_is_not_waited_for(broker: Target, subscriber: Subscriber, status: int) -> None:
    subscriber.replies.append(Reply(status, headers={"retry-after": "30"}))
    with broker.trigger(subscriber) as kind:
        assert broker.send(type=kind) == 202
        until(lambda: len(subscriber.received) == 2)
    assert waits(subscriber)[0] < 10


def test_27_a_delivery_without_retry_never_retries_whatever_the_broker_has(
    broker: Target, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(503)
    with broker.trigger(subscriber, letters, {"timeout": "PT1S"}) as kind:
        assert broker.send(type=kind) == 202
        until(lambda: letters.received)
        broker.quiet()
    assert len(subscriber.received) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_28_an_empty_success_is_done(broker: Target, subscriber: Subscriber, status: int) -> None:
    subscriber.default = Reply(status)
    with broker.trigger(subscriber) as kind:
        assert broker.send(type=kind) == 202
        until(lambda: subscriber.received)
        broker.quiet()
    assert len(subscriber.received) == 1
