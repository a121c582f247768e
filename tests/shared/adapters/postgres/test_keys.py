"""The key rules that let PostgreSQL be distributed by tenant, read from pg_catalog."""

from collections.abc import Iterator

import psycopg
import pytest

REFERENCE_TABLES = {
    "currency": "the same for every tenant",
    "tenant": "the tenants themselves, addressed by id",
    "tenant_alias": "finds a tenant by a name, so the name comes first",
    "pricing_plan": "shared by tenants, or personal",
    "plan_version": "as the plan is",
    "plan_change": "of a plan as well as of a tenant",
    "billing_entity": "the sellers",
    "organisation": "of tenants",
    "party_change": "of a seller or an organisation as well as of a tenant",
    "invoice_series": "one row per seller, series and year, written when an invoice becomes final",
    "issued_number": "of a seller, unique across its tenants",
    "meter": "shared by tenants, or of one",
    "meter_version": "as the meter is",
    "meter_registry": "one row, written when a meter is added or dimensions are declared",
    "fold_shard": "one lock per shard of tenants, never written",
    "alembic_version": "Alembic's own",
}


@pytest.fixture
def catalog(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection


def tables(catalog: psycopg.Connection) -> set[str]:
    rows = catalog.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    return {name for (name,) in rows}


def test_every_tenant_table_has_tenant_id_first_in_primary_and_unique_keys(
    catalog: psycopg.Connection,
) -> None:
    first_columns = catalog.execute(
        "SELECT c.relname, i.indexrelid::regclass::text, a.attname FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indrelid"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
        " WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
    ).fetchall()

    assert {table for table, _, _ in first_columns} == tables(catalog), "a table without a primary key"
    assert [row for row in first_columns if row[0] not in REFERENCE_TABLES and row[2] != "tenant_id"] == []


def test_foreign_keys_of_tenant_tables_start_with_tenant_id_or_point_to_reference_tables(
    catalog: psycopg.Connection,
) -> None:
    foreign_keys = catalog.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text, a.attname FROM pg_constraint"
        " JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]"
        " WHERE contype = 'f' AND conparentid = 0"
    ).fetchall()

    assert foreign_keys
    assert [
        row
        for row in foreign_keys
        if row[0] not in REFERENCE_TABLES and row[1] not in REFERENCE_TABLES and row[2] != "tenant_id"
    ] == []


def test_no_sequence_is_shared_by_tenants(catalog: psycopg.Connection) -> None:
    assert catalog.execute("SELECT relname FROM pg_class WHERE relkind = 'S'").fetchall() == []


def test_every_reference_table_named_here_exists(catalog: psycopg.Connection) -> None:
    assert set(REFERENCE_TABLES) <= tables(catalog)


@pytest.mark.parametrize(
    ("table", "columns"),
    {
        "tenant": "id name created_at updated_at billing_email currency timezone",
        "service": "id tenant_id name namespace created_at runtime memory_limit_mb cpu_limit_cores",
        "revision": "id service_id name image created_at config_env scaling_config",
        "usage_raw": "id timestamp tenant_id service_id revision_id metric_name value labels request_id",
        "usage_aggregate": "id window_start window_end window_size tenant_id service_id revision_id"
        " invocations total_duration_ms avg_duration_ms p50_duration_ms p95_duration_ms max_memory_mb"
        " avg_memory_mb cold_starts errors",
        "pricing_plan": "id name tenant_id currency price_per_invocation price_per_mb_ms price_per_cold_start"
        " price_per_cpu_ms free_tier_invocations free_tier_mb_ms created_at active",
    }.items(),
)
def test_every_documented_column_is_there(catalog: psycopg.Connection, table: str, columns: str) -> None:
    rows = catalog.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass", (table,))
    assert set(columns.split()) <= {name for (name,) in rows}
