"""The services of usage over a real PostgreSQL, with voids."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.voids import PostgresVoids
from shared.adapters.system import new_id
from shared.domain.tenant import Tenant
from shared.domain.voids import Void, Voided, VoidRequest
from shared.service.rebuild import Rebuild
from shared.service.voids import VoidUsage
from tests.shared.service.pipeline import DAY, Product, decode


def named(id: str, *, tenant: str = "acme", source: str = "/test", place: str = "") -> VoidRequest:
    return VoidRequest(tenant, source, id, "a load test", place)


class Voiding(Product):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        series = PostgresSeries(database, new_id)
        self.voids = VoidUsage(
            tenants=PostgresTenants(database),
            store=PostgresVoids(database, new_id),
            windows=self.windows,
            series=series,
            rebuild=Rebuild(self.windows, self.fold, series, decode),
            decode=decode,
            clock=self.clock,
        )

    def void(self, *ids: str, tenant: str = "acme") -> Sequence[Voided]:
        return self.voids.void([named(id, tenant=tenant) for id in ids], by="ann")

    def listed(self, tenant: Tenant | None = None) -> Sequence[Void]:
        return self.voids.list(tenant.id if tenant is not None else None, limit=100)

    def counted(self, tenant_id: UUID) -> int:
        """Invocations of all that was accepted; every size of window holds them alike."""
        self.fold.run_for(tenant_id)
        (invocations,) = set(self.invocations(tenant_id).values())
        return invocations

    def changed_by_rebuild(self, tenant: Tenant) -> bool:
        before = self.stored(tenant.id)
        self.rebuild.run(tenant.id, DAY - timedelta(days=9), DAY + timedelta(days=9))
        return self.stored(tenant.id) != before
