"""What a producer sees."""

import json
from collections.abc import Iterator

import pytest

from tests.conformance.target import Target
from tests.runtime.broker.rig import Reply, Subscriber, until

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "nobody"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/test", "type": "nobody"}


@pytest.fixture
def echo(broker: Target, subscriber: Subscriber) -> Iterator[str]:
    """A type that goes to `subscriber`."""
    with broker.trigger(subscriber) as kind:
        yield kind


def post(broker: Target, headers: dict[str, str], body: bytes = b"") -> int:
    return broker.request("POST", broker.path, headers, body)[0]


def test_1_an_event_is_answered_with_an_empty_202(broker: Target) -> None:
    status, headers, body = broker.request("POST", broker.path, BINARY)
    assert (status, body, headers["allow"]) == (202, b"", "POST, OPTIONS")


@pytest.mark.parametrize("target", ["{broker}", "/", "/anything/at/all"])
def test_2_options_says_how_to_post(broker: Target, target: str) -> None:
    status, headers, body = broker.request("OPTIONS", target.format(broker=broker.path))
    assert (status, body, headers["allow"]) == (200, b"", "POST, OPTIONS")
    assert headers["webhook-allowed-origin"] == headers["webhook-allowed-rate"] == "*"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_3_other_verbs_are_405(broker: Target, method: str) -> None:
    status, headers, body = broker.request(method, broker.path)
    assert (status, body, headers["allow"]) == (405, b"", "POST, OPTIONS")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 404),
        ("/alone", 400),
        ("/alone/", 400),
        ("//", 400),
        ("/metrics", 400),
        ("/backlog", 400),
        ("{broker}/more", 400),
        ("{broker}-other", 404),
        ("/other{broker}", 400),
        ("/other/default", 404),
        ("{broker}?x=1", 404),
        ("{broker}/?x=1", 400),
        ("{broker}%20", 404),
        ("{broker}/", 202),
        ("{broker}", 202),
    ],
)
def test_4_paths(broker: Target, target: str, status: int) -> None:
    assert broker.request("POST", target.format(broker=broker.path), BINARY)[0] == status


def test_4_an_event_is_read_before_the_broker_is_looked_for(broker: Target) -> None:
    assert broker.request("POST", f"{broker.path}-other")[0] == 400


@pytest.mark.parametrize(
    "media_type", ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8"]
)
def test_5_structured_events_are_taken(broker: Target, media_type: str) -> None:
    assert post(broker, {"content-type": media_type}, json.dumps(ENVELOPE).encode()) == 202


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/cloudevents-batch+json"}, [ENVELOPE]),
        ({"content-type": "application/json"}, ENVELOPE),
        ({"content-type": "text/plain"}, ENVELOPE),
        ({}, {}),
    ],
)
def test_5_batches_and_plain_json_are_400(broker: Target, headers: dict[str, str], body: object) -> None:
    assert post(broker, headers, json.dumps(body).encode()) == 400


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_6_required_attributes(broker: Target, name: str) -> None:
    assert post(broker, {key: text for key, text in BINARY.items() if key != f"ce-{name}"}) == 400
    assert post(broker, {**BINARY, f"ce-{name}": ""}) == 400
    envelope = {key: text for key, text in ENVELOPE.items() if key != name}
    assert post(broker, STRUCTURED, json.dumps(envelope).encode()) == 400
    assert post(broker, STRUCTURED, json.dumps({**ENVELOPE, name: ""}).encode()) == 400
    assert post(broker, STRUCTURED, json.dumps({**ENVELOPE, name: 5}).encode()) == 400


@pytest.mark.parametrize(("version", "status"), [("0.3", 202), ("1.0", 202), ("1.1", 400), ("2", 400)])
def test_6_versions(broker: Target, version: str, status: int) -> None:
    assert post(broker, {**BINARY, "ce-specversion": version}) == status
    assert post(broker, STRUCTURED, json.dumps({**ENVELOPE, "specversion": version}).encode()) == status


@pytest.mark.parametrize("time", ["yesterday", "2025-10-15", "2025-10-15T12:00:00", "2025-13-01T00:00:00Z"])
def test_6_a_bad_time_is_400(broker: Target, time: str) -> None:
    assert post(broker, {**BINARY, "ce-time": time}) == 400


