"""What becomes of an answer that says more than a status, and of an event that nobody takes."""

import base64
import json
import threading
import time
from collections.abc import Mapping

import pytest

from tests.conformance.target import QUICK, Target
from tests.runtime.broker.rig import Reply, Subscriber, until

REPLY = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/r"}
ONCE = {**QUICK, "retry": 1}


def errors(headers: Mapping[str, str]) -> list[str]:
    return [name for name in headers if name.startswith("ce-knativeerror")]


@pytest.mark.parametrize(
    ("body", "media_type"), [(b"OK", "text/html"), (b'{"ok": true}', "application/json")]
)
def test_29_and_34_a_success_with_a_body_that_is_no_event_is_retried_and_its_letter_says_nothing(
    broker: Target, subscriber: Subscriber, letters: Subscriber, body: bytes, media_type: str
) -> None:
    subscriber.default = Reply(200, body, {"content-type": media_type})
    with broker.trigger(subscriber, letters, ONCE) as kind:
        assert broker.send(type=kind) == 202
        (letter,) = until(lambda: letters.received)
    assert len(subscriber.received) == 2
    assert not errors(letter.headers)


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("structured", [False, True])
def test_30_a_reply_goes_to_the_triggers_it_matches_one_hop_older(
    broker: Target, subscriber: Subscriber, letters: Subscriber, status: int, structured: bool
) -> None:
    kind, answering = broker.new_type(), Subscriber(subscriber.host)
    attributes = {"specversion": "1.0", "id": "r", "source": "/r", "type": kind, "knativebrokerttl": "7"}
    headers = {f"ce-{name}": text for name, text in attributes.items()}
    body, headers = b"[1]", {**headers, "content-type": "application/json"}
    if structured:
        event = {**attributes, "datacontenttype": "application/json", "data": [1]}
        body, headers = json.dumps(event).encode(), {"content-type": "application/cloudevents+json"}
    forwarded = {"knative-x": "k", "x-request-id": "r", "x-b3-traceid": "b3", "x-other": "o"}
    answering.default = Reply(status, body, {**headers, **forwarded})
    subscriber.default = Reply(422)
    try:
        with broker.trigger(answering) as asked, broker.trigger(subscriber, letters, kind=kind):
            assert broker.send(type=asked, knativebrokerttl="9") == 202
            (letter,) = until(lambda: letters.received)
    finally:
        answering.close()
    (received,) = subscriber.received
    assert (received.id, json.loads(received.body)) == ("r", [1])
    assert {"knative-x": "k", "x-request-id": "r"}.items() <= received.headers.items()
    assert not {"x-b3-traceid", "x-other"} & received.headers.keys()
    assert letter.headers["ce-knativebrokerttl"] == "7", "9, less one for each pass"


def test_30_and_12_a_reply_that_triggers_itself_ends(
    broker: Target, subscriber: Subscriber, letters: Subscriber
) -> None:
    with broker.trigger(subscriber, letters) as kind:
        subscriber.default = Reply(200, b"", {**REPLY, "ce-type": kind})
        assert broker.send(type=kind, knativebrokerttl="6") == 202
        until(lambda: letters.received)
        broker.quiet()
    assert len(subscriber.received) == 5
    assert letters.received[0].headers["ce-knativeerrorcode"] == "400"


@pytest.mark.parametrize(
    "headers",
    [
        {**REPLY, "ce-type": "t", "ce-time": "yesterday"},
        {"content-type": "application/cloudevents-batch+json"},
        {"content-type": "application/cloudevents+json"},
    ],
)
def test_30_a_reply_that_cannot_be_read_is_retried_and_its_letter_says_nothing(
    broker: Target, subscriber: Subscriber, letters: Subscriber, headers: dict[str, str]
) -> None:
    subscriber.default = Reply(200, b"[]", headers)
    with broker.trigger(subscriber, letters, ONCE) as kind:
        assert broker.send(type=kind) == 202
        (letter,) = until(lambda: letters.received)
    assert len(subscriber.received) == 2
    assert not errors(letter.headers)


