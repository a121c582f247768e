from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.period import month_of
from shared.domain.usage import UsageRecord
from tests.shared.adapters.postgres.rating_rows import add_tenant, fold, record


def numbers(facts: WindowFacts) -> dict[str, int]:
    return {name: getattr(facts, name) for name in NUMBERS}


def expected(records: list[UsageRecord], start: datetime, end: datetime) -> dict[str, int]:
    facts = WindowFacts()
    for of in records:
        if start <= of.ended_at < end:
            facts.add_record(of)
    return numbers(facts)


RECORDS = [
    record(
        f"2025-{month:02}-{day:02}T{hour:02}:{minute:02}:59",
        invocations=day,
        service=f"service-{day % 3}",
        duration_ns=day * 10**15 + 1,
        memory_bytes=2**39 + hour,
        egress_bytes=2**62,
        cpu_ns=minute,
        cold_starts=1,
        errors=day,
    )
    for month in (9, 10, 11)
    for day in (1, 2, 15, 30)
    for hour in (0, 18, 23)
    for minute in (0, 14, 59)
]


@pytest.fixture
def tenant_id(database: Database) -> UUID:
    tenant, other = add_tenant(database), add_tenant(database, "other")
    fold(database, tenant.id, *RECORDS)
    fold(database, other.id, *RECORDS[:5])
    return tenant.id


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-10-01T00:00", "2025-11-01T00:00"),
        ("2025-09-30T18:15", "2025-10-31T18:15"),
        ("2025-10-01T00:05", "2025-10-01T00:10"),
        ("2025-10-15T23:55", "2025-10-16T00:05"),
        ("2025-09-02T18:15", "2025-11-30T23:55"),
        ("2025-08-01T00:00", "2025-08-02T00:00"),
        ("2025-10-01T00:00", "2025-10-01T00:00"),
    ],
)
def test_totals_are_the_sums_of_the_records_each_counted_once(
    database: Database, tenant_id: UUID, start: str, end: str
) -> None:
    first, last = (datetime.fromisoformat(bound).replace(tzinfo=UTC) for bound in (start, end))
    with PostgresUsageReader(database).snapshot() as usage:
        assert numbers(usage.total(tenant_id, first, last)) == expected(RECORDS, first, last)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
def test_a_month_of_any_zone_can_be_summed(database: Database, tenant_id: UUID, zone: str) -> None:
    month = month_of(datetime(2025, 10, 15, tzinfo=UTC), ZoneInfo(zone))
    with PostgresUsageReader(database).snapshot() as usage:
        assert numbers(usage.total(tenant_id, *month)) == expected(RECORDS, *month)


def test_a_snapshot_does_not_see_what_is_folded_meanwhile(database: Database, tenant_id: UUID) -> None:
    start, end = (datetime(2025, 10, 15, tzinfo=UTC) + timedelta(days=n) for n in (0, 1))
    reader = PostgresUsageReader(database)
    with reader.snapshot() as usage:
        before = usage.total(tenant_id, start, end).invocations
        fold(database, tenant_id, record("2025-10-15T01:00", 1_000))
        assert usage.total(tenant_id, start, end).invocations == before
    with reader.snapshot() as usage:
        assert usage.total(tenant_id, start, end).invocations == before + 1_000