@pytest.mark.parametrize(
    ("extension", "status"),
    [
        ({"tenant_id": "x"}, 400),
        ({"tenant": {"id": 1}}, 400),
        ({"tenant": [1]}, 400),
        ({"sequence": 2**31}, 400),
        ({"sequence": -(2**31) - 1}, 400),
        ({"sequence": 2**31 - 1}, 202),
        ({"ratio": 1.5}, 202),
        ({"cold": True}, 202),
        ({"tenant": None}, 202),
        ({"data": None}, 202),
    ],
)
def test_6_extensions(broker: Target, extension: dict[str, object], status: int) -> None:
    assert post(broker, STRUCTURED, json.dumps({**ENVELOPE, **extension}).encode()) == status


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'{"a":1', b"\xff\xfe", b"[" * 100_000])
def test_6_a_structured_event_that_is_no_object_is_400(broker: Target, body: bytes) -> None:
    assert post(broker, STRUCTURED, body) == 400


def test_7_names_arrive_in_lower_case_and_values_as_texts(
    broker: Target, subscriber: Subscriber, echo: str
) -> None:
    event = {**ENVELOPE, "type": echo, "TenantId": "demo", "sequence": 5, "cold": True, "none": None}
    assert post(broker, STRUCTURED, json.dumps(event).encode()) == 202
    headers = until(lambda: subscriber.received)[0].headers
    assert (headers["ce-tenantid"], headers["ce-sequence"], headers["ce-cold"]) == ("demo", "5", "true")
    assert "ce-none" not in headers


@pytest.mark.parametrize(
    "data", ['{"a": 1.50, "b": 12345678901234567890}', "null", "[1,  2]", '"text"', '{"ü": "\\u00fc"}']
)
def test_9_and_10_structured_data_arrives_as_it_was_in_binary_mode(
    broker: Target, subscriber: Subscriber, echo: str, data: str
) -> None:
    envelope = json.dumps({**ENVELOPE, "type": echo})[:-1] + f', "data": {data}}}'
    assert post(broker, STRUCTURED, envelope.encode()) == 202
    assert until(lambda: subscriber.received)[0].body == data.encode()
    assert "content-type" not in subscriber.received[0].headers


def test_9_bytes_arrive_as_they_were_whatever_they_claim_to_be(
    broker: Target, subscriber: Subscriber, echo: str
) -> None:
    body = bytes(range(256)) + b"{not json"
    assert broker.send(body, type=echo) == 202
    assert until(lambda: subscriber.received)[0].body == body
    assert subscriber.received[0].headers["content-type"] == "application/json"


def test_9_five_megabytes_are_taken_and_delivered(broker: Target, subscriber: Subscriber, echo: str) -> None:
    body = b'{"x":"' + b"a" * 5_000_000 + b'"}'
    assert broker.send(body, type=echo) == 202
    assert until(lambda: subscriber.received)[0].body == body


def test_7_what_is_not_ascii_goes_out_as_utf_8(broker: Target, subscriber: Subscriber, echo: str) -> None:
    assert broker.send(type=echo, subject="Zürich %41") == 202
    subject = until(lambda: subscriber.received)[0].headers["ce-subject"]
    assert subject.encode("latin-1").decode() == "Zürich %41"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("2025-10-15T14:00:00+02:00", "2025-10-15T12:00:00Z"),
        ("2025-10-15T12:00:00Z", "2025-10-15T12:00:00Z"),
    ],
)
def test_8_time_is_in_utc(broker: Target, subscriber: Subscriber, echo: str, sent: str, seen: str) -> None:
    assert broker.send(type=echo, time=sent) == 202
    assert until(lambda: subscriber.received)[0].headers["ce-time"] == seen


def test_11_the_time_of_arrival_replaces_what_a_producer_says(
    broker: Target, subscriber: Subscriber, echo: str
) -> None:
    assert broker.send(type=echo, knativearrivaltime="1999-01-01T00:00:00Z") == 202
    arrival = until(lambda: subscriber.received)[0].headers["ce-knativearrivaltime"]
    assert not arrival.startswith("1999")
    assert arrival.endswith("Z")


@pytest.mark.parametrize(
    ("before", "after"), [(None, "255"), ("nonsense", "255"), ("255", "254"), ("2", "1")]
)
def test_12_hops_are_counted_down_and_only_a_dead_letter_sink_sees_them(
    broker: Target, subscriber: Subscriber, letters: Subscriber, before: str | None, after: str
) -> None:
    subscriber.default = Reply(422)
    with broker.trigger(subscriber, letters) as kind:
        assert broker.send_event({"type": kind, **({"knativebrokerttl": before} if before else {})}) == 202
        letter = until(lambda: letters.received)[0]
    assert "ce-knativebrokerttl" not in subscriber.received[0].headers
    assert letter.headers["ce-knativebrokerttl"] == after


@pytest.mark.parametrize("hops", ["1", "0", "-5"])
def test_12_the_last_hop_is_refused(broker: Target, hops: str) -> None:
    assert broker.send(type="nobody", knativebrokerttl=hops) == 400


def test_18_an_event_that_nobody_wants_is_202(broker: Target) -> None:
    assert broker.send(type=broker.new_type()) == 202