@pytest.mark.parametrize("missing", ["id", "source", "type"])
def test_31_a_reply_that_is_refused_fails_the_original_at_the_ingress(
    broker: Target, subscriber: Subscriber, letters: Subscriber, missing: str
) -> None:
    headers = {**REPLY, "ce-type": "nobody"}
    del headers[f"ce-{missing}"]
    subscriber.default = Reply(200, b"", headers)
    with broker.trigger(subscriber, letters) as kind:
        assert broker.send(type=kind, id="original") == 202
        (letter,) = until(lambda: letters.received)
    assert len(subscriber.received) == 1
    assert letter.id == "original"
    assert letter.headers["ce-knativeerrorcode"] == "400"
    assert letter.headers["ce-knativeerrordest"].endswith(broker.path)


@pytest.mark.parametrize(("body", "media_type"), [(b'{"a": 1}', "text/plain; charset=utf-8"), (b"", None)])
def test_32_a_reply_that_does_not_say_what_it_is_becomes_text(
    broker: Target, subscriber: Subscriber, body: bytes, media_type: str | None
) -> None:
    kind, answering = broker.new_type(), Subscriber(subscriber.host)
    answering.default = Reply(200, body, {**REPLY, "ce-type": kind})
    try:
        with broker.trigger(answering) as asked, broker.trigger(subscriber, kind=kind):
            assert broker.send(type=asked) == 202
            (received,) = until(lambda: subscriber.received)
    finally:
        answering.close()
    assert (received.body, received.headers.get("content-type")) == (body, media_type)


@pytest.mark.parametrize("body", [b"memory_mb: negative", b"", b"x" * 700])
def test_34_and_36_a_dead_letter_says_who_answered_what(
    broker: Target, subscriber: Subscriber, letters: Subscriber, body: bytes
) -> None:
    subscriber.default = Reply(422, body)
    with broker.trigger(subscriber, letters) as kind:
        assert broker.send(b'{"a": 1.0}', type=kind, tenantid="demo", id="bad") == 202
        (letter,) = until(lambda: letters.received)
    assert (letter.id, letter.body) == ("bad", b'{"a": 1.0}')
    assert letter.headers["ce-tenantid"] == "demo"
    assert letter.headers["ce-knativeerrordest"].startswith(subscriber.url)
    assert letter.headers["ce-knativeerrorcode"] == "422"
    assert base64.b64decode(letter.headers["ce-knativeerrordata"]) == body
    assert "prefer" not in letter.headers


def test_34_the_dead_letter_sink_has_the_same_retries(
    broker: Target, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(422)
    letters.replies.extend([Reply(503)] * 2)
    with broker.trigger(subscriber, letters) as kind:
        assert broker.send(type=kind) == 202
        until(lambda: len(letters.received) == 3)
        broker.quiet()
    assert len(letters.received) == 3
    assert letters.received[2].at - letters.received[1].at >= 0.19


def test_21_and_34_without_a_connection_it_is_tried_again_and_then_a_letter_with_500(
    broker: Target, letters: Subscriber
) -> None:
    gone = Subscriber(letters.host)
    with broker.trigger(gone, letters, {**ONCE, "backoffDelay": "PT0.5S"}) as kind:
        gone.close()
        before = time.monotonic()
        assert broker.send(type=kind) == 202
        (letter,) = until(lambda: letters.received)
    assert letter.at - before >= 0.5, "one more attempt, half a second after the first"
    assert letter.headers["ce-knativeerrorcode"] == "500"
    assert base64.b64decode(letter.headers["ce-knativeerrordata"]).startswith(b"dispatch error: ")


def test_25_and_34_a_timeout_is_retried_and_its_letter_says_nothing(
    broker: Target, subscriber: Subscriber, letters: Subscriber
) -> None:
    go_on = threading.Event()
    subscriber.default = Reply(wait_for=go_on)
    with broker.trigger(subscriber, letters, {**ONCE, "timeout": "PT0.3S"}) as kind:
        assert broker.send(type=kind) == 202
        (letter,) = until(lambda: letters.received)
        go_on.set()
    assert len(subscriber.received) == 2
    assert not errors(letter.headers)


def test_35_a_reply_of_the_dead_letter_sink_is_ignored(
    broker: Target, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(422)
    with broker.trigger(subscriber, letters) as kind:
        letters.default = Reply(200, b"{}", {**REPLY, "ce-type": kind, "content-type": "application/json"})
        assert broker.send(type=kind) == 202
        until(lambda: letters.received)
        broker.quiet()
    assert (len(subscriber.received), len(letters.received)) == (1, 1)
