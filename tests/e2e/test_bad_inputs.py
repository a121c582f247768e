"""Every bad input gets its status with the field named, and leaves nothing behind."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.product import Answer, Product

RECORDED = "dev.faasbilling.usage.recorded.v1"
GOOD: Mapping[str, Any] = {
    "timestamp": "2025-10-15T12:00:00Z",
    "tenant_id": "bad-inputs",
    "service_name": "waiter",
    "revision": "waiter-00001",
    "duration_seconds": 0.234,
    "memory_mb": 64.5,
}
NESTED = b"[" * 100_000 + b"]" * 100_000
STORES = ("usage_inbox", "payload", "usage_delta", "usage_aggregate")


def record(**changes: Any) -> bytes:
    """The good record with some fields changed, or left out where None."""
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return json.dumps(fields).encode()


def literal(name: str, text: bytes) -> bytes:
    """The good record with a field whose JSON text is given."""
    return record(**{name: "@"}).replace(b'"@"', text)


def repeated_request(**changes: Any) -> bytes:
    first = json.loads(record(request_id="r-1"))
    return json.dumps([first, {**first, **changes}]).encode()


BAD_RECORDS: Mapping[str, tuple[bytes, str]] = {
    "no service": (record(service_name=None), "service_name"),
    "empty service": (record(service_name=""), "service_name"),
    "service of another type": (record(service_name=7), "service_name"),
    "endless service": (record(service_name="w" * 257), "service_name"),
    "NUL in a name": (record(service_name="wai\x00ter"), "service_name"),
    "null service": (literal("service_name", b"null"), "service_name"),
    "unknown field": (record(durations=1), "durations"),
    "naive timestamp": (record(timestamp="2025-10-15T12:00:00"), "timestamp"),
    "timestamp that is none": (record(timestamp="yesterday"), "timestamp"),
    "timestamp as a number": (record(timestamp=1760529600), "timestamp"),
    "no such day": (record(timestamp="2025-02-30T12:00:00Z"), "timestamp"),
    "future timestamp": (
        record(timestamp=(datetime.now(UTC) + timedelta(hours=1)).isoformat()),  # noqa: TID251
        "timestamp",
    ),
    "timestamp of another age": (record(timestamp="0001-01-01T00:00:00Z"), "timestamp"),
    "negative duration": (record(duration_seconds=-0.1), "duration_seconds"),
    "duration as text": (record(duration_seconds="0.234"), "duration_seconds"),
    "eight days": (record(duration_seconds=691_200), "duration_seconds"),
    "absurd exponent": (literal("duration_seconds", b"1e999999999"), "duration_seconds"),
    "two durations": (record(duration_ns=5), "duration_ns"),
    "fraction of a nanosecond": (record(duration_seconds=None, duration_ns=1.5), "duration_ns"),
    "negative memory": (record(memory_mb=-1), "memory_mb"),
    "absurd memory": (record(memory_mb=1_048_577), "memory_mb"),
    "negative invocations": (record(invocations=-1), "invocations"),
    "half an invocation": (record(invocations=1.5), "invocations"),
    "invocations as a boolean": (record(invocations=True), "invocations"),
    "too many invocations": (record(invocations=10**9 + 1), "invocations"),
    "more errors than invocations": (record(errors=2), "errors"),
    "cold start as text": (record(cold_start="false"), "cold_start"),
    "negative egress": (record(egress_bytes=-5), "egress_bytes"),
    "labels that are a list": (record(labels=["GET"]), "labels"),
    "a label that is a number": (record(labels={"status": 200}), "labels"),
    "too many labels": (record(labels={f"l{n}": "v" for n in range(65)}), "labels"),
    "durations that do not add up": (
        record(invocations=2, duration_seconds=None, duration_ns=5, durations_ns=[1, 2]),
        "durations_ns",
    ),
    "capacity without a start": (record(provisioned_seconds=60), "started_at"),
    "one request of two contents": (repeated_request(duration_seconds=9), "request_id"),
    "no records": (b'{"records": []}', "records"),
    "a second bad record": (b"[" + record() + b"," + record(memory_mb="64") + b"]", "[1].memory_mb"),
}
BAD_JSON: Mapping[str, bytes] = {
    "empty body": b"",
    "cut short": record()[:-1],
    "NaN": literal("duration_seconds", b"NaN"),
    "infinity": literal("duration_seconds", b"-Infinity"),
    "broken UTF-8": literal("service_name", b'"\xff\xfe"'),
    "NUL byte": literal("service_name", b'"a\x00b"'),
    "not JSON": b"timestamp=now",
    "nested too deep": literal("labels", NESTED),
}
UNKNOWN_TENANT = record(tenant_id="nobody")


def stored(product: Product) -> list[tuple[Any, ...]]:
    return product.rows("SELECT " + ", ".join(f"(SELECT count(*) FROM {store})" for store in STORES))


@pytest.fixture(scope="module", autouse=True)
def tenant(product: Product) -> str:
    return product.tenant("bad-inputs")


@pytest.fixture
def nothing_left(product: Product) -> Iterator[None]:
    """What the test sends leaves no inbox, payload, delta or window row."""
    product.settle_usage()
    before = stored(product)
    yield
    product.settle_usage()
    assert stored(product) == before


def send(product: Product, data: bytes, id: str, source: str = "/bad") -> Answer:
    return product.send_event(data, {"id": id, "source": source, "type": RECORDED, "tenantid": "bad-inputs"})


def assert_problem(answer: Answer, status: int, named: str = "") -> None:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    if named:
        assert any(named in error["field"] for error in answer.json["errors"]), answer.json


def test_the_table_is_as_long_as_promised() -> None:
    assert len(BAD_RECORDS) + len(BAD_JSON) + len(BROKER_REFUSES) + len(HTTP_ONLY) >= 40


@pytest.mark.usefixtures("nothing_left")
def test_over_http_each_bad_record_is_a_422_that_names_the_field(product: Product) -> None:
    for name, (body, named) in {**BAD_RECORDS, "unknown tenant": (UNKNOWN_TENANT, "tenant_id")}.items():
        answer = product.api("POST", "/metrics/ingest", body)
        assert answer.status == 422, (name, answer)
        assert_problem(answer, 422, named)


@pytest.mark.usefixtures("nothing_left")
def test_over_http_each_body_that_is_not_json_is_a_400(product: Product) -> None:
    for name, body in BAD_JSON.items():
        answer = product.api("POST", "/metrics/ingest", body)
        assert answer.status == 400, (name, answer)
        assert_problem(answer, 400)


HTTP_ONLY: Mapping[str, tuple[bytes, Mapping[str, str], int]] = {
    "17 MiB": (b"[" + b" " * (17 * 2**20) + b"]", {}, 413),
    "text": (record(), {"Content-Type": "text/plain"}, 415),
    "no content type": (record(), {"Content-Type": ""}, 415),
    "no key": (record(), {"Authorization": ""}, 401),
    "another key": (record(), {"Authorization": "Bearer guess"}, 401),
    "no tenant": (record(tenant_id=None), {}, 422),
    "endless idempotency key": (record(), {"Idempotency-Key": "k" * 300}, 422),
}


@pytest.mark.usefixtures("nothing_left")
def test_over_http_each_bad_request_gets_its_status(product: Product) -> None:
    for name, (body, headers, status) in HTTP_ONLY.items():
        answer = product.api("POST", "/metrics/ingest", body, headers=headers)
        assert answer.status == status, (name, answer)
        assert_problem(answer, status)


def test_over_http_equal_requests_count_once_and_a_key_used_for_other_content_is_refused(
    product: Product,
) -> None:
    answer = product.api("POST", "/metrics/ingest", repeated_request())
    assert (answer.status, answer.json) == (202, {"accepted": 1, "duplicate": 1})

    key = {"Idempotency-Key": "k-1"}
    assert product.api("POST", "/metrics/ingest", record(), headers=key).json["accepted"] == 1
    assert product.api("POST", "/metrics/ingest", record(), headers=key).json["duplicate"] == 1
    assert_problem(product.api("POST", "/metrics/ingest", record(memory_mb=1), headers=key), 422)


@pytest.mark.usefixtures("nothing_left")
def test_what_the_broker_accepts_and_the_function_refuses_is_in_the_dead_letters(product: Product) -> None:
    inputs = {
        **{
            f"record: {name}": (body if body[:1] == b"{" else b'{"records":' + body + b"}", named, "422")
            for name, (body, named) in BAD_RECORDS.items()
        },
        **{f"json: {name}": (body, "data", "422") for name, body in BAD_JSON.items()},
        "another tenant in the record": (record(tenant_id="demo"), "tenant_id", "422"),
        "5 MB": (b'{"records": [' + b" " * 5_000_000 + b"]}", "", "413"),
        "too many records": (b'{"records":[' + b",".join([b"{}"] * 1001) + b"]}", "records", "413"),
    }
    for name, (body, _, _) in inputs.items():
        answer = send(product, body, name)
        assert (answer.status, answer.body) == (202, b""), (name, answer)
    sent = {
        "unknown tenant": {"tenantid": "nobody"},
        "no tenant": {},
    }
    for name, extensions in sent.items():
        answer = product.send_event(
            record(tenant_id=None), {"id": name, "source": "/bad", "type": RECORDED, **extensions}
        )
        assert answer.status == 202, (name, answer)
        inputs[name] = (b"", "tenantid", "422")
    product.send_raw(
        record(tenant_id=None),
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "ce-id": "form",
            "ce-source": "/bad",
            "ce-specversion": "1.0",
            "ce-type": RECORDED,
            "ce-tenantid": "bad-inputs",
        },
    )
    inputs["form"] = (b"", "datacontenttype", "422")
    product.settle()

    letters = {
        kept.letter.attributes["id"]: kept.letter
        for kept in product.dead_letters()
        if kept.letter.attributes["source"] == "/bad"
    }
    assert set(letters) == set(inputs)
    for name, (body, named, status) in inputs.items():
        letter = letters[name]
        assert letter.status == status, (name, letter.reason)
        assert named.rpartition(".")[2].strip("[]1") in letter.reason, (name, letter.reason)
        assert body in (b"", letter.data), name


def test_an_id_used_before_for_other_records_goes_to_the_dead_letters(product: Product) -> None:
    send(product, record(), "reused", source="/reuse")
    product.settle()
    before = stored(product)[0][:2]
    send(product, record(memory_mb=1), "reused", source="/reuse")
    product.settle()
    (letter,) = (k.letter for k in product.dead_letters() if k.letter.attributes["source"] == "/reuse")
    assert letter.status == "422"
    assert "used before" in letter.reason
    assert stored(product)[0][:2] == before


BROKER_REFUSES: Mapping[str, Mapping[str, str]] = {
    "no id": {"ce-specversion": "1.0", "ce-source": "/b", "ce-type": RECORDED},
    "empty id": {"ce-id": "", "ce-specversion": "1.0", "ce-source": "/b", "ce-type": RECORDED},
    "no source": {"ce-id": "1", "ce-specversion": "1.0", "ce-type": RECORDED},
    "empty source": {"ce-id": "1", "ce-source": "", "ce-specversion": "1.0", "ce-type": RECORDED},
    "no type": {"ce-id": "1", "ce-source": "/b", "ce-specversion": "1.0"},
    "no specversion": {"ce-id": "1", "ce-source": "/b", "ce-type": RECORDED},
    "specversion 9": {"ce-id": "1", "ce-source": "/b", "ce-type": RECORDED, "ce-specversion": "9.0"},
    "bad time": {
        "ce-id": "1",
        "ce-source": "/b",
        "ce-type": RECORDED,
        "ce-specversion": "1.0",
        "ce-time": "noon",
    },
    "bad extension name": {
        "ce-id": "1",
        "ce-source": "/b",
        "ce-type": RECORDED,
        "ce-specversion": "1.0",
        "ce-tenant_id": "demo",
    },
    "plain JSON": {"Content-Type": "application/json"},
    "batch mode": {"Content-Type": "application/cloudevents-batch+json"},
    "no content type": {},
}


@pytest.mark.usefixtures("nothing_left")
def test_the_broker_refuses_what_is_no_event(product: Product) -> None:
    for name, headers in BROKER_REFUSES.items():
        body = b"[]" if name == "batch mode" else record()
        answer = product.send_raw(body, headers)
        assert (answer.status, answer.body) == (400, b""), (name, answer)


STRUCTURED: Mapping[str, bytes] = {
    "cut short": b'{"specversion":"1.0","id":"1"',
    "not an object": b"[]",
    "an extension that is an object": json.dumps(
        {"specversion": "1.0", "id": "1", "source": "/b", "type": RECORDED, "tenantid": {"slug": "demo"}}
    ).encode(),
    "an id that is a number": json.dumps(
        {"specversion": "1.0", "id": 1, "source": "/b", "type": RECORDED}
    ).encode(),
    "no attributes": b'{"data":{}}',
    "nested too deep": b'{"specversion":"1.0","id":"1","source":"/b","type":"t","data":' + NESTED,
    "broken UTF-8": b'{"specversion":"1.0","id":"\xff","source":"/b","type":"t"}',
}


@pytest.mark.usefixtures("nothing_left")
def test_the_broker_refuses_structured_events_that_are_none(product: Product) -> None:
    for name, body in STRUCTURED.items():
        answer = product.send_raw(body, {"Content-Type": "application/cloudevents+json"})
        assert (answer.status, answer.body) == (400, b""), (name, answer)
