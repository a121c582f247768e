from datetime import UTC, datetime

import pytest

from runtime.broker.message import admit, is_event, receive, receive_reply
from shared.domain.errors import Rejected

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "a%20b",
    "ce-source": "/s",
    "ce-type": "t",
    "ce-time": "2025-10-15T14:00:00.5+02:00",
    "ce-tenantid": "demo",
    "content-type": "application/json",
}


def test_7_attributes_are_texts_as_they_came() -> None:
    attributes = receive(HEADERS, b"").attributes
    assert attributes["id"] == "a%20b"
    assert attributes["tenantid"] == "demo"
    assert attributes["datacontenttype"] == "application/json"
    assert "subject" not in attributes


def test_8_time_is_in_utc() -> None:
    time = receive(HEADERS, b"").attributes["time"]
    assert time.endswith("Z")
    assert datetime.fromisoformat(time) == datetime(2025, 10, 15, 12, 0, 0, 500000, UTC)


def test_9_numbers_of_a_structured_event_keep_their_digits() -> None:
    body = (
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":1.50,"b":12345678901234567890}}'
    )
    message = receive({"content-type": "application/cloudevents+json"}, body)
    assert message.body == b'{"a":1.50,"b":12345678901234567890}'
    assert "datacontenttype" not in message.attributes


def test_11_the_time_of_arrival_replaces_what_a_producer_says() -> None:
    message = receive({**HEADERS, "ce-knativearrivaltime": "1999-01-01T00:00:00Z"}, b"")
    assert admit(message, NOW).attributes["knativearrivaltime"] == "2026-11-22T12:00:00.123456Z"


@pytest.mark.parametrize(
    ("before", "after"), [(None, "255"), ("nonsense", "255"), ("255", "254"), ("2", "1")]
)
def test_12_hops_are_counted_down(before: str | None, after: str) -> None:
    headers = HEADERS if before is None else {**HEADERS, "ce-knativebrokerttl": before}
    assert admit(receive(headers, b""), NOW).attributes["knativebrokerttl"] == after


@pytest.mark.parametrize("before", ["1", "0", "-5"])
def test_12_the_last_hop_is_refused(before: str) -> None:
    with pytest.raises(Rejected, match="knativebrokerttl"):
        admit(receive({**HEADERS, "ce-knativebrokerttl": before}, b""), NOW)


def test_13_few_headers_go_on() -> None:
    headers = {
        **HEADERS,
        "authorization": "Bearer x",
        "user-agent": "curl",
        "x-tenant": "y",
        "traceparent": "00-1-2-01",
        "kn-namespace": "other",
        "x-request-id": "r",
        "x-b3-traceid": "b3",
        "retry-after": "1",
        "knative-thing": "k",
    }
    kept = {"x-request-id", "x-b3-traceid", "retry-after", "knative-thing"}
    assert receive(headers, b"").headers.keys() == kept


def test_13_of_an_answer_fewer_headers_go_on() -> None:
    headers = {**HEADERS, "x-request-id": "r", "knative-x": "k", "retry-after": "1", "x-b3-traceid": "b3"}
    assert receive_reply(headers, b"").headers == {"x-request-id": "r", "knative-x": "k"}


@pytest.mark.parametrize(
    ("media_type", "body", "said"),
    [
        (None, b"{}", "text/plain; charset=utf-8"),
        (None, b"", None),
        ("application/json", b"{}", "application/json"),
    ],
)
def test_32_an_answer_that_does_not_say_what_it_is_becomes_text(
    media_type: str | None, body: bytes, said: str | None
) -> None:
    headers = {name: text for name, text in HEADERS.items() if name != "content-type"}
    if media_type is not None:
        headers["content-type"] = media_type
    assert receive_reply(headers, body).attributes.get("datacontenttype") == said


@pytest.mark.parametrize(
    ("media_type", "body", "end"),
    [
        ("application/json", b'{"a": 1.50}', b',"data":{"a": 1.50}}'),
        ("text/plain", "grüezi".encode(), ',"data":"grüezi"}'.encode()),
        ("application/json", b"", b'"datacontenttype":"application/json","tenantid":"demo"}'),
    ],
)
def test_10_in_one_piece_data_keeps_its_digits(media_type: str, body: bytes, end: bytes) -> None:
    assert receive({**HEADERS, "content-type": media_type}, body).structured().endswith(end)


@pytest.mark.parametrize(("media_type", "body"), [("application/json", b"{no"), ("text/plain", b"\xff")])
def test_10_data_that_is_not_what_it_says_cannot_be_sent_in_one_piece(media_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"malformed|decode"):
        receive({**HEADERS, "content-type": media_type}, body).structured()


@pytest.mark.parametrize("value", ["a\nb", "\x00"])
def test_6_a_control_character_is_refused(value: str) -> None:
    with pytest.raises(Rejected, match="control character"):
        receive({**HEADERS, "ce-tenant": value}, b"")


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ({"ce-specversion": "1.0"}, True),
        ({"content-type": "application/cloudevents+json; charset=utf-8"}, True),
        ({"content-type": "application/json"}, False),
        ({}, False),
    ],
)
def test_30_what_makes_an_answer_an_event(headers: dict[str, str], is_one: bool) -> None:
    assert is_event(headers) is is_one
