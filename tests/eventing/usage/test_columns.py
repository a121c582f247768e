import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.usage import decode
from eventing.usage.columns import RECORDS_MIN, columns_of
from eventing.usage.convert import arrival_of, usage_record
from eventing.usage.wire import Record, read_envelope
from eventing.usage.wrong import Wrong
from shared.domain.aggregate import Series, aggregate, group, names_of
from shared.domain.usage import UsageRecord
from shared.domain.usage_columns import UsageColumns

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
ARRIVAL = arrival_of(NOW, NOW)
SERIES = Series(UUID(int=1), UUID(int=2))


def sent(*records: dict[str, Any]) -> list[Record]:
    return read_envelope(json.dumps({"records": records}).encode()).records


def one_by_one(records: list[Record]) -> list[UsageRecord] | None:
    try:
        return [usage_record(record, ARRIVAL) for record in records]
    except Wrong:
        return None


def stamp(second: int, digits: int) -> str:
    at = datetime.fromtimestamp(NOW.timestamp() - second, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}" + (f".{second % 10**digits:0{digits}d}" if digits else "") + "Z"


def usual(digits: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "timestamp": st.integers(-400, 10**6).map(lambda second: stamp(second, digits)),
            "service_name": st.sampled_from(["waiter", "cook"]),
        },
        optional={
            "revision": st.sampled_from(["one", "two"]),
            "namespace": st.just("kitchen"),
            "invocations": st.just(1),
            "memory_mb": st.one_of(st.integers(0, 2**20), st.sampled_from([64.5, 0.1, 2**20 + 1, -1])),
            "cold_start": st.booleans(),
            "errors": st.sampled_from([0, 1, 1, 2]),
            "cpu_seconds": st.sampled_from([0, 0.5, 1e-9, -1]),
            "egress_bytes": st.integers(0, 2**63 - 1),
        },
    )


durations: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"duration_ns": st.integers(0, 7 * 86_400 * 10**9 + 1)}),
    st.fixed_dictionaries({"duration_seconds": st.one_of(st.integers(0, 604_801), st.just(0.2345678915))}),
    st.just({}),
)
unusual: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"invocations": 2},
        {"invocations": 0},
        {"durations_ns": [5]},
        {"cold_starts": 1},
        {"started_at": "2026-06-30T12:00:00Z", "provisioned_seconds": 60},
        {"timestamp": "2026-06-30T12:00:60Z"},
        {"timestamp": "2026-06-30T12:00:00+02:00"},
        {"timestamp": "2026-02-30T12:00:00Z"},
        {"timestamp": "1999-12-31T23:59:59Z"},
    ]
)


@st.composite
def batches(draw: st.DrawFn) -> list[Record]:
    digits = draw(st.sampled_from([0, 3, 6]))
    size = draw(st.integers(RECORDS_MIN, RECORDS_MIN + 4))
    records = [draw(usual(digits)) | draw(durations) for _ in range(size)]
    if draw(st.integers(0, 3)) == 0:
        records[draw(st.integers(0, size - 1))] |= draw(unusual)
    return sent(*records)


@given(batches())
def test_columns_hold_what_records_do_or_leave_it_to_them(records: list[Record]) -> None:
    columns = columns_of(records, ARRIVAL)
    if columns is not None:
        assert list(columns) == one_by_one(records)


@given(batches())
def test_by_the_column_the_windows_are_those_of_the_records(records: list[Record]) -> None:
    columns, usages = columns_of(records, ARRIVAL), one_by_one(records)
    if columns is None or usages is None:
        return
    groups, of_records = group(columns), group(usages)
    assert {key: list(rows) for key, rows in groups.items()} == of_records
    series = {name: SERIES for name in names_of(groups)}
    assert aggregate(groups, series) == aggregate(of_records, series)


def usual_batch(**last: Any) -> list[dict[str, Any]]:
    batch = [
        {"timestamp": stamp(n, 6), "service_name": "waiter", "duration_ns": n, "memory_mb": 64}
        for n in range(RECORDS_MIN)
    ]
    batch[-1] |= last
    return batch


def test_the_usual_batch_is_read_by_the_column() -> None:
    usage = decode(json.dumps({"records": usual_batch()}).encode(), recorded_at=NOW, received_at=NOW)
    assert isinstance(usage.records, UsageColumns)
    assert usage.records[1] == usage.records[0:2][1]


@pytest.mark.parametrize(
    "last",
    [
        {"invocations": 2},
        {"timestamp": "2026-06-30T12:00:60.000000Z"},
        {"timestamp": "2026-06-30T24:00:00.000000Z"},
        {"timestamp": "2026-02-30T12:00:00.000000Z"},
        {"timestamp": "1999-12-31T23:59:59.999999Z"},
        {"timestamp": "2026-07-01T12:05:00.000001Z"},
        {"timestamp": "2026-06-30T12:00:00.000000Z\n2026-06-30T12:00:00.000000Z"},
        {"memory_mb": 2**20 + 1},
        {"memory_mb": -1},
        {"duration_ns": 7 * 86_400 * 10**9 + 1},
        {"duration_seconds": 1},
        {"errors": 2},
        {"cpu_seconds": True},
    ],
)
def test_what_is_unusual_or_wrong_is_not(last: dict[str, Any]) -> None:
    assert columns_of(sent(*usual_batch(**last)), ARRIVAL) is None


def test_a_few_records_are_not() -> None:
    assert columns_of(sent(*usual_batch()[1:]), ARRIVAL) is None
