"""Bodies of several tenants, split into parts and payload texts."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.usage import decode, http_identity, split_http_body
from eventing.usage.http_body import HttpUsage, payload_bodies
from shared.domain.errors import Malformed, Rejected, TooLarge
from shared.domain.usage import DATA_BYTES_MAX, HTTP_BYTES_MAX, UsageRecord

NOW = datetime(2025, 10, 15, 13, 0, 0, tzinfo=UTC)
README = (
    '{"timestamp":"2025-10-15T12:00:00Z","tenant_id":"demo-tenant","service_name":"waiter",'
    '"revision":"waiter-00001","invocations":1,"duration_seconds":0.234,"memory_mb":64.5,'
    '"cold_start":false,"labels":{"method":"GET","status":"200"}}'
)


def split(body: str | bytes) -> HttpUsage:
    return split_http_body(body.encode() if isinstance(body, str) else body, received_at=NOW)


def refusal(body: str | bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        split(body)
    return caught.value


def record(tenant: str, service: str = "a", **more: Any) -> str:
    return json.dumps({"tenant_id": tenant, "service_name": service, **more}, separators=(",", ":"))


def read_again(bodies: Sequence[str]) -> list[UsageRecord]:
    """As a rebuild does: each payload by itself."""
    return [
        record
        for body in bodies
        for record in decode(body.encode(), recorded_at=NOW, received_at=NOW).records
    ]


def test_a_single_record_stays_as_it_was_sent() -> None:
    sent = split(f" \n{README}\t\r\n")
    assert sent.tenant_refs == ("demo-tenant",)
    usage, bodies = sent.part_of(["demo-tenant"])
    assert bodies == (README,)
    assert usage == decode(README.encode(), recorded_at=NOW, received_at=NOW)


@pytest.mark.parametrize("body", ["[%s, %s]", ' {"records" : [ %s,%s ] } '])
def test_a_list_and_an_envelope_become_one_payload_of_the_same_texts(body: str) -> None:
    spaced = '{ "tenant_id" : "demo-tenant","service_name":"\\u0077aiter" }'
    usage, bodies = split(body % (README, spaced)).part_of(["demo-tenant"])
    assert bodies == (f'{{"records":[{README},{spaced}]}}',)
    assert [record.service_name for record in usage.records] == ["waiter", "waiter"]
    assert usage == decode(bodies[0].encode(), recorded_at=NOW, received_at=NOW)


def test_records_are_shared_out_to_their_tenants_in_order() -> None:
    texts = [record("b", "1"), record("a", "2"), record("b", "3"), record("a", "4"), record("c", "5")]
    sent = split(f"[{','.join(texts)}]")
    assert sent.tenant_refs == ("b", "a", "c")
    assert sent.part_of(["b"]).bodies == (f'{{"records":[{texts[0]},{texts[2]}]}}',)
    assert sent.part_of(["c"]).bodies == (texts[4],)
    assert sent.part_of(["c"]).usage.tenant_refs == {"c"}


def test_two_names_of_one_tenant_make_one_part_in_the_order_sent() -> None:
    texts = [record("demo", "1"), record("other", "2"), record("demo-tenant", "3"), record("demo", "4")]
    usage, bodies = split(f"[{','.join(texts)}]").part_of(["demo-tenant", "demo"])
    assert bodies == (f'{{"records":[{texts[0]},{texts[2]},{texts[3]}]}}',)
    assert usage.tenant_refs == {"demo", "demo-tenant"}
    assert [record.service_name for record in usage.records] == ["1", "3", "4"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (record("a"), ["tenant_id"]),
        (f"[{record('b')},{record('a')},{record('a')}]", ["[1].tenant_id", "[2].tenant_id"]),
        (f'{{"records":[{record("b")},{record("a")}]}}', ["records[1].tenant_id"]),
    ],
)
def test_the_fields_that_name_a_tenant_can_be_pointed_at(body: str, fields: list[str]) -> None:
    assert list(split(body).tenant_fields("a")) == fields


FIRST, CHANGED = record("a", request_id="1"), record("a", "changed", request_id="1")


@pytest.mark.parametrize(
    ("body", "field", "fragment"),
    [
        ('{"service_name":"a"}', "tenant_id", "required"),
        ('{"service_name":"a","tenant_id":null}', "tenant_id", "not null"),
        ('[{"service_name":"a"}]', "[0].tenant_id", "required"),
        (f'[{record("a")},{{"service_name":"a"}}]', "[1].tenant_id", "required"),
        (f"[{record('a')},{record('a', invocations=-1)}]", "[1].invocations", "negative"),
        (f'{{"records":[{record("a", memory_mb="1")}]}}', "records[0].memory_mb", "quotes"),
        (record("a", color=1), "color", "not a field"),
        (record("a", labels={"x": "\0"}), "labels.x", "NUL"),
        (f"[{record('a', revision=chr(0))}]", "[0].revision", "NUL"),
        (f'{{"records":[{record("a")}],"tenant_id":"a"}}', "tenant_id", "beside records"),
        ("[]", "body", "at least one"),
        ('{"records":[]}', "records", "at least one"),
        ("[[]]", "[0]", "an object"),
        ("null", "body", "must be a record"),
        ("3", "body", "must be a record"),
        ('{"parts":[]}', "parts", "not accepted"),
        (f"[{FIRST},{record('b', request_id='1')},{CHANGED}]", "[2].request_id", "that of [0] too"),
        ('[{"tenant_id":1,"tenant_id":"a","service_name":"a"}]', "tenant_id", "twice"),
    ],
)
def test_a_bad_body_is_refused_by_the_path_as_sent(body: str, field: str, fragment: str) -> None:
    error = refusal(body)
    assert not isinstance(error, Malformed | TooLarge)
    [fault] = error.faults
    assert fault.field == field
    assert fragment in fault.message


@pytest.mark.parametrize(
    "body", [b"", b"[", b'[{"tenant_id":"\xff"}]', b"[" * 100_000, README.encode() + b","]
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    assert isinstance(refusal(body), Malformed)


def test_every_fault_is_reported_at_once() -> None:
    fields = [
        fault.field for fault in refusal('[{"invocations":-1},{"tenant_id":"a","service_name":""}]').faults
    ]
    assert fields == ["[0].invocations", "[0].service_name", "[0].tenant_id", "[1].service_name"]


def test_bodies_and_records_beyond_the_limits_are_too_large() -> None:
    text = record("a")
    assert len(split(f"[{','.join([text] * 50_000)}]").sent) == 50_000
    assert isinstance(refusal(f"[{','.join([text] * 50_001)}]"), TooLarge)
    assert isinstance(refusal(b" " * (HTTP_BYTES_MAX + 1)), TooLarge)
    assert split(text + " " * (HTTP_BYTES_MAX - len(text))).part_of(["a"]).bodies == (text,)


def test_a_record_that_fits_no_payload_is_too_large() -> None:
    def of_bytes(size: int) -> str:
        text = record("a")
        return text[:-1] + " " * (size - len(text)) + "}"

    largest, larger = of_bytes(DATA_BYTES_MAX), of_bytes(DATA_BYTES_MAX + 1)
    assert split(f"[{largest},{largest}]").part_of(["a"]).bodies == (largest, largest)
    error = refusal(f"[{record('a')},{larger}]")
    assert isinstance(error, TooLarge)
    assert error.faults[0].field == "[1]"
    assert isinstance(refusal(larger), TooLarge)


def test_a_part_is_cut_into_payloads_within_the_limits_of_an_event() -> None:
    texts = [record("a", str(n), labels={"x": "y" * (n % 200)}) for n in range(12_345)]
    usage, bodies = split(f"[{','.join(texts)}]").part_of(["a"])
    assert len(bodies) == 13
    assert read_again(bodies) == list(usage.records)


@given(st.lists(st.integers(2, DATA_BYTES_MAX), max_size=9).filter(bool))
def test_payloads_hold_every_text_once_in_order_and_fit(sizes: list[int]) -> None:
    texts = [b'"' + b"x" * (size - 2) + b'"' for size in sizes]
    bodies = list(payload_bodies(texts))
    assert all(len(body) <= DATA_BYTES_MAX for body in bodies)
    kept = [json.loads(body) for body in bodies]
    flat = [text for some in kept for text in (some["records"] if isinstance(some, dict) else [some])]
    assert flat == [json.loads(text) for text in texts]
    for body, following in itertools.pairwise(kept):
        first = following["records"][0] if isinstance(following, dict) else following
        merged = (body["records"] if isinstance(body, dict) else [body]) + [first]
        assert len(json.dumps({"records": merged}, separators=(",", ":"))) > DATA_BYTES_MAX


def test_a_repeated_request_is_counted_and_stored_once() -> None:
    first, other = record("a", request_id="1"), record("b", request_id="1")
    many = [record("a", str(n)) for n in range(1000)]
    usage, bodies = split(f"[{','.join([first, other, *many, first, first])}]").part_of(["a"])
    assert usage.duplicates == 2
    assert len(usage.records) == 1001
    assert read_again(bodies) == list(usage.records)


def test_a_request_hidden_behind_two_names_of_a_tenant_is_refused() -> None:
    sent = split(f"[{record('x')},{record('demo', request_id='1')},{record('demo-tenant', request_id='1')}]")
    with pytest.raises(Rejected, match=r"\[2\]\.request_id: is that of \[1\] too"):
        sent.part_of(["demo", "demo-tenant"])


def test_the_digest_is_that_of_the_records_whatever_else_came_along() -> None:
    mine, other = record("a", request_id="1"), record("b")
    alone = split(f"[{mine}]").part_of(["a"]).usage.digest
    assert split(mine).part_of(["a"]).usage.digest == alone
    assert split(f"[{other}, {mine}]").part_of(["a"]).usage.digest == alone
    assert split(f"[{mine},{mine}]").part_of(["a"]).usage.digest != alone


def test_a_part_is_known_by_its_key_else_its_request_else_its_bytes() -> None:
    body = record("a", request_id="r1").encode()
    request_id = split(body).request_id
    assert http_identity(body, idempotency_key="k1", request_id=request_id) == "key:k1"
    assert http_identity(body, idempotency_key=None, request_id=request_id) == "req:r1"
    in_list = b"[" + body + b"]"
    assert split(in_list).request_id is None
    expected = f"sha:{sha256(in_list).hexdigest()}"
    assert http_identity(in_list, idempotency_key=None, request_id=None) == expected
    assert split(record("a")).request_id is None


@pytest.mark.parametrize("key", ["", "x" * 257, "a\0", "a\nb"])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(Rejected, match="Idempotency-Key"):
        http_identity(b"", idempotency_key=key, request_id=None)
