"""The JSON event format: what is kept of it, verbatim, and what is refused, by name."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from eventing.codec import Event, decode
from eventing.event import ATTRIBUTE_BYTES_MAX
from shared.domain.errors import Rejected

STRUCTURED = {"content-type": "application/cloudevents+json"}
MEMBERS: Mapping[str, Any] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def structured(**members: Any) -> Event:
    return decode(STRUCTURED, json.dumps({**MEMBERS, **members}).encode())


def faults(body: bytes) -> dict[str, str]:
    with pytest.raises(Rejected) as refusal:
        decode(STRUCTURED, body)
    return {fault.field: fault.message for fault in refusal.value.faults}


def structured_faults(**members: Any) -> dict[str, str]:
    return faults(json.dumps({**MEMBERS, **members}).encode())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'{"id": "1"', "not a JSON object"),
        (b'{"id": NaN}', "not a JSON object"),
        (b'{"data": 01}', "not a JSON object"),
        (b'{"data": "\\ud800"}', "not a JSON object"),
        (b'\xef\xbb\xbf{"id": "1"}', "not a JSON object"),
        (b'{"id": "1", "data": "\xff"}', "not UTF-8 (byte 21)"),
        (b'{"data": "a\x00b"}', "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"data":' + b'{"a":' * 100_000 + b"}", "nested too deeply"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_body_that_is_no_json_object_is_a_named_fault(body: bytes, words: str) -> None:
    found = faults(body)
    assert list(found) == ["body"]
    assert words in found["body"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1.50, "b":12345678901234567890123, "c" : 1e400}',
        "1.50",
        "null",
        '"text"',
        '"\\u00e9"',
        "[1,\n 2]",
        "-0.0",
        "true",
    ],
)
def test_structured_json_data_stays_as_it_was_sent(text: str) -> None:
    envelope = f'{{"data" : {text} , "specversion":"1.0","id":"1","source":"/s","type":"t"}}'
    assert decode(STRUCTURED, envelope.encode()).data == text.encode()


def test_structured_data_that_is_not_json_is_the_content_of_the_string() -> None:
    assert structured(datacontenttype="text/xml", data='<a b="é"/>\n').data == '<a b="é"/>\n'.encode()
    assert structured(datacontenttype="application/x+json; a=b", data="é").data == b'"\\u00e9"'
    assert list(structured_faults(datacontenttype="text/plain", data={"a": 1})) == ["data"]


def test_data_base64_is_decoded_and_nothing_else_is() -> None:
    assert structured(data_base64="AP8=").data == b"\x00\xff"
    for bad in ("AP8", "A P8=", "?", 1, {"a": 1}, None):
        assert structured_faults(data_base64=bad) == {"data_base64": "is not a base64 string"}
    assert structured_faults(data_base64="AP8=", data=1) == {"data_base64": "comes together with data"}
    assert structured().data == b""


def test_extensions_become_text_as_brokers_send_it() -> None:
    event = structured(TenantId="demo", flag=True, number=-(2**31), ratio=1.5, nothing=None)
    assert event.extensions == {"tenantid": "demo", "flag": "true", "number": "-2147483648", "ratio": "1.5"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ext", {"a": 1}, "is neither text, a number nor a boolean"),
        ("ext", [1], "is neither text, a number nor a boolean"),
        ("ext", 2**31, "is an integer of more than 32 bits, send it as a string"),
        ("ext", -(2**31) - 1, "is an integer of more than 32 bits, send it as a string"),
        ("ext", 10**60, "is an integer of more than 32 bits, send it as a string"),
        ("bad_name", "x", "is not a name of an attribute: letters a-z and digits only"),
        ("Data", "x", "cannot be the name of an attribute"),
        ("ID", "2", "is given twice"),
        ("id", 1, "is not a string"),
        ("specversion", 1.0, "is not a string"),
        ("time", 1760529600, "is not a string"),
        ("subject", "a\nb", "has a control character or half a surrogate pair"),
        ("source", "a\x00b", "has a control character or half a surrogate pair"),
        ("type", "x" * 5000, f"is longer than {ATTRIBUTE_BYTES_MAX} bytes"),
        ("type", "é" * 2500, f"is longer than {ATTRIBUTE_BYTES_MAX} bytes"),
    ],
)
def test_a_structured_attribute_is_refused_by_name(name: str, value: Any, message: str) -> None:
    assert structured_faults(**{name: value}) == {name.lower(): message}


def test_of_a_member_given_twice_the_last_counts_as_in_the_brokers() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","\\u0069d":"2"}'
    assert decode(STRUCTURED, body).id == "2"


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_a_required_attribute_cannot_be_missing_empty_or_null(name: str) -> None:
    assert structured_faults(**{name: None}) == {name: "is missing"}
    for value in ("", "  "):
        assert "is empty" in structured_faults(**{name: value})[name]


def test_version_0_3_has_its_own_way_with_base64() -> None:
    old = structured(specversion="0.3", datacontentencoding="base64", data="eyJhIjoxfQ==")
    assert (old.data, old.extensions) == (b'{"a":1}', {})
    assert structured_faults(specversion="0.3", datacontentencoding="quoted", data="x") == {
        "data": "datacontentencoding can only be base64"
    }
