"""Whatever a broker brings is a letter, and says why."""

from base64 import b64encode
from collections.abc import Mapping

import pytest

from functions.dead_letter.letter import NO_ANSWER, read

EVENT = {
    "Ce-Specversion": "1.0",
    "Ce-Id": "1",
    "Ce-Source": "/s",
    "Ce-Type": "t",
    "Ce-Time": "2025-10-15T14:00:00+02:00",
    "Ce-Tenantid": "demo",
    "Ce-Knativebrokerttl": "254",
    "Content-Type": "application/json",
    "Authorization": "secret",
}
ERROR = {
    "Ce-Knativeerrordest": "http://billing-aggregator.billing.svc.cluster.local",
    "Ce-Knativeerrorcode": "422",
    "Ce-Knativeerrordata": b64encode('{"faults":1,"errors":["é"]}'.encode()).decode(),
}


def test_an_event_is_kept_with_its_attributes_and_the_answer_that_refused_it() -> None:
    letter = read({**EVENT, **ERROR}, b"\x00\xff any data")
    assert letter.data == b"\x00\xff any data"
    assert letter.attributes == {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "time": "2025-10-15T12:00:00Z",
        "datacontenttype": "application/json",
        "tenantid": "demo",
        "knativebrokerttl": "254",
    }
    assert letter.destination == "http://billing-aggregator.billing.svc.cluster.local"
    assert (letter.status, letter.answer) == ("422", '{"faults":1,"errors":["é"]}')
    assert letter.reason == f"422 from {letter.destination}: {letter.answer}"
    assert letter.type == "t"


def test_without_the_brokers_three_attributes_it_says_that_there_was_no_answer() -> None:
    letter = read(EVENT, b"")
    assert (letter.reason, letter.destination, letter.status, letter.answer) == (NO_ANSWER, "", "", "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"Ce-Knativeerrorcode": "503"}, "503 from an unnamed destination"),
        ({"Ce-Knativeerrordest": "http://room"}, "no status from http://room"),
        ({"Ce-Knativeerrordest": "http://room", "Ce-Knativeerrordata": ""}, "no status from http://room"),
        ({**ERROR, "Ce-Knativeerrordata": "not base64!"}, "422 from {dest}: not base64!"),
        ({**ERROR, "Ce-Knativeerrordata": "/w=="}, "422 from {dest}: \ufffd"),
    ],
)
def test_the_reason_says_what_is_known(error: Mapping[str, str], reason: str) -> None:
    assert read({**EVENT, **error}, b"").reason == reason.format(dest=ERROR["Ce-Knativeerrordest"])


@pytest.mark.parametrize(
    ("headers", "body", "attributes", "words"),
    [
        ({}, b"", {}, "nothing without ce- headers is no event"),
        ({"Ce-Id": "1", **ERROR}, b"x", {"id": "1"}, "source: is missing"),
        (
            {"Content-Type": "application/cloudevents+json", **ERROR},
            b"{" * 100_000,
            {"datacontenttype": "application/cloudevents+json"},
            "body: is not a JSON object",
        ),
        (
            {"Content-Type": "application/cloudevents-batch+json"},
            b"[]",
            {"datacontenttype": "application/cloudevents-batch+json"},
            "batch mode is not supported",
        ),
        ({**EVENT, "Ce-Time": "never"}, b"", None, "time: never is not an RFC 3339 time"),
        ({**EVENT, "Ce-Subject": "\xff"}, b"", None, "subject: is not UTF-8"),
    ],
    ids=str,
)
def test_what_cannot_be_read_as_an_event_is_kept_as_it_came(
    headers: Mapping[str, str], body: bytes, attributes: Mapping[str, str] | None, words: str
) -> None:
    letter = read(headers, body)
    assert letter.data == body
    assert "; not a readable event: " in letter.reason
    assert words in letter.reason
    assert letter.destination == headers.get("Ce-Knativeerrordest", "")
    if attributes is not None:
        assert letter.attributes == attributes


def test_a_structured_letter_is_kept_like_a_binary_one() -> None:
    body = (
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","knativeerrorcode":"500","data":{"n":1.50}}'
    )
    letter = read({"Content-Type": "application/cloudevents+json"}, body)
    assert (letter.status, letter.data) == ("500", b'{"n":1.50}')
