"""The declarations in force, as whoever accepts usage knows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.domain.aggregate import Dimensions
from shared.domain.usage import UsageRecord

if TYPE_CHECKING:  # imported once something is declared, so that without any nobody waits for it
    from shared.domain.dimensions import Declarations
    from shared.service.dimensions import Labelling


class PostgresUsageDimensions:
    """UsageDimensions. `labelling` is asked for when the first tenant has declared something."""

    def __init__(self, database: Database, registry: Registry, labelling: "Callable[[], Labelling]") -> None:
        self._database = database
        self._registry = registry
        self._labelling = labelling
        self._loaded: tuple[int, Mapping[UUID, Declarations]] = 0, {}

    def of_records(
        self, tenant_id: UUID, records: Sequence[UsageRecord], bodies: Sequence[str]
    ) -> Sequence[Dimensions] | None:
        known = self._registry.known().dimensions
        if not known:
            return None
        if self._loaded[0] < known:
            self._load()
        declarations = self._loaded[1].get(tenant_id)
        if declarations is None:
            return None
        return self._labelling().of_records(tenant_id, declarations, records, bodies)

    def _load(self) -> None:
        from shared.adapters.postgres.dimensions import declarations_of

        # In one statement: what is known must be all there was at that number.
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT r.dimensions, d.tenant_id, d.declared_from, d.labels"
                " FROM meter_registry r LEFT JOIN tenant_dimension d ON true ORDER BY 2, 3"
            ).fetchall()
        declared: dict[UUID, list[tuple[object, ...]]] = {}
        for _, tenant_id, *declaration in rows:
            if tenant_id is not None:
                declared.setdefault(tenant_id, []).append(tuple(declaration))
        self._loaded = rows[0][0], {tenant_id: declarations_of(of) for tenant_id, of in declared.items()}
