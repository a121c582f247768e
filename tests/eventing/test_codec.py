"""What is taken for an event and what is refused, by name."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from eventing.codec import Event, decode, encode
from eventing.event import ATTRIBUTE_BYTES_MAX, EXTENSIONS_MAX
from shared.domain.errors import Rejected

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
MEMBERS: Mapping[str, Any] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def faults(headers: Mapping[str, str], body: bytes = b"") -> dict[str, str]:
    with pytest.raises(Rejected) as refusal:
        decode(headers, body)
    return {fault.field: fault.message for fault in refusal.value.faults}


# ---- binary mode


def test_a_binary_event_is_read_attribute_by_attribute() -> None:
    headers = {
        "Ce-Specversion": "1.0",
        "CE-ID": "a b%20c",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-time": "2025-10-15T14:00:00.1234567+02:00",
        "ce-subject": "x",
        "ce-dataschema": "https://schema",
        "Ce-TenantId": "demo",
        "Content-Type": "application/json; charset=utf-8",
        "Authorization": "none of its business",
    }
    assert decode(headers, b"\x00 any \xff bytes") == Event(
        id="a b%20c",
        source="/s",
        type="t",
        time=datetime(2025, 10, 15, 12, 0, 0, 123456, tzinfo=UTC),
        subject="x",
        datacontenttype="application/json; charset=utf-8",
        dataschema="https://schema",
        extensions={"tenantid": "demo"},
        data=b"\x00 any \xff bytes",
    )


def test_a_missing_content_type_stays_missing() -> None:
    event = decode(BINARY, b"x")
    assert event.datacontenttype is None
    assert "content-type" not in encode(event)[0]


def test_an_empty_optional_attribute_is_an_absent_one() -> None:
    event = decode({**BINARY, "ce-subject": "", "ce-tenantid": "", "ce-dataschema": ""}, b"")
    assert (event.subject, event.dataschema, event.extensions) == (None, None, {})


def test_header_bytes_are_read_as_utf8() -> None:
    assert decode({**BINARY, "ce-id": "é€".encode().decode("latin-1")}, b"").id == "é€"
    assert decode({**BINARY, "ce-id": "€ decoded before"}, b"").id == "€ decoded before"


def test_every_fault_is_named_at_once() -> None:
    headers = {"ce-specversion": "1.1", "ce-source": " ", "ce-time": "yesterday", "ce-not_good": "x"}
    assert faults(headers) == {
        "id": "is missing",
        "source": "is empty (in a header, percent-encode what is not ASCII)",
        "type": "is missing",
        "specversion": "1.1 is not supported, send 1.0",
        "time": "yesterday is not an RFC 3339 time with an offset",
        "not_good": "is not a name of an attribute: letters a-z and digits only",
    }


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_a_required_attribute_cannot_be_missing_empty_or_blank(name: str) -> None:
    assert faults({k: v for k, v in BINARY.items() if k != f"ce-{name}"}) == {name: "is missing"}
    for value in ("", "  "):
        assert "is empty" in faults({**BINARY, f"ce-{name}": value})[name]


def test_version_0_3_is_read_and_stays_0_3() -> None:
    event = decode({**BINARY, "ce-specversion": "0.3", "ce-schemaurl": "https://schema"}, b"{}")
    assert event.specversion == "0.3"
    assert encode(event)[0]["ce-specversion"] == "0.3"
    assert encode(event)[0]["ce-schemaurl"] == "https://schema"


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("ce-id", "a\tb", "id"),
        ("ce-id", "a\x00b", "id"),
        ("ce-tenantid", "a\x85b", "tenantid"),
        ("ce-source", "x" * (ATTRIBUTE_BYTES_MAX + 1), "source"),
        ("ce-id", b"\xff\xfe".decode("latin-1"), "id"),
        ("ce-data", "x", "data"),
        ("ce-data_base64", "x", "data_base64"),
        ("ce-", "x", ""),
        ("ce-datacontenttype", "text/plain", "datacontenttype"),
        ("ce-time", "", "time"),
    ],
)
def test_an_attribute_that_cannot_be_kept_is_refused_by_name(name: str, value: str, field: str) -> None:
    assert list(faults({**BINARY, name: value})) == [field]


def test_more_extensions_than_a_server_takes_are_refused() -> None:
    many = {f"ce-x{n}": "v" for n in range(EXTENSIONS_MAX + 1)}
    assert faults({**BINARY, **many}) == {"extensions": f"are more than {EXTENSIONS_MAX}"}


@pytest.mark.parametrize(
    "time",
    [
        "2025-10-15",
        "2025-10-15T12:00:00",
        "2025-10-15 12:00:00Z",
        "2025-10-15T12:00:00z",
        "2025-10-15T12:00Z",
        "2025-10-15T12:00:00.Z",
        "2025-10-15T12:00:00+02",
        "2025-10-15T12:00:00+24:00",
        "2025-10-15T24:00:00Z",
        "2025-02-30T12:00:00Z",
        "2025-10-15T12:00:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:45",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٥-10-15T12:00:00Z",
        "1760529600",
    ],
)
def test_a_time_that_is_not_one_is_refused(time: str) -> None:
    assert list(faults({**BINARY, "ce-time": time})) == ["time"]


# ---- what is no event at all


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("application/json", "application/json without ce- headers is no event"),
        ("", "nothing without ce- headers"),
        ("text/html; charset=x", "text/html without"),
        ("application/cloudevents-batch+json", "batch mode is not supported"),
        ("APPLICATION/CloudEvents-Batch+JSON; charset=utf-8", "batch mode is not supported"),
        ("application/cloudevents", "application/cloudevents is not supported, send"),
        ("application/cloudevents+avro", "application/cloudevents+avro is not supported, send"),
        ("application/cloudevents+json; charset=utf-16", "the charset of JSON is UTF-8, not utf-16"),
    ],
)
def test_a_wrong_content_type_is_named(content_type: str, words: str) -> None:
    found = faults({"Content-Type": content_type}, json.dumps(MEMBERS).encode())
    assert words in found["content-type"]


def test_a_mode_is_never_guessed() -> None:
    assert "which is it?" in faults({**BINARY, **STRUCTURED}, json.dumps(MEMBERS).encode())["content-type"]
    assert decode({**STRUCTURED, "ce-extra": "forwarded"}, json.dumps(MEMBERS).encode()).extensions == {}
