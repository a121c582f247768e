import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from faas_billing_emitter.cloudevent import rfc3339
from faas_billing_emitter.record import Record
from hypothesis import given
from hypothesis import strategies as st

from eventing.usage import decode
from shared.domain.errors import Rejected

NOW_NS = 1_800_000_000_123_456_789
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 15, 8, 0, 0, 123456, tzinfo=UTC)
GOOD = Record(
    service_name="waiter",
    revision="waiter-00001",
    timestamp_ns=NOW_NS,
    duration_ns=234_000_000,
    memory_mb=Decimal("64.5"),
)


def test_the_text_holds_every_field_exactly() -> None:
    record = replace(
        GOOD,
        invocations=3,
        cold_start=True,
        errors=1,
        cpu_ns=1_000_000_001,
        egress_bytes=5,
        labels={"method": "GÉT\n"},
        namespace="shop",
        request_id="r-1",
    )
    assert record.text().decode() == (
        '{"timestamp":"2027-01-15T08:00:00.123456Z","service_name":"waiter","revision":"waiter-00001",'
        '"invocations":3,"duration_ns":234000000,"cold_start":true,"errors":1,"egress_bytes":5,'
        '"labels":{"method":"GÉT\\n"},"namespace":"shop","request_id":"r-1",'
        '"memory_mb":64.5,"cpu_seconds":1.000000001}'
    )


def test_time_below_a_microsecond_is_cut_off() -> None:
    assert rfc3339(999) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1_999_999_999) == "1970-01-01T00:00:01.999999Z"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"service_name": ""}, "service_name: empty"),
        ({"service_name": None}, "service_name: not text"),
        ({"service_name": "x" * 257}, "service_name: more than 256 characters"),
        ({"service_name": "a\0b"}, "service_name: holds a NUL"),
        ({"revision": "\ud800"}, "revision: holds half a surrogate pair"),
        ({"namespace": "x" * 257}, "namespace: more than 256 characters"),
        ({"request_id": 7}, "request_id: not text"),
        ({"timestamp_ns": 1.5}, "timestamp_ns: not a whole number"),
        ({"timestamp_ns": 0}, "timestamp_ns: less than 946684800000000000"),
        ({"timestamp_ns": NOW_NS + 301 * 10**9}, f"timestamp_ns: more than {NOW_NS + 300 * 10**9}"),
        ({"invocations": True}, "invocations: not a whole number"),
        ({"invocations": 10**9 + 1}, "invocations: more than 1000000000"),
        ({"duration_ns": -1}, "duration_ns: less than 0"),
        ({"duration_ns": 0.5}, "duration_ns: not a whole number"),
        ({"duration_ns": 7 * 86_400 * 10**9 + 1}, "duration_ns: more than 604800000000000"),
        ({"memory_mb": "64"}, "memory_mb: not a number"),
        ({"memory_mb": float("nan")}, "memory_mb: not finite"),
        ({"memory_mb": Decimal("Infinity")}, "memory_mb: not finite"),
        ({"memory_mb": Decimal("sNaN")}, "memory_mb: not finite"),
        ({"memory_mb": -0.5}, "memory_mb: less than 0"),
        ({"memory_mb": 1_048_576.5}, "memory_mb: more than 1048576"),
        ({"memory_mb": Decimal("1e-41")}, "memory_mb: too many decimals"),
        ({"cold_start": 1}, "cold_start: not a bool"),
        ({"cold_start": True, "invocations": 0, "duration_ns": 0}, "cold_start: without an invocation"),
        ({"errors": 2}, "errors: more than 1"),
        ({"cpu_ns": 2**63}, "cpu_ns: more than 9223372036854775807"),
        ({"egress_bytes": -1}, "egress_bytes: less than 0"),
        ({"labels": []}, "labels: not a mapping"),
        ({"labels": {"": "x"}}, "labels: a name: empty"),
        ({"labels": {"x": 1}}, "labels: a value is not text"),
        ({"labels": {str(n): "" for n in range(65)}}, "labels: more than 64"),
    ],
)
def test_what_a_receiver_would_refuse_is_named(changes: dict[str, Any], fault: str) -> None:
    assert replace(GOOD, **changes).faults(NOW_NS) == [fault]


def test_every_fault_is_named_at_once() -> None:
    assert len(replace(GOOD, service_name="", duration_ns=-1, memory_mb=-1).faults(NOW_NS)) == 3


names = st.text(st.characters(exclude_categories=()), max_size=258) | st.sampled_from(["waiter", "", "a\0"])
counts = st.integers(-1, 3) | st.sampled_from([10**9, 10**9 + 1, 2**63 - 1, 2**63, 7 * 86_400 * 10**9])
memories = st.integers(-1, 2**20 + 1) | st.decimals() | st.floats() | st.floats(0, 2048)
anything = st.builds(
    Record,
    service_name=names,
    revision=names,
    timestamp_ns=st.integers(NOW_NS - 10**12, NOW_NS + 10**12) | counts,
    duration_ns=counts,
    memory_mb=memories,
    invocations=counts,
    cold_start=st.booleans(),
    errors=counts,
    cpu_ns=counts,
    egress_bytes=counts,
    labels=st.none() | st.dictionaries(names, names, max_size=3),
    namespace=st.none() | names,
    request_id=st.none() | names,
)


@given(anything)
def test_what_passes_the_door_is_accepted_and_means_the_same(record: Record) -> None:
    if record.faults(NOW_NS):
        return
    (decoded,) = decode(record.text(), recorded_at=NOW, received_at=NOW).records
    assert (decoded.service_name, decoded.revision) == (record.service_name, record.revision)
    assert decoded.ended_at == EPOCH + timedelta(microseconds=record.timestamp_ns // 1_000)
    assert decoded.duration_ns == record.duration_ns
    assert decoded.invocations == record.invocations
    assert (decoded.errors, decoded.cold_starts) == (record.errors, int(record.cold_start))
    assert (decoded.cpu_ns, decoded.egress_bytes) == (record.cpu_ns, record.egress_bytes)
    memory = Decimal(repr(record.memory_mb)) if isinstance(record.memory_mb, float) else record.memory_mb
    assert 0 <= decoded.memory_bytes - memory * 2**20 < 1


@given(anything)
def test_what_the_door_refuses_would_have_been_refused(record: Record) -> None:
    try:
        text = record.text()
        json.loads(text)
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        return
    if record.faults(NOW_NS) and not _only_of_many_decimals(record):
        with pytest.raises(Rejected):
            decode(text, recorded_at=NOW, received_at=NOW)


def _only_of_many_decimals(record: Record) -> bool:
    return record.faults(NOW_NS) == ["memory_mb: too many decimals"]


def test_a_record_takes_microseconds_to_write() -> None:
    began = time.perf_counter()
    for _ in range(1_000):
        GOOD.faults(NOW_NS)
        GOOD.text()
    assert time.perf_counter() - began < 1
