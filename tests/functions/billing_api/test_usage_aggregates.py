import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from functions.billing_api.cursors import write_cursor
from shared.domain.windows import WindowSize
from shared.service.usage_report import UsageWindow, WindowFilter
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
WINDOW = UsageWindow(
    id=UUID(int=7),
    tenant_id=UUID(int=1),
    window_size=WindowSize.M5,
    window_start=NOON,
    window_end=NOON + timedelta(minutes=5),
    service_id=UUID(int=2),
    revision_id=UUID(int=3),
    tenant="demo",
    namespace="default",
    service_name="waiter",
    revision="waiter-00001",
    records=2,
    invocations=3,
    errors=1,
    cold_starts=1,
    cpu_ns=1_500_000,
    egress_bytes=2**70,
    provisioned_ms=60_000,
    memory_byte_ns=3 * 2**20 * 10**6 + 2**19 * 10**6,
    billed_1ms_ms=234,
    billed_100ms_ms=300,
    total_duration_ms=Decimal("234.000000"),
    avg_duration_ms=Decimal("78.000001"),
    p50_duration_ms=Decimal("12345678901.123456"),
    p95_duration_ms=Decimal("0.100000"),
    max_memory_mb=Decimal("64.500000"),
    avg_memory_mb=Decimal("64.000000"),
)


@pytest.fixture
def tenant(api: Described) -> Any:
    return api.post("/tenants", {"name": "Demo", "currency": "EUR", "aliases": ["demo-tenant"]}).get_json()


def test_a_window_is_answered_with_every_column(api: Described, backend: Backend) -> None:
    backend.report.stored = [WINDOW]
    listed = json.loads(api.get("/usage-aggregates").data)
    assert listed["as_of"] == "2025-10-16T00:00:00Z"
    assert listed["items"] == [
        {
            "id": str(UUID(int=7)),
            "window_start": "2025-10-15T12:00:00Z",
            "window_end": "2025-10-15T12:05:00Z",
            "window_size": "5m",
            "tenant_id": str(UUID(int=1)),
            "tenant": "demo",
            "service_id": str(UUID(int=2)),
            "service_name": "waiter",
            "namespace": "default",
            "revision_id": str(UUID(int=3)),
            "revision": "waiter-00001",
            "records": 2,
            "invocations": 3,
            "total_duration_ms": 234,
            "avg_duration_ms": 78.000001,
            "p50_duration_ms": 12345678901.123456,
            "p95_duration_ms": 0.1,
            "max_memory_mb": 64.5,
            "avg_memory_mb": 64,
            "cold_starts": 1,
            "errors": 1,
            "billed_1ms_ms": 234,
            "billed_100ms_ms": 300,
            "cpu_ms": 1.5,
            "egress_bytes": 2**70,
            "provisioned_ms": 60_000,
            "mb_ms": "3.5",
        }
    ]


def test_numbers_are_written_with_their_digits_and_whole_ones_whole(api: Described, backend: Backend) -> None:
    backend.report.stored = [WINDOW]
    text = api.get("/usage-aggregates").get_data(as_text=True)
    assert '"total_duration_ms":234,' in text
    assert '"p50_duration_ms":12345678901.123456,' in text
    assert f'"egress_bytes":{2**70},' in text


def test_every_filter_reaches_the_windows(api: Described, backend: Backend, tenant: Any) -> None:
    api.get(
        f"/usage-aggregates?tenant_id=demo-tenant&service_id={UUID(int=2)}&window_size=1h"
        "&start_time=2025-10-15T15:00:00.1234567%2B03:00&end_time=2025-10-15T23:59:60Z"
    )
    assert backend.report.asked == [
        WindowFilter(
            tenant_id=UUID(tenant["id"]),
            service_id=UUID(int=2),
            start=NOON.replace(microsecond=123_456),
            end=datetime(2025, 10, 15, 23, 59, 59, tzinfo=UTC),
            window_size=WindowSize.H1,
        )
    ]


def test_windows_are_read_page_by_page(api: Described, backend: Backend) -> None:
    backend.report.stored = [
        replace(WINDOW, window_start=NOON + n * timedelta(minutes=5), revision_id=UUID(int=r))
        for n in range(2)
        for r in range(2)
    ]
    first = api.get("/usage-aggregates?limit=3").get_json()
    rest = api.get(f"/usage-aggregates?limit=3&cursor={first['next_cursor']}").get_json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)
    assert rest["items"][0]["revision_id"] == str(UUID(int=1))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tenant_id=nobody", "tenant_id"),
        ("tenant_id=", "tenant_id"),
        ("service_id=waiter", "service_id"),
        ("window_size=1m", "window_size"),
        ("window_size=", "window_size"),
        ("start_time=yesterday", "start_time"),
        ("start_time=1760529600", "start_time"),
        ("start_time=2025-10-15", "start_time"),
        ("start_time=2025-10-15T12:00:00", "start_time"),
        ("start_time=2025-10-15T12:00:00+03:00", "start_time"),
        ("start_time=2025-02-30T12:00:00Z", "start_time"),
        ("start_time=0001-01-01T00:00:00Z", "start_time"),
        ("end_time=9999-12-31T23:59:59Z", "end_time"),
        ("start_time=2025-10-15T12:00:00Z&end_time=2025-10-15T12:00:00Z", "end_time"),
        ("revision=x", "revision"),
        ("cursor=" + write_cursor("usage-aggregates", "1", "2", "3", "4", "5"), "cursor"),
        (
            "cursor=" + write_cursor("usage-aggregates", str(UUID(int=1)), "1m", "2025-10-15T12:00:00Z"),
            "cursor",
        ),
    ],
)
def test_a_faulty_parameter_is_named(api: Described, query: str, field: str) -> None:
    answer = api.get(f"/usage-aggregates?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]


def test_an_unescaped_plus_is_explained(api: Described) -> None:
    problem = api.get("/usage-aggregates?start_time=2025-10-15T12:00:00+03:00").get_json(force=True)
    assert "%2B" in problem["errors"][0]["message"]
