"""What is accepted, and the whole numbers it becomes."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from eventing.usage import decode
from shared.domain.errors import Rejected
from shared.domain.usage import DecodedUsage, UsageRecord

NOW = datetime(2025, 10, 15, 13, 0, 0, tzinfo=UTC)
README = (
    b'{"timestamp":"2025-10-15T12:00:00Z","tenant_id":"demo-tenant","service_name":"waiter",'
    b'"revision":"waiter-00001","invocations":1,"duration_seconds":0.234,"memory_mb":64.5,'
    b'"cold_start":false,"labels":{"method":"GET","status":"200"}}'
)


def read(data: str | bytes, *, recorded_at: datetime = NOW) -> DecodedUsage:
    return decode(data.encode() if isinstance(data, str) else data, recorded_at=recorded_at, received_at=NOW)


def read_one(members: str) -> UsageRecord:
    [record] = read(f'{{"service_name":"waiter",{members}}}').records
    return record


def test_the_example_of_the_readme_is_read_verbatim() -> None:
    expected = UsageRecord(
        service_name="waiter",
        ended_at=datetime(2025, 10, 15, 12, tzinfo=UTC),
        revision="waiter-00001",
        invocations=1,
        duration_ns=234_000_000,
        memory_bytes=67_633_152,
    )
    usage = read(README)
    assert usage.records == (expected,)
    assert usage.tenant_refs == {"demo-tenant"}
    assert usage.duplicates == 0
    assert read(b'{"records":[' + README + b"," + README + b"]}").records == (expected, expected)


def test_every_field_has_its_place() -> None:
    record = read_one(
        '"timestamp":"2025-10-15T12:00:00.5+02:00","revision":"r1","namespace":"shop","request_id":"q",'
        '"tenant_id":"demo","invocations":3,"durations_ns":[1,2,4],"duration_ns":7,"memory_mb":1,'
        '"cold_start":true,"cold_starts":2,"errors":1,"cpu_seconds":0.25,"egress_bytes":9,'
        '"labels":{"a":""},"quantities":{"tokens":"12.5"},'
        '"started_at":"2025-10-15T09:00:00Z","provisioned_seconds":60'
    )
    assert record == UsageRecord(
        service_name="waiter",
        ended_at=datetime(2025, 10, 15, 10, 0, 0, 500_000, tzinfo=UTC),
        namespace="shop",
        revision="r1",
        invocations=3,
        duration_ns=7,
        durations_ns=(1, 2, 4),
        memory_bytes=1_048_576,
        cold_starts=2,
        errors=1,
        cpu_ns=250_000_000,
        egress_bytes=9,
        started_at=datetime(2025, 10, 15, 9, tzinfo=UTC),
        provisioned_ns=60 * 10**9,
    )
    assert record.ended_at.tzinfo is UTC


def test_what_is_left_out_has_its_default() -> None:
    [record] = read('{"service_name":"waiter"}').records
    assert record == UsageRecord(service_name="waiter", ended_at=NOW)
    assert (record.namespace, record.revision, record.invocations) == ("default", "rev-unknown", 1)
    assert (record.durations_ns, record.started_at) == (None, None)


def test_the_events_time_stands_in_for_a_timestamp_in_utc() -> None:
    elsewhere = datetime(2025, 10, 15, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    [record] = read('{"service_name":"waiter"}', recorded_at=elsewhere).records
    assert record.ended_at == datetime(2025, 10, 15, 12, 30, tzinfo=UTC)
    assert record.ended_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.0", 0),
        ("-0.0", 0),
        ("0e0", 0),
        ("0E-1000", 0),
        ("1", 10**9),
        ("1.0", 10**9),
        ("1e0", 10**9),
        ("1E+2", 100 * 10**9),
        ("0.234", 234_000_000),
        ("0.028", 28_000_000),
        ("0.1", 100_000_000),
        ("0.30000000000000004", 300_000_000),
        ("0.000000001", 1),
        ("0.0000000005", 1),
        ("0.00000000049999999999999999999999999999999999999999999999999999999999999", 0),
        ("5e-10", 1),
        ("4.999e-10", 0),
        ("1e-400", 0),
        ("0.0000000015", 2),
        ("0.0000000025", 3),
        ("0.1234567894", 123_456_789),
        ("0.1234567894999999999999999999999999999999999999", 123_456_789),
        ("0.1234567894" + "9" * 500, 123_456_789),
        ("0.1234567895", 123_456_790),
        ("0.5" + "0" * 500, 500_000_000),
        ("604800", 604_800 * 10**9),
        ("604800.0000000004", 604_800 * 10**9),
        ("6048e2", 604_800 * 10**9),
    ],
)
def test_seconds_become_nanoseconds_rounded_half_up(text: str, ns: int) -> None:
    assert read_one(f'"duration_seconds":{text}').duration_ns == ns
    assert read_one(f'"cpu_seconds":{text}').cpu_ns == ns


def test_totals_of_many_invocations_stay_exact() -> None:
    text = "604799999999999.123456789"
    record = read_one(f'"invocations":1000000000,"duration_seconds":{text}')
    assert record.duration_ns == 604_799_999_999_999_123_456_789
    record = read_one('"invocations":1000000000,"duration_ns":604800000000000000000000')
    assert record.duration_ns == 604_800 * 10**18


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("0.0", 0),
        ("64.5", 67_633_152),
        ("128", 134_217_728),
        ("128.0", 134_217_728),
        ("0.1", 104_858),
        ("1e-9", 1),
        ("1e-400", 1),
        ("0.00000095367431640625", 1),
        ("0.00000095367431640626", 2),
        ("0.000000953674316406250000000000000000000000000000000000000000000000000000000000001", 2),
        ("1048576", 2**40),
        ("1048575.9999999999999", 2**40),
        ("1.048576e6", 2**40),
    ],
)
def test_mebibytes_become_bytes_rounded_up(text: str, size: int) -> None:
    assert read_one(f'"memory_mb":{text}').memory_bytes == size


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-10-15T12:00:00Z", datetime(2025, 10, 15, 12, tzinfo=UTC)),
        ("2025-10-15t12:00:00z", datetime(2025, 10, 15, 12, tzinfo=UTC)),
        ("2025-10-15T12:00:00.1Z", datetime(2025, 10, 15, 12, 0, 0, 100_000, tzinfo=UTC)),
        ("2025-10-15T12:04:59.9999999Z", datetime(2025, 10, 15, 12, 4, 59, 999_999, tzinfo=UTC)),
        ("2025-10-15T12:04:59." + "9" * 200 + "Z", datetime(2025, 10, 15, 12, 4, 59, 999_999, tzinfo=UTC)),
        ("2025-10-15T12:04:60Z", datetime(2025, 10, 15, 12, 4, 59, tzinfo=UTC)),
        ("2016-12-31T23:59:60.25Z", datetime(2016, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)),
        ("2025-10-15T12:00:00+00:00", datetime(2025, 10, 15, 12, tzinfo=UTC)),
        ("2025-10-15T12:00:00-00:00", datetime(2025, 10, 15, 12, tzinfo=UTC)),
        ("2025-10-15T12:00:00.123456789+05:45", datetime(2025, 10, 15, 6, 15, 0, 123_456, tzinfo=UTC)),
        ("2025-10-14T20:30:00-15:59", datetime(2025, 10, 15, 12, 29, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2025-10-15T13:05:00Z", datetime(2025, 10, 15, 13, 5, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_cut_to_microseconds_and_never_rounded(text: str, instant: datetime) -> None:
    ended_at = read_one(f'"timestamp":"{text}"').ended_at
    assert ended_at == instant
    assert ended_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("members", "cold_starts"),
    [
        ('"cold_start":true', 1),
        ('"cold_start":false', 0),
        ('"cold_start":true,"cold_starts":3,"invocations":5', 3),
        ('"cold_start":false,"cold_starts":0', 0),
        ('"cold_starts":5,"invocations":5', 5),
    ],
)
def test_cold_starts_are_counted_either_way(members: str, cold_starts: int) -> None:
    assert read_one(members).cold_starts == cold_starts


def test_durations_alone_make_the_sum() -> None:
    record = read_one('"invocations":2,"durations_ns":[5,604800000000000]')
    assert (record.duration_ns, record.durations_ns) == (604_800_000_000_005, (5, 604_800_000_000_000))
    assert read_one('"invocations":0,"durations_ns":[]').durations_ns == ()


def test_no_invocation_may_still_hold_memory_cpu_traffic_and_capacity() -> None:
    record = read_one(
        '"invocations":0,"duration_seconds":0,"memory_mb":1,"cpu_seconds":2,"egress_bytes":3,'
        '"cold_start":false,"errors":0,"started_at":"2025-10-15T12:55:00Z","provisioned_seconds":600.0000000004'
    )
    assert (record.invocations, record.cpu_ns, record.egress_bytes) == (0, 2 * 10**9, 3)
    assert record.provisioned_ns == 600 * 10**9


@pytest.mark.parametrize(
    "data",
    [
        ' \r\n\t{ "service_name" : "waiter" } \n',
        '{"service_\\u006eame":"w\\u0061iter"}',
        '{"records":[{"service_name":"waiter"}]}',
        ' { "records" : [ { "service_name" : "waiter" } ] } ',
        '{"\\u0072ecords":[{"service_name":"waiter"}]}',
    ],
)
def test_white_space_and_escapes_mean_nothing(data: str) -> None:
    usage = read(data)
    assert usage.records == (UsageRecord(service_name="waiter", ended_at=NOW),)
    assert usage.digest == read('{"service_name":"waiter"}').digest


def test_texts_are_measured_in_characters() -> None:
    name = "😀" * 256
    [record] = read(json.dumps({"service_name": name, "labels": {name: name}})).records
    assert record.service_name == name


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    [record] = read(r'{"service_name":"a\\u0000"}').records
    assert record.service_name == r"a\u0000"


def test_equal_requests_count_once_and_equal_records_without_request_all_count() -> None:
    first, second = '{"service_name":"a","request_id":"1"}', '{"service_name":"a","request_id":"2"}'
    spelled = '{"request_id":"1", "service_name":"\\u0061"}'
    plain = '{"service_name":"a"}'
    usage = read(f'{{"records":[{first},{plain},{second},{spelled},{plain},{first}]}}')
    assert len(usage.records) == 4
    assert usage.duplicates == 2


def test_a_default_spelled_out_is_other_content() -> None:
    with pytest.raises(Rejected):
        read(
            '{"records":[{"service_name":"a","request_id":"1"},'
            '{"service_name":"a","request_id":"1","invocations":1}]}'
        )


def test_the_digest_is_of_the_records_and_their_order_and_pinned() -> None:
    canonical = (
        b'[{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","revision":"waiter-00001",'
        b'"invocations":1,"duration_seconds":"0.234","memory_mb":"64.5","cold_start":false,'
        b'"labels":{"method":"GET","status":"200"},"tenant_id":"demo-tenant"}]'
    )
    assert read(README).digest == hashlib.sha256(canonical).digest()
    one, other = '{"service_name":"a"}', '{"service_name":"b"}'
    digests = {
        read(f'{{"records":[{records}]}}').digest
        for records in (one, other, f"{one},{other}", f"{other},{one}", f"{one},{one}")
    }
    assert len(digests) == 5


def test_the_digest_does_not_depend_on_defaults_or_arrival() -> None:
    data = b'{"service_name":"a"}'
    later = NOW + timedelta(days=1)
    assert read(data).digest == decode(data, recorded_at=later, received_at=later).digest
    assert read(data).digest != read(b'{"service_name":"a","invocations":1}').digest


def test_one_decoder_serves_many_threads() -> None:
    def work(n: int) -> bool:
        body = json.dumps({"records": [{"service_name": f"s{n}", "duration_seconds": n / 8}] * 50})
        return all(
            (record.service_name, record.duration_ns) == (f"s{n}", n * 125_000_000)
            for record in read(body).records
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(400)))
