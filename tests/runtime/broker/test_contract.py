"""What subscribers and dead-letter sinks see, over HTTP from a running broker."""

import base64
import json
import threading
from itertools import pairwise

import pytest

from tests.runtime.broker.rig import Reply, RunningBroker, Subscriber, until

QUICK = {"retry": 3, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S", "timeout": "PT1S"}


def waits(subscriber: Subscriber) -> list[float]:
    return [later.at - earlier.at for earlier, later in pairwise(subscriber.received)]


def test_7_to_15_what_a_subscriber_is_sent(broker: RunningBroker, subscriber: Subscriber) -> None:
    sent = {
        "authorization": "Bearer secret",
        "user-agent": "producer",
        "x-tenant": "x",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-request-id": "r",
        "x-b3-traceid": "b3",
        "knative-x": "k",
    }
    attributes = {"time": "2025-10-15T14:00:00+02:00", "tenantid": "demo", "knativearrivaltime": "before"}
    with broker.trigger("seen", subscriber):
        assert broker.send(b'{"a": 1.0}', headers=sent, type="seen", **attributes) == 202
        request = until(lambda: subscriber.received)[0]
    headers = dict(request.headers)
    assert headers.pop("ce-knativearrivaltime").endswith("Z")
    for of_transport in ("host", "content-length"):
        del headers[of_transport]
    assert request.body == b'{"a": 1.0}'
    assert headers == {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/test",
        "ce-type": "seen",
        "ce-time": "2025-10-15T12:00:00Z",
        "ce-tenantid": "demo",
        "content-type": "application/json",
        "prefer": "reply",
        "kn-namespace": "billing",
        "x-request-id": "r",
        "x-b3-traceid": "b3",
        "knative-x": "k",
    }


def test_19_a_slow_subscriber_holds_no_other_up(broker: RunningBroker, subscriber: Subscriber) -> None:
    go_on, slow = threading.Event(), Subscriber()
    slow.default = Reply(wait_for=go_on)
    both = {"filters": [{"exact": {"type": "both"}}], "delivery": {"timeout": "PT20S"}}
    try:
        with broker.trigger("slow", slow, **both), broker.trigger("fast", subscriber, **both):
            for number in range(100):
                assert broker.send(type="both", id=str(number)) == 202
            until(lambda: broker.outstanding("fast") == 0 and len(set(subscriber.ids())) == 100)
            assert broker.outstanding("slow") == 100
            go_on.set()
            until(lambda: broker.outstanding("slow") == 0)
    finally:
        go_on.set()
        slow.close()


def test_19_an_event_that_is_retried_holds_no_other_of_its_trigger_up(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    patient = {**QUICK, "backoffDelay": "PT10S"}
    subscriber.replies.extend([Reply(503)] * 200)
    with broker.trigger("held", subscriber, delivery=patient):
        for number in range(200):
            assert broker.send(type="held", id=f"bad-{number}") == 202
        until(lambda: len(subscriber.received) == 200)
        assert broker.send(type="held", id="good") == 202
        until(lambda: "good" in subscriber.ids())
        assert until(lambda: broker.outstanding("held") == 200)


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
def test_21_and_22_what_may_pass_is_tried_again_after_growing_waits(
    broker: RunningBroker, subscriber: Subscriber, status: int
) -> None:
    subscriber.replies.extend([Reply(status)] * 3)
    with broker.trigger("again", subscriber, delivery=QUICK):
        assert broker.send(type="again", id="x") == 202
        until(lambda: broker.outstanding("again") == 0)
    assert subscriber.ids() == ["x"] * 4
    for wait, least in zip(waits(subscriber), (0.1, 0.2, 0.4), strict=True):
        assert wait >= least * 0.99


def test_22_the_first_linear_retry_is_immediate(broker: RunningBroker, subscriber: Subscriber) -> None:
    linear = {**QUICK, "backoffPolicy": "linear", "backoffDelay": "PT1S"}
    subscriber.replies.extend([Reply(503)] * 2)
    with broker.trigger("linear", subscriber, delivery=linear):
        assert broker.send(type="linear") == 202
        until(lambda: broker.outstanding("linear") == 0)
    first, second = waits(subscriber)
    assert first < 0.99 <= second


def test_21_a_subscriber_that_is_not_there_yet_is_tried_again(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    with broker.trigger("late", "late", delivery={**QUICK, "retry": 9}):
        broker.name_services()
        assert broker.send(type="late") == 202
        until(lambda: broker.counted("failed_attempts", "late"))
        broker.name_services(late=subscriber.url)
        until(lambda: subscriber.received)
        until(lambda: broker.outstanding("late") == 0)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_21_and_34_what_cannot_pass_is_a_dead_letter_at_once(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber, status: int
) -> None:
    subscriber.default = Reply(status, b"memory_mb: negative")
    with broker.trigger("poison", subscriber):
        assert broker.send(b'{"a": 1.0}', type="poison", tenantid="demo", id="bad") == 202
        until(lambda: broker.outstanding("poison") == 0)
    assert len(subscriber.received) == 1
    (letter,) = letters.received
    assert letter.body == b'{"a": 1.0}'
    assert letter.headers["ce-id"] == "bad"
    assert letter.headers["ce-tenantid"] == "demo"
    assert letter.headers["ce-knativebrokerttl"] == "255"
    assert letter.headers["ce-knativeerrordest"] == subscriber.url
    assert letter.headers["ce-knativeerrorcode"] == str(status)
    assert base64.b64decode(letter.headers["ce-knativeerrordata"]) == b"memory_mb: negative"
    assert "prefer" not in letter.headers
    assert broker.counted("dead_lettered_events", "poison") >= 1


def test_34_a_dead_letter_names_a_service_as_a_cluster_does(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    broker.name_services(letters=letters.url, refuser=subscriber.url)
    subscriber.default = Reply(422)
    with broker.trigger("named", "refuser"):
        assert broker.send(type="named") == 202
        headers = until(lambda: letters.received)[0].headers
    assert headers["ce-knativeerrordest"] == "http://refuser.billing.svc.cluster.local"


def test_34_the_dead_letter_sink_has_the_same_retries(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(422)
    letters.replies.extend([Reply(503)] * 2)
    with broker.trigger("sinkagain", subscriber, delivery=QUICK):
        assert broker.send(type="sinkagain") == 202
        until(lambda: broker.outstanding("sinkagain") == 0)
    assert len(letters.received) == 3
    assert waits(letters)[1] >= 0.19


def test_25_and_34_a_timeout_is_retried_and_its_letter_says_nothing(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    go_on = threading.Event()
    subscriber.default = Reply(wait_for=go_on)
    with broker.trigger("hangs", subscriber, delivery={**QUICK, "retry": 1, "timeout": "PT0.3S"}):
        assert broker.send(type="hangs") == 202
        (letter,) = until(lambda: letters.received)
        go_on.set()
    assert len(subscriber.received) == 2
    assert not [name for name in letter.headers if name.startswith("ce-knativeerror")]


def test_29_a_success_with_a_body_that_is_no_event_fails_loudly(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(200, b"OK", {"content-type": "text/html"})
    with broker.trigger("ok", subscriber, delivery={**QUICK, "retry": 1}):
        assert broker.send(type="ok") == 202
        (letter,) = until(lambda: letters.received)
    assert len(subscriber.received) == 2
    assert "ce-knativeerrorcode" not in letter.headers
    assert "ERROR runtime.broker.dispatcher: Trigger ok: number 29: " in broker.log
    assert broker.counted("failed_attempts", "ok") == 2


@pytest.mark.parametrize("status", [200, 202])
def test_30_a_reply_goes_to_the_triggers_it_matches_one_hop_older(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber, status: int
) -> None:
    answering = Subscriber()
    reply = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/r", "ce-type": "replied"}
    answering.default = Reply(
        status, b"[1]", {**reply, "ce-knativebrokerttl": "7", "content-type": "application/json"}
    )
    subscriber.default = Reply(422)
    try:
        with broker.trigger("asked", answering), broker.trigger("replied", subscriber):
            assert broker.send(type="asked", knativebrokerttl="9") == 202
            until(lambda: broker.backlog()["outstanding"] == 0)
    finally:
        answering.close()
    (received,) = subscriber.received
    assert (received.id, received.body) == ("r", b"[1]")
    (letter,) = letters.received
    assert letter.headers["ce-knativebrokerttl"] == "7", "9, less one for each pass"


def test_30_and_12_a_reply_that_triggers_itself_ends(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    loop = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/r", "ce-type": "loop"}
    subscriber.default = Reply(200, b"", loop)
    with broker.trigger("loop", subscriber):
        assert broker.send(type="loop", knativebrokerttl="6") == 202
        until(lambda: broker.backlog()["outstanding"] == 0)
    assert len(subscriber.received) == 5
    assert letters.received[0].headers["ce-knativeerrorcode"] == "400"


def test_31_a_reply_that_is_refused_fails_the_original(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(200, b"", {"ce-specversion": "1.0", "ce-source": "/r", "ce-type": "t"})
    with broker.trigger("noid", subscriber):
        assert broker.send(type="noid", id="original") == 202
        (letter,) = until(lambda: letters.received)
    assert len(subscriber.received) == 1
    assert letter.id == "original"
    assert letter.headers["ce-knativeerrorcode"] == "400"
    assert letter.headers["ce-knativeerrordest"].endswith("/billing/default")


def test_33_a_redirect_is_not_followed_and_fails_loudly(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(302, b"", {"location": subscriber.url})
    with broker.trigger("moved", subscriber):
        assert broker.send(type="moved") == 202
        (letter,) = until(lambda: letters.received)
    assert len(subscriber.received) == 1
    assert letter.headers["ce-knativeerrorcode"] == "302"
    assert "Trigger moved: number 33: " in broker.log


def test_35_a_reply_of_the_dead_letter_sink_is_ignored(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    reply = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/r", "ce-type": "ignored"}
    letters.default = Reply(200, b"{}", {**reply, "content-type": "application/json"})
    subscriber.default = Reply(422)
    with broker.trigger("ignored", subscriber):
        assert broker.send(type="ignored") == 202
        until(lambda: letters.received)
        until(lambda: broker.outstanding("ignored") == 0)
    assert len(subscriber.received) == 1


def test_36_a_long_error_body_is_a_failure_and_an_error_that_names_the_trigger(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = Reply(422, b"x" * 2000)
    with broker.trigger("longwinded", subscriber):
        assert broker.send(type="longwinded") == 202
        (letter,) = until(lambda: letters.received)
    assert len(letter.headers["ce-knativeerrordata"]) == 1024
    assert "ERROR runtime.broker.dispatcher: Trigger longwinded: number 36: " in broker.log


def test_a_subscriber_with_a_filter_on_tenantid_gets_that_tenant_alone(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    with broker.trigger("tenant", subscriber, filters=[{"exact": {"tenantid": "demo"}}]):
        for number, (tenant, kind) in enumerate(
            [("demo", "a"), ("other", "a"), ("demo", "b"), ("demo2", "b")]
        ):
            assert broker.send(type=kind, id=str(number), tenantid=tenant) == 202
        assert broker.send(type="a", id="none") == 202
        until(lambda: len(subscriber.received) == 2 and broker.outstanding("tenant") == 0)
    assert sorted(subscriber.ids()) == ["0", "2"]


def test_a_trigger_added_while_running_sees_events_from_then_on(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    assert broker.send(type="later", id="before") == 202
    with broker.trigger("later", subscriber):
        assert broker.send(type="later", id="after") == 202
        until(lambda: broker.outstanding("later") == 0)
    assert subscriber.ids() == ["after"]


def test_a_trigger_taken_away_gets_nothing_more(broker: RunningBroker, subscriber: Subscriber) -> None:
    with broker.trigger("brief", subscriber):
        assert broker.send(type="brief", id="1") == 202
        until(lambda: broker.outstanding("brief") == 0)
    assert broker.send(type="brief", id="2") == 202
    with broker.trigger("brief", subscriber):
        assert broker.send(type="brief", id="3") == 202
        until(lambda: broker.outstanding("brief") == 0)
    assert subscriber.ids() == ["1", "3"]


def test_a_bad_trigger_file_is_an_error_that_names_file_and_field(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    path = broker.write_trigger("bad", subscriber, filters=[{"cesql": "type = 'x'"}])
    until(lambda: "bad.yaml: bad: spec.filters[0].cesql: " in broker.log)
    path.unlink()
    assert "bad" not in broker.backlog()["by_trigger"]


def test_what_no_sink_takes_is_parked_not_lost(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = letters.default = Reply(422)
    before = broker.backlog()["parked"]
    with broker.trigger("unwanted", subscriber):
        assert broker.send(type="unwanted", id="kept") == 202
        until(lambda: broker.outstanding("unwanted") == 0)
        assert broker.backlog()["parked"] == before + 1
        assert broker.counted("parked_events", "unwanted") == 1
    assert "ERROR runtime.broker.dispatcher: Trigger unwanted: kept parked: answered 422, and" in broker.log


def test_a_structured_event_is_delivered_in_binary_mode(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    event = {
        "specversion": "1.0",
        "id": "s",
        "source": "/s",
        "type": "form",
        "data": {"a": 1},
        "tenantid": "x",
    }
    with broker.trigger("form", subscriber):
        headers = {"content-type": "application/cloudevents+json"}
        assert broker.request("POST", "/billing/default", headers, json.dumps(event).encode())[0] == 202
        (request,) = until(lambda: subscriber.received)
    assert request.headers["ce-id"] == "s"
    assert request.headers["ce-tenantid"] == "x"
    assert json.loads(request.body) == {"a": 1}
