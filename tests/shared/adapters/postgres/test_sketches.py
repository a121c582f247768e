"""What PostgreSQL does with sketches: it appends to them, and reads them."""

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from shared.domain import sketch
from shared.domain.usage import DURATION_NS_MAX
from tests.shared.adapters.postgres.rating_rows import add_tenant, fold, record

durations = st.lists(st.integers(0, DURATION_NS_MAX) | st.integers(0, 300), max_size=30)


def sketch_of(durations_ns: Sequence[int]) -> sketch.Sketch:
    return sketch.counted(sketch.buckets(durations_ns))


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        yield connection


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(durations, max_size=3), st.integers(0, 100))
def test_its_quantiles_of_appended_sketches_are_those_of_the_merged_one(
    connection: psycopg.Connection, parts: list[list[int]], percent: int
) -> None:
    appended = b"".join(sketch.encode(sketch_of(part)) for part in parts)
    merged = sketch_of([duration for part in parts for duration in part])

    found = connection.execute("SELECT usage_duration_ms(%s, %s / 100.0) * 1000000", [appended, percent])

    assert found.fetchone() == (sketch.percentiles_ns(merged, [percent])[0],)


def test_a_sketch_that_was_appended_to_for_long_is_written_anew(database: Database) -> None:
    tenant = add_tenant(database)
    durations_ns = [n * 10**7 for n in range(1, 101)]
    for _ in range(10):
        fold(database, tenant.id, *(record("2025-10-15T12:00", duration_ns=ns) for ns in durations_ns))
    merged = {bucket: 10 * count for bucket, count in sketch_of(durations_ns).items()}

    with database.statement() as connection:
        found = connection.execute("SELECT sketch FROM usage_window").fetchall()

    assert [sketch.decode(stored) for (stored,) in found] == [merged] * 3
    assert all(len(stored) < 3 * len(sketch.encode(merged)) for (stored,) in found)


def test_of_many_long_sketches_the_longest_are_written_anew(database: Database) -> None:
    tenant = add_tenant(database)
    records = [record("2025-10-15T12:00", service=f"s{n}", duration_ns=n) for n in range(40)]
    fold(database, tenant.id, *records)
    with database.statement() as connection:
        for size, times in {"5m": 600, "1h": 700, "1d": 800}.items():
            connection.execute(
                "UPDATE usage_window SET sketch = decode(repeat(encode(sketch, 'hex'), %s), 'hex')"
                " WHERE window_size = %s",
                (times, size),
            )
    fold(database, tenant.id, *records)

    with database.statement() as connection:
        found = connection.execute(
            "SELECT window_size, count(*) FROM usage_window WHERE octet_length(sketch) = 10 GROUP BY 1"
        )
        assert dict(found.fetchall()) == {"1d": 40, "1h": 40, "5m": 20}
