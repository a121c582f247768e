"""What a migration makes of what was there."""

import json
from datetime import UTC, datetime, timedelta
from struct import pack
from uuid import UUID

import psycopg
import pytest

from shared.adapters.postgres.folding import PostgresFold
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.windows import PostgresWindows, shard_of
from shared.adapters.system import new_id
from shared.domain import sketch
from shared.domain.aggregate import Series, SeriesName
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


def test_meter_windows_and_deltas_of_before_go_on_with_what_more_meters_keep(empty_database_url: str) -> None:
    upgrade(empty_database_url, "0010")
    database = Database(empty_database_url, pool_size_max=1)
    tenant, meter = add_tenant(database), UUID(int=7)
    start_s, dimensions = int(NOON.timestamp()), '["a"]'
    line = f'({meter.hex},1,{start_s},{SERVICE.hex},{REVISION.hex},"[""a""]",2,1,2,{NOON:%FT%TZ},2,"[""x""]")'
    with psycopg.connect(empty_database_url) as connection:
        for size in ("5m", "1h", "1d"):
            connection.execute(
                "INSERT INTO usage_meter_window (tenant_id, meter_id, window_size, window_start, version,"
                " service_id, revision_id, dimensions_key, dimensions, sum, count, max, latest_at, latest)"
                " VALUES (%s, %s, %s, date_trunc(%s, %s, 'UTC'), 1, %s, %s, text_key(%s), %s,"
                " 5, 1, 5, %s, 5)",
                (tenant.id, meter, size, "day" if size == "1d" else "hour", NOON, SERVICE, REVISION,
                 dimensions, dimensions, NOON),
            )  # fmt: skip
        connection.execute(
            "INSERT INTO usage_delta (tenant_id, event_key, shard, delta, meters)"
            " VALUES (%s, %s, %s, '', %s)",
            (tenant.id, UUID(int=3), shard_of(tenant.id), line),
        )

    upgrade(empty_database_url)
    with PostgresWindows(database, new_id).locked([shard_of(tenant.id)], wait=True) as transaction:
        assert isinstance(transaction, PostgresFold)
        assert transaction.fold().deltas == 1
    with psycopg.connect(empty_database_url) as connection:
        windows = connection.execute(
            "SELECT window_size, sum, count, held_ns FROM usage_meter_window"
        ).fetchall()
        values = connection.execute("SELECT DISTINCT value FROM usage_meter_unique").fetchall()
    assert sorted(windows) == [(size, 7, 2, None) for size in ("1d", "1h", "5m")]
    assert values == [("x",)]
    database.close()


def test_invoices_come_beside_tenants_plans_and_their_changes_as_they_were(empty_database_url: str) -> None:
    upgrade(empty_database_url, "0011")
    database = Database(empty_database_url, pool_size_max=1)
    tenants = [
        add_tenant(database, slug, currency=currency) for slug, currency in (("a", "RUB"), ("b", "JPY"))
    ]
    kept = ("tenant", "tenant_alias", "pricing_plan", "subscription", "plan_change")
    with psycopg.connect(empty_database_url) as connection:

        def contents() -> list[list[tuple[object, ...]]]:
            query = "SELECT to_jsonb(t) FROM {} t ORDER BY 1::text"
            return [connection.execute(query.format(table).encode()).fetchall() for table in kept]

        plan = (UUID(int=1), "basic", "RUB", NOON)
        connection.execute(
            "INSERT INTO pricing_plan (id, name, currency, created_at) VALUES (%s, %s, %s, %s)", plan
        )
        connection.execute("INSERT INTO subscription VALUES (%s, '-infinity', %s)", (tenants[0].id, plan[0]))
        connection.execute(
            "INSERT INTO plan_change (id, at, who, what, plan_id, after) VALUES (%s, %s, '', '', %s, '{}')",
            (UUID(int=2), NOON, plan[0]),
        )
        connection.commit()
        before = contents()
        connection.commit()

        upgrade(empty_database_url)
        assert contents() == before
        connection.execute(
            "INSERT INTO billing_details (tenant_id, currency, legal_name, address, tax_ids, email, language,"
            " cycle_interval, zero_invoices) SELECT id, currency, name, '{}', '[]', '', 'en', 'month', false"
            " FROM tenant"
        )
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("UPDATE billing_details SET currency = 'USD'")
    database.close()


def test_revisions_of_before_are_series_without_dimensions(empty_database_url: str) -> None:
    upgrade(empty_database_url, "0009")
    database = Database(empty_database_url, pool_size_max=1)
    tenant = add_tenant(database)
    key = (tenant.id, "5m", NOON, SERVICE, REVISION)
    with psycopg.connect(empty_database_url) as connection:
        insert = connection.execute
        insert(
            "INSERT INTO service (tenant_id, id, namespace, name, created_at)"
            " VALUES (%s, %s, 'default', 's', now())",
            (tenant.id, SERVICE),
        )
        insert(
            "INSERT INTO revision (tenant_id, id, service_id, name, created_at)"
            " VALUES (%s, %s, %s, 'r', now())",
            (tenant.id, REVISION, SERVICE),
        )
        facts = ", ".join(NUMBERS)
        insert(
            "INSERT INTO usage_window (tenant_id, window_size, window_start, service_id, revision_id,"
            f" {facts}, sketch) VALUES (%s, %s, %s, %s, %s, {', '.join(map(str, FACTS))}, '')".encode(),
            key,
        )

    upgrade(empty_database_url)
    name = SeriesName("default", "s", "r")
    apart = name._replace(dimensions=(("region", "eu"),))
    registered = PostgresSeries(database, new_id).register(tenant.id, [name, apart], seen_at=NOON)
    assert registered[name] == Series(SERVICE, REVISION)
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute("SELECT id, base_id, dimensions FROM revision ORDER BY base_id NULLS FIRST")
        assert rows.fetchall() == [
            (REVISION, None, {}),
            (registered[apart].revision_id, REVISION, {"region": "eu"}),
        ]
        kept = connection.execute(
            "SELECT tenant_id, window_size, window_start, service_id, revision_id FROM usage_window"
        ).fetchall()
        assert kept == [key]
        assert connection.execute("SELECT revision, dimensions FROM meter_registry").fetchall() == [(0, 0)]
    database.close()
