"""Rows that the tests of plans, totals and accruals start from."""

from datetime import UTC, datetime
from uuid import UUID

from shared.adapters.postgres import delta
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.aggregate import aggregate, group, names_of
from shared.domain.tenant import Tenant
from shared.domain.usage import UsageRecord

AT = datetime(2025, 1, 1, tzinfo=UTC)


def add_tenant(database: Database, slug: str = "demo", zone: str = "UTC", currency: str = "RUB") -> Tenant:
    tenant = Tenant(new_id(), slug, slug, None, currency, zone, AT, AT)
    PostgresTenants(database).add(tenant)
    return tenant


def fold(database: Database, tenant_id: UUID, *records: UsageRecord) -> None:
    """Usage as a fold leaves it: windows of all sizes, the sequence and the days that changed."""
    groups = group(records)
    series = PostgresSeries(database, new_id).register(tenant_id, names_of(groups), seen_at=AT)
    windows = PostgresWindows(database, new_id)
    shard = windows.shard_of(tenant_id)
    with database.statement() as connection:
        connection.execute(
            "INSERT INTO usage_delta (tenant_id, event_key, shard, delta) VALUES (%s, %s, %s, %s)",
            (tenant_id, new_id(), shard, delta.encode(aggregate(groups, series))),
        )
    with windows.locked([shard], wait=True) as transaction:
        assert transaction is not None
        transaction.fold()


def record(at: str, invocations: int = 1, service: str = "waiter", **fields: int) -> UsageRecord:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return UsageRecord(service, instant, invocations=invocations, **fields)  # type: ignore[arg-type]
