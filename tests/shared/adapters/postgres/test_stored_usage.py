"""What people who look into the database find there."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest

from eventing.usage import decode
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id, system_clock
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.tenants import Tenants

NOON = "2025-10-15T12:00:00Z"


def send(database: Database, records: Sequence[dict[str, Any]]) -> None:
    directory = PostgresTenants(database)
    if directory.find("acme") is None:
        Tenants(directory, system_clock, new_id).create(name="acme", currency="EUR")
    ingest = IngestUsage(
        decode=decode,
        tenants=directory,
        series=PostgresSeries(database, new_id),
        log=PostgresUsageLog(database),
        clock=system_clock,
    )
    data = json.dumps({"records": records}).encode()
    ingest.accept_event(source="/t", id=str(new_id()), tenant_ref="acme", time=None, data=data)


def fold(database: Database) -> None:
    Fold(PostgresWindows(database, new_id), system_clock).run()


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.statement() as connection:
        return connection.execute(query.encode()).fetchall()


def test_usage_raw_opens_the_payload_in_the_documented_columns(database: Database) -> None:
    send(
        database,
        [
            {
                "timestamp": "2025-10-15T14:00:00.5+02:00",
                "service_name": "waiter",
                "revision": "waiter-00001",
                "duration_seconds": 0.234,
                "memory_mb": 64.5,
                "labels": {"method": "GET"},
                "request_id": "r-1",
            },
            {"timestamp": NOON, "service_name": "hello", "invocations": 2, "durations_ns": [5, 1_500_000]},
        ],
    )

    found = rows(
        database,
        "SELECT s.name, r.name, u.timestamp, metric_name, value, labels, request_id FROM usage_raw u"
        " JOIN service s ON s.id = u.service_id JOIN revision r ON r.id = u.revision_id ORDER BY u.id",
    )

    half_past = datetime(2025, 10, 15, 12, 0, 0, 500_000, tzinfo=UTC)
    waiter = ("waiter", "waiter-00001", half_past)
    hello = ("hello", "rev-unknown", datetime(2025, 10, 15, 12, tzinfo=UTC))
    assert sorted(found, key=lambda row: (row[0], row[3])) == [
        (*hello, "duration_ms", Decimal("1.500005"), {}, None),
        (*hello, "invocations", 2, {}, None),
        (*hello, "memory_mb", 0, {}, None),
        (*waiter, "duration_ms", 234, {"method": "GET"}, "r-1"),
        (*waiter, "invocations", 1, {"method": "GET"}, "r-1"),
        (*waiter, "memory_mb", Decimal("64.5"), {"method": "GET"}, "r-1"),
    ]
    assert len({id for (id,) in rows(database, "SELECT id FROM usage_raw")}) == 6


@pytest.mark.parametrize(
    "timestamp",
    ["2025-10-15T12:04:59.9999999Z", "2025-10-15T12:04:60Z", "2025-10-16T03:59:59.1234567+15:59"],
)
def test_usage_raw_and_the_windows_agree_on_odd_timestamps(database: Database, timestamp: str) -> None:
    send(database, [{"timestamp": timestamp, "service_name": "s"}])
    fold(database)
    assert rows(
        database,
        "SELECT DISTINCT window_start <= u.timestamp AND u.timestamp < window_end"
        " FROM usage_aggregate, usage_raw u WHERE window_size = '5m'",
    ) == [(True,)]


@pytest.mark.parametrize("distribution", ["log-normal", "constant", "zero", "bimodal"])
def test_percentiles_of_every_window_are_within_one_per_cent(database: Database, distribution: str) -> None:
    rng = random.Random(11)
    durations_ns = {
        "log-normal": [int(rng.lognormvariate(18, 1.5)) for _ in range(2_000)],
        "constant": [234_000_000] * 2_000,
        "zero": [0] * 2_000,
        "bimodal": [5_000_000] * 1_000 + [9_000_000_000] * 1_000,
    }[distribution]
    rng.shuffle(durations_ns)
    for start in range(0, 2_000, 500):
        batch = durations_ns[start : start + 500]
        send(database, [{"timestamp": NOON, "service_name": "s", "duration_ns": d} for d in batch])
        fold(database)

    windows = rows(database, "SELECT p50_duration_ms, p95_duration_ms FROM usage_aggregate")

    assert len(windows) == 3
    for window in windows:
        for estimate_ms, p in zip(window, (Fraction(1, 2), Fraction(95, 100)), strict=True):
            exact_ms = exact_quantile(durations_ns, p) / 10**6
            assert abs(Fraction(estimate_ms) - exact_ms) <= exact_ms / 100


def exact_quantile(values: Sequence[int], p: Fraction) -> Fraction:
    """At rank p(n−1), linear between neighbours."""
    ordered, rank = sorted(values), p * (len(values) - 1)
    below = floor(rank)
    return ordered[below] + (ordered[min(below + 1, len(ordered) - 1)] - ordered[below]) * (rank - below)


def test_a_window_shows_every_documented_figure(database: Database) -> None:
    send(
        database,
        [
            {
                "timestamp": NOON,
                "service_name": "s",
                "duration_seconds": 0.1,
                "memory_mb": 64.5,
                "cold_start": True,
            },
            {"timestamp": NOON, "service_name": "s", "duration_seconds": 0.3, "memory_mb": 128, "errors": 1},
        ],
    )
    fold(database)

    found = rows(
        database,
        "SELECT invocations, total_duration_ms, avg_duration_ms, max_memory_mb, avg_memory_mb, cold_starts,"
        " errors, window_end - window_start = interval '5 min' FROM usage_aggregate WHERE window_size = '5m'",
    )

    assert found == [(2, 400, 200, 128, Decimal("96.25"), 1, 1, True)]
