"""What a migration makes of what was there."""

import json
from datetime import UTC, datetime, timedelta
from struct import pack
from uuid import UUID

import psycopg
import pytest

from shared.adapters.postgres.folding import PostgresFold
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.windows import PostgresWindows, shard_of
from shared.adapters.system import new_id
from shared.domain import sketch
from shared.domain.facts import NUMBERS
from shared.migrations import upgrade
from tests.shared.adapters.postgres.rating_rows import add_tenant

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
SERVICE, REVISION = UUID(int=1), UUID(int=2)
FACTS = list(range(1, len(NUMBERS) + 1))
UNTIL = NOON + timedelta(minutes=5)
WINDOW = (
    "tenant_id, window_size, window_start, window_end, service_id, revision_id, id,"
    f" {', '.join(NUMBERS)}, sketch, p50_duration_ms, p95_duration_ms"
)
DURATIONS = {64: 1, 1_900: 2**40 + 3}


@pytest.fixture
def before(empty_database_url: str) -> str:
    """A database as migration 0005 left it."""
    upgrade(empty_database_url, "0005")
    return empty_database_url


def test_windows_and_deltas_of_before_are_added_up(before: str) -> None:
    database = Database(before, pool_size_max=1)
    tenant = add_tenant(database)
    series = [str(SERVICE), str(REVISION)]
    delta = json.dumps([[int(NOON.timestamp()), *series, FACTS, DURATIONS]])
    old_sketch = pack("<2H2Q", *DURATIONS.keys(), *DURATIONS.values())
    with psycopg.connect(before) as connection:
        insert = connection.execute
        insert("INSERT INTO service VALUES (%s, %s, 'default', 's', now())", (tenant.id, SERVICE))
        insert(
            "INSERT INTO revision (tenant_id, id, service_id, name, created_at)"
            " VALUES (%s, %s, %s, 'r', now())",
            (tenant.id, REVISION, SERVICE),
        )
        insert(
            "INSERT INTO usage_delta (tenant_id, event_key, shard, delta) VALUES (%s, %s, %s, %s)",
            (tenant.id, UUID(int=3), shard_of(tenant.id), delta),
        )
        values = ", ".join(["%s"] * (10 + len(FACTS)))
        insert(
            f"INSERT INTO usage_aggregate ({WINDOW}) VALUES ({values})".encode(),
            (tenant.id, "5m", NOON, UNTIL, SERVICE, REVISION, UUID(int=4), *FACTS, old_sketch, 0, 0),
        )

    upgrade(before)
    windows = PostgresWindows(database, new_id)
    with windows.locked([shard_of(tenant.id)], wait=True) as transaction:
        assert isinstance(transaction, PostgresFold)
        assert transaction.fold().deltas == 1

    with psycopg.connect(before) as connection:
        stored = f"SELECT window_size, {', '.join(NUMBERS)}, sketch FROM usage_window"
        rows = connection.execute(stored.encode()).fetchall()
    doubled = [2 * n if name != "max_memory_bytes" else n for name, n in zip(NUMBERS, FACTS, strict=True)]
    assert {size: facts for size, *facts, _ in rows} == {"1d": FACTS, "1h": FACTS, "5m": doubled}
    assert {size: sketch.decode(kept) for size, *_, kept in rows} == {
        "1d": DURATIONS,
        "1h": DURATIONS,
        "5m": {bucket: 2 * count for bucket, count in DURATIONS.items()},
    }
    database.close()
