"""What is refused, where and why."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from eventing.usage import decode
from shared.domain.errors import Malformed, Rejected, TooLarge
from shared.domain.usage import DATA_BYTES_MAX

NOW = datetime(2025, 10, 15, 13, 0, 0, tzinfo=UTC)
TIME = '"timestamp":"2025-10-15T12:00:00Z"'
NAMED = f'"service_name":"waiter",{TIME}'
LONG = "x" * 257


def refusal(data: str | bytes, *, recorded_at: datetime = NOW) -> Rejected:
    text = data.encode() if isinstance(data, str) else data
    with pytest.raises(Rejected) as caught:
        decode(text, recorded_at=recorded_at, received_at=NOW)
    return caught.value


MEMBERS = [
    ('"invocations":-1', "invocations", "negative"),
    ('"invocations":1.0', "invocations", "whole number"),
    ('"invocations":1e3', "invocations", "whole number"),
    ('"invocations":"1"', "invocations", "whole number"),
    ('"invocations":true', "invocations", "whole number"),
    ('"invocations":null', "invocations", "whole number"),
    ('"invocations":1000000001', "invocations", "at most 1000000000"),
    (f'"invocations":{"9" * 100}', "invocations", "at most 1000000000"),
    (f'"invocations":{"9" * 5000}', "data", "4,300 digits"),
    ('"duration_seconds":"0.234"', "duration_seconds", "without quotes"),
    ('"duration_seconds":null', "duration_seconds", "not null"),
    ('"duration_seconds":true', "duration_seconds", "a number"),
    ('"duration_seconds":[1]', "duration_seconds", "a number"),
    ('"duration_seconds":{}', "duration_seconds", "a number"),
    ('"duration_seconds":-0.001', "duration_seconds", "negative"),
    ('"duration_seconds":-0.0000000000001', "duration_seconds", "negative"),
    ('"duration_seconds":-1', "duration_seconds", "negative"),
    ('"duration_seconds":604800.000000001', "duration_seconds", "7 days per invocation"),
    ('"duration_seconds":604801', "duration_seconds", "7 days per invocation"),
    ('"duration_seconds":1e999999999', "duration_seconds", "out of range"),
    ('"duration_seconds":1e99999999999999999999', "duration_seconds", "out of range"),
    ('"duration_seconds":-1e999999999', "duration_seconds", "out of range"),
    ('"duration_seconds":1e-999999999', "duration_seconds", "1000 digits"),
    ('"duration_seconds":0e999999999', "duration_seconds", "1000 digits"),
    (f'"duration_seconds":0.{"1" * 1001}', "duration_seconds", "1000 digits"),
    ('"duration_seconds":1,"duration_ns":1000000000', "duration_ns", "one of the two"),
    ('"duration_ns":1.0', "duration_ns", "whole number"),
    ('"duration_ns":-1', "duration_ns", "negative"),
    ('"duration_ns":604800000000001', "duration_ns", "7 days per invocation"),
    ('"invocations":2,"duration_ns":1209600000000001', "duration_ns", "7 days per invocation"),
    ('"invocations":0,"duration_ns":1', "duration_ns", "must be 0"),
    ('"invocations":0,"duration_seconds":0.1', "duration_seconds", "must be 0"),
    ('"invocations":0,"errors":1', "errors", "at most invocations, 0"),
    ('"invocations":0,"cold_starts":1', "cold_starts", "at most invocations, 0"),
    ('"invocations":0,"cold_start":true', "cold_start", "must be false"),
    ('"memory_mb":"64"', "memory_mb", "without quotes"),
    ('"memory_mb":false', "memory_mb", "a number"),
    ('"memory_mb":-1', "memory_mb", "negative"),
    ('"memory_mb":-1e-30', "memory_mb", "negative"),
    ('"memory_mb":1048576.0000001', "memory_mb", "1048576 MiB"),
    ('"memory_mb":1048577', "memory_mb", "1048576 MiB"),
    ('"memory_mb":1e999999999', "memory_mb", "out of range"),
    ('"cold_start":1', "cold_start", "true or false"),
    ('"cold_start":"false"', "cold_start", "true or false"),
    ('"cold_start":null', "cold_start", "true or false"),
    ('"cold_start":true,"cold_starts":0', "cold_starts", "contradicts"),
    ('"cold_start":false,"cold_starts":1', "cold_starts", "contradicts"),
    ('"cold_starts":2', "cold_starts", "at most invocations, 1"),
    ('"cold_starts":1.5', "cold_starts", "whole number"),
    ('"errors":2', "errors", "at most invocations, 1"),
    ('"errors":-1', "errors", "negative"),
    ('"labels":[]', "labels", "an object"),
    ('"labels":null', "labels", "an object"),
    ('"labels":{"status":200}', "labels.status", "text"),
    ('"labels":{"status":null}', "labels.status", "not null"),
    ('"labels":{"":"x"}', "labels.''", "name must not be empty"),
    (f'"labels":{{"a":"{LONG}"}}', "labels.a", "256 characters"),
    (f'"labels":{{"{LONG}":"a"}}', f"labels.'{'x' * 64}'", "name must have at most 256"),
    ('"labels":{"a":"b\\u0000"}', "labels.a", "NUL"),
    ('"labels":{"a\\u0000":"b"}', "labels.'a\\x00'", "NUL"),
    (f'"labels":{json.dumps({str(n): "" for n in range(65)})}', "labels", "at most 64"),
    ('"namespace":""', "namespace", "empty"),
    ('"revision":7', "revision", "text"),
    ('"revision":null', "revision", "not null"),
    (f'"request_id":"{LONG}"', "request_id", "256 characters"),
    ('"request_id":"\\u0000"', "request_id", "NUL"),
    ('"tenant_id":""', "tenant_id", "empty"),
    ('"cpu_seconds":-1', "cpu_seconds", "negative"),
    ('"cpu_seconds":9223372036.854775808', "cpu_seconds", "at most 9223372036"),
    ('"cpu_seconds":"1"', "cpu_seconds", "without quotes"),
    ('"egress_bytes":9223372036854775808', "egress_bytes", "at most 9223372036854775807"),
    ('"egress_bytes":-1', "egress_bytes", "negative"),
    ('"egress_bytes":1.5', "egress_bytes", "whole number"),
    ('"durations_ns":5', "durations_ns", "a list"),
    ('"durations_ns":[]', "durations_ns", "0 entries, but invocations is 1"),
    ('"durations_ns":[1,2]', "durations_ns", "2 entries, but invocations is 1"),
    ('"invocations":2,"durations_ns":[1,"2"]', "durations_ns[1]", "whole number"),
    ('"invocations":2,"durations_ns":[1,-2]', "durations_ns[1]", "negative"),
    ('"durations_ns":[604800000000001]', "durations_ns[0]", "at most 604800000000000"),
    ('"durations_ns":[5],"duration_ns":6', "durations_ns", "sum to duration_ns"),
    ('"durations_ns":[5],"duration_seconds":0.000000006', "durations_ns", "sum to duration_seconds"),
    ('"quantities":{"tokens":12}', "quantities.tokens", "in quotes"),
    ('"quantities":{"tokens":"-1"}', "quantities.tokens", "decimal number"),
    ('"quantities":{"tokens":"1e3"}', "quantities.tokens", "decimal number"),
    ('"quantities":{"tokens":"NaN"}', "quantities.tokens", "decimal number"),
    ('"quantities":{"tokens":"1\\n"}', "quantities.tokens", "decimal number"),
    ('"quantities":{"tokens":"٣"}', "quantities.tokens", "decimal number"),
    ('"quantities":[]', "quantities", "an object"),
    ('"started_at":"2025-10-15T11:00:00Z"', "provisioned_seconds", "required beside started_at"),
    ('"provisioned_seconds":60', "started_at", "required beside provisioned_seconds"),
    ('"started_at":"yesterday","provisioned_seconds":60', "started_at", "RFC 3339"),
    ('"started_at":"2025-10-15T13:05:01Z","provisioned_seconds":0', "started_at", "5 minutes ahead"),
    ('"started_at":"2025-10-15T13:00:00Z","provisioned_seconds":301', "provisioned_seconds", "reaches"),
    ('"started_at":"2025-10-01T00:00:00Z","provisioned_seconds":604801', "provisioned_seconds", "7 days"),
    ('"memory":1', "memory", "not a field"),
    ('"Invocations":1', "Invocations", "not a field"),
    ('"a\\u0000b":1', "'a\\x00b'", "not a field"),
    ('"unit":{"deep":[1]}', "unit", "not a field"),
]


@pytest.mark.parametrize(("member", "field", "fragment"), MEMBERS, ids=lambda value: str(value)[:60])
def test_a_bad_member_is_refused_by_its_path(member: str, field: str, fragment: str) -> None:
    faults = refusal(f"{{{NAMED},{member}}}").faults
    assert [fault.field for fault in faults] == [field]
    assert fragment in faults[0].message

    if field == "data":
        return
    faults = refusal(f'{{"records":[{{{NAMED}}},{{{NAMED},{member}}}]}}').faults
    assert [fault.field for fault in faults] == [f"records[1].{field}"]
    assert fragment in faults[0].message


@pytest.mark.parametrize(
    ("timestamp", "fragment"),
    [
        ('"2025-10-15T12:00:00"', "no offset"),
        ('"2025-10-15t12:00:00.5"', "no offset"),
        ('"2025-10-15"', "RFC 3339"),
        ('"2025-10-15 12:00:00Z"', "RFC 3339"),
        ('"20251015T120000Z"', "RFC 3339"),
        ('"2025-W42-3T12:00:00Z"', "RFC 3339"),
        ('"2025-10-15T12:00Z"', "RFC 3339"),
        ('"2025-10-15T12:00:00,5Z"', "RFC 3339"),
        ('"2025-10-15T12:00:00.Z"', "RFC 3339"),
        ('"2025-10-15T12:00:00+0200"', "RFC 3339"),
        ('"2025-10-15T12:00:00+02"', "RFC 3339"),
        ('"2025-10-15T12:00:00+02:00:00"', "RFC 3339"),
        ('"2025-10-15T12:00:00+05:99"', "RFC 3339"),
        ('"2025-10-15T12:00:00+24:00"', "RFC 3339"),
        ('"2025-10-15T24:00:00Z"', "RFC 3339"),
        ('"2025-10-15T12:00:61Z"', "RFC 3339"),
        ('"2025-10-15T12:60:00Z"', "RFC 3339"),
        ('"２０２５-10-15T12:00:00Z"', "RFC 3339"),
        ('"2025-10-15T12:00:00Z\\n"', "RFC 3339"),
        ('""', "RFC 3339"),
        ('"now"', "RFC 3339"),
        ("1760529600", "RFC 3339"),
        ("null", "RFC 3339"),
        ('"2025-02-29T12:00:00Z"', "calendar"),
        ('"2025-13-01T12:00:00Z"', "calendar"),
        ('"2025-10-00T12:00:00.1Z"', "calendar"),
        ('"0000-10-10T12:00:00Z"', "calendar"),
        ('"0001-01-01T00:00:00Z"', "before the year 2000"),
        ('"1999-12-31T23:59:59.999999Z"', "before the year 2000"),
        ('"2000-01-01T00:00:00+00:01"', "before the year 2000"),
        ('"0001-01-01T00:00:00+05:00"', "out of range"),
        ('"9999-12-31T23:59:59-05:00"', "out of range"),
        ('"2025-10-15T12:00:00+16:00"', "must be an RFC 3339 time"),
        ('"9999-12-31T23:59:59Z"', "5 minutes ahead"),
        ('"2025-10-15T13:05:00.000001Z"', "5 minutes ahead"),
        ('"2025-10-15T13:06:00Z"', "5 minutes ahead"),
    ],
)
def test_a_bad_timestamp_is_refused(timestamp: str, fragment: str) -> None:
    [fault] = refusal(f'{{"service_name":"waiter","timestamp":{timestamp}}}').faults
    assert fault.field == "timestamp"
    assert fragment in fault.message


@pytest.mark.parametrize(
    ("data", "field", "fragment"),
    [
        ("{}", "service_name", "required"),
        (f"{{{TIME}}}", "service_name", "required"),
        (f'{{{TIME},"service_name":""}}', "service_name", "empty"),
        (f'{{{TIME},"service_name":null}}', "service_name", "not null"),
        (f'{{{TIME},"service_name":["waiter"]}}', "service_name", "text"),
        (f'{{{TIME},"service_name":"{LONG}"}}', "service_name", "256 characters"),
        (f'{{{TIME},"service_name":"a\\u0000b"}}', "service_name", "NUL"),
        ("null", "data", "an object"),
        ("7", "data", "an object"),
        ('"text"', "data", "an object"),
        (f"[{{{NAMED}}}]", "data", "an object"),
        ('{"records":[]}', "records", "at least one"),
        ('{"records":{}}', "records", "a list"),
        ('{"records":null}', "records", "a list"),
        ('{"records":[7]}', "records[0]", "an object"),
        ('{"records":[[]]}', "records[0]", "an object"),
        (f'{{"records":[{{{NAMED}}}],"tenant_id":"demo"}}', "tenant_id", "no place beside records"),
        (f'{{"records":[{{"records":[{{{NAMED}}}],{NAMED}}}]}}', "records[0].records", "not a field"),
        ('{"parts":[]}', "parts", "not accepted yet"),
        (f'{{"parts":[{{"source":"s","id":"i","records":[{{{NAMED}}}]}}]}}', "parts", "not accepted yet"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_body_of_another_shape_is_refused(data: str, field: str, fragment: str) -> None:
    [fault] = refusal(data).faults
    assert fault.field == field
    assert fragment in fault.message


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (b"", "not JSON"),
        (b" \n", "not JSON"),
        (b"{", "not JSON"),
        (b"nul", "not JSON"),
        (f"{{{NAMED}}}x".encode(), "not JSON"),
        (f"{{{NAMED},}}".encode(), "not JSON"),
        (f"\ufeff{{{NAMED}}}".encode(), "not JSON"),
        (f"{{{NAMED}}}".encode("utf-16"), "not JSON"),
        (f'{{{NAMED},"duration_seconds":NaN}}'.encode(), "not JSON"),
        (f'{{{NAMED},"duration_seconds":Infinity}}'.encode(), "not JSON"),
        (f'{{{NAMED},"duration_seconds":-Infinity}}'.encode(), "not JSON"),
        (f'{{{NAMED},"duration_seconds":.5}}'.encode(), "not JSON"),
        (f'{{{NAMED},"duration_seconds":01}}'.encode(), "not JSON"),
        (f'{{{NAMED},"duration_seconds":0x10}}'.encode(), "not JSON"),
        (f'{{{NAMED},"revision":"a\x00"}}'.encode(), "not JSON"),
        (f'{{{NAMED},"revision":"a\nb"}}'.encode(), "not JSON"),
        (f'{{{NAMED},"revision":"\\ud800"}}'.encode(), "not JSON"),
        (f'{{{NAMED},"revision":"\\udc00\\ud800"}}'.encode(), "not JSON"),
        (f'{{{NAMED},"revision":"'.encode() + b'\xff"}', "not UTF-8: byte 72"),
        (f'{{{NAMED},"revision":"'.encode() + b'\xed\xa0\x80"}', "not UTF-8: byte 72"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (f'{{{NAMED},"labels":'.encode() + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, "nested too deeply"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_not_json_in_utf8_is_malformed(data: bytes, fragment: str) -> None:
    error = refusal(data)
    assert isinstance(error, Malformed)
    [fault] = error.faults
    assert fault.field == "data"
    assert fragment in fault.message


def test_a_name_given_twice_cannot_hide_a_bad_value() -> None:
    [fault] = refusal(f'{{{NAMED},"invocations":"x","invocations":1}}').faults
    assert fault.field == "invocations"
    assert "twice" in fault.message


def test_data_of_768_kib_is_read_and_one_byte_more_is_too_large() -> None:
    record = f"{{{NAMED}}}"
    fits = record + " " * (DATA_BYTES_MAX - len(record))
    assert len(decode(fits.encode(), recorded_at=NOW, received_at=NOW).records) == 1
    assert isinstance(refusal(fits + " "), TooLarge)
    assert isinstance(refusal(b"[" * 5_000_000), TooLarge)


def test_a_thousand_records_are_read_and_one_more_is_too_many() -> None:
    record = f"{{{NAMED}}}"
    fits = f'{{"records":[{",".join([record] * 1000)}]}}'
    assert len(decode(fits.encode(), recorded_at=NOW, received_at=NOW).records) == 1000
    for last in (record, '{"invocations":-1}', "7"):
        error = refusal(f'{{"records":[{",".join([record] * 1000)},{last}]}}')
        assert isinstance(error, TooLarge)
        assert error.faults[0].field == "records"


def test_every_fault_of_every_record_is_reported_at_once() -> None:
    bad = '{"invocations":-1,"memory_mb":"1","color":"red","errors":2,"duration_seconds":1,"duration_ns":1}'
    faults = refusal(f'{{"records":[{{{NAMED}}},{bad},{{{NAMED},"cold_start":0}}]}}').faults
    assert [fault.field for fault in faults] == [
        "records[1].invocations",
        "records[1].memory_mb",
        "records[1].color",
        "records[1].service_name",
        "records[1].duration_ns",
        "records[2].cold_start",
    ]


def test_beyond_a_thousand_faults_only_their_number_is_kept() -> None:
    record = '{"a":1,"b":2}'
    error = refusal(f'{{"records":[{",".join([record] * 1000)}]}}')
    assert len(error.faults) == 1000
    assert error.total == 3000


def test_a_path_shows_no_name_that_would_spoil_it() -> None:
    fields = [fault.field for fault in refusal(f'{{{NAMED},"{"x" * 5000}":1,"a\\nb":2,"\\u202e":3}}').faults]
    assert fields == [f"'{'x' * 64}'", r"'a\nb'", r"'\u202e'"]


def test_two_records_of_one_request_that_differ_are_both_named() -> None:
    records = [f'{{{NAMED},"request_id":"r{n % 3}","invocations":{1 + n // 5}}}' for n in range(6)]
    faults = refusal(f'{{"records":[{",".join(records)}]}}').faults
    assert [str(fault) for fault in faults] == [
        "records[5].request_id: is that of records[2] too, whose content differs"
    ]


@pytest.mark.parametrize(
    ("recorded_at", "fragment"),
    [
        (NOW + timedelta(minutes=5, microseconds=1), "5 minutes ahead"),
        (datetime(1970, 1, 1, tzinfo=UTC), "before the year 2000"),
    ],
)
def test_the_events_time_is_held_to_the_same_bounds_where_it_stands_in(
    recorded_at: datetime, fragment: str
) -> None:
    [fault] = refusal('{"service_name":"waiter"}', recorded_at=recorded_at).faults
    assert fault.field == "timestamp"
    assert fragment in fault.message
    decode(f"{{{NAMED}}}".encode(), recorded_at=recorded_at, received_at=NOW)
