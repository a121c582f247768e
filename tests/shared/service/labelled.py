"""The services of usage whose tenants declare dimensions, over a real PostgreSQL."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eventing.usage import decode
from eventing.usage.labels import read_labels
from shared.adapters.postgres.dimension_book import PostgresUsageDimensions
from shared.adapters.postgres.dimension_values import PostgresDimensionValues
from shared.adapters.postgres.dimensions import PostgresDeclarations
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.aggregate import Windows
from shared.domain.tenant import Tenant
from shared.service.dimensions import DeclareDimensions, Labelling
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants

DAY = datetime(2025, 10, 15, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)
SOURCE = "/test"


class LabelledProduct:
    """The services over one database, with a clock of the test's own. `refresh_s`: how long whoever accepts
    usage goes by the declarations it has read; `asked` may be another database than what is written to."""

    def __init__(
        self,
        database: Database,
        *,
        refresh_s: float = 0,
        values_max: int = 1_000,
        asked: Database | None = None,
    ) -> None:
        self.database = database
        self.now = DAY + timedelta(days=5)
        directory, series = PostgresTenants(database), PostgresSeries(database, new_id)
        self.tenants = Tenants(directory, self.clock, new_id)
        self.windows = PostgresWindows(database, new_id)
        self.fold = Fold(self.windows, self.clock)
        labelling = Labelling(read_labels, PostgresDimensionValues(database, values_max=values_max))
        registry = Registry(asked or database, refresh_s=refresh_s)
        self.dimensions = PostgresUsageDimensions(database, registry, lambda: labelling)
        self.store = PostgresDeclarations(database, new_id)
        self.rebuild = Rebuild(self.windows, self.fold, series, decode, dimensions=self.dimensions)
        self.ingest = IngestUsage(
            decode=decode,
            tenants=directory,
            series=series,
            log=PostgresUsageLog(database),
            clock=self.clock,
            dimensions=self.dimensions,
        )

    def clock(self) -> datetime:
        return self.now

    def tenant(self, slug: str = "acme") -> Tenant:
        return self.tenants.create(name=slug, currency="EUR")

    def declare(self, tenant_id: UUID, *labels: str, at: datetime = DAY - timedelta(minutes=10)) -> None:
        """Made `at` that instant, it takes effect at the first one that can be."""
        DeclareDimensions(self.store, lambda: at).declare(
            tenant_id, labels, effective_from=None, who="a test"
        )

    def send(self, id: str, *records: dict[str, Any], tenant: str = "acme") -> None:
        data = json.dumps({"records": records}).encode()
        self.ingest.accept_event(source=SOURCE, id=id, tenant_ref=tenant, time=None, data=data)

    def fold_all(self) -> None:
        while self.fold.run(announce_every=timedelta(0)) is not None:
            pass

    def stored(self, tenant_id: UUID) -> Windows:
        with self.windows.locked_snapshot(self.windows.shard_of(tenant_id)) as transaction:
            return transaction.load_between(tenant_id, DAY - timedelta(days=9), DAY + timedelta(days=9))

    def invocations(self, tenant_id: UUID) -> Counter[tuple[tuple[str, str], ...]]:
        """By the dimensions they were counted with."""
        with self.database.statement() as connection:
            rows = connection.execute(
                "SELECT r.dimensions, sum(invocations)::bigint FROM usage_window w"
                " JOIN revision r ON (r.tenant_id, r.id) = (w.tenant_id, w.revision_id)"
                " WHERE w.tenant_id = %s AND window_size = '5m' GROUP BY 1",
                (tenant_id,),
            )
            return Counter({tuple(sorted(dimensions.items())): total for dimensions, total in rows})


def record(at: datetime = NOON, *, calls: int = 1, **labels: str) -> dict[str, Any]:
    return {"service_name": "f", "timestamp": at.isoformat(), "invocations": calls, "labels": labels}
