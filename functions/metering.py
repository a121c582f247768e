"""Custom meters and declared dimensions put together: a part of `functions.bootstrap`, which imports it for
who may meet any.

What computes them is imported with the first meter, and the first dimension, that there is.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from functions.background import Background
from shared.adapters.postgres.dimension_book import PostgresUsageDimensions
from shared.adapters.postgres.meter_book import PostgresUsageMeters
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.adapters.system import new_id, system_clock
from shared.service.ports import SeriesRegistry, WindowStore

if TYPE_CHECKING:
    from shared.service.backfill import Backfill
    from shared.service.dimensions import Labelling
    from shared.service.metering import Metering
    from shared.service.meters import Meters


class MeterServices:
    """`changed` is called when meter windows may have changed. Each service is made once."""

    def __init__(
        self, database: Database, windows: WindowStore, series: SeriesRegistry, changed: Callable[[], None]
    ) -> None:
        self._database = database
        self._windows = windows
        self._series = series
        self._changed = changed
        registry = Registry(database)
        self.known = PostgresUsageMeters(database, registry, lambda: self.metering)
        self.dimensions = PostgresUsageDimensions(database, registry, lambda: self._labelling)
        self.computing = Background("metering", self._compute)

    @cached_property
    def metering(self) -> "Metering":
        from eventing.usage.metered import read_metered
        from shared.adapters.postgres.meter_dimensions import PostgresDimensions
        from shared.service.metering import Metering

        return Metering(read_metered, PostgresDimensions(self._database), self._series)

    @cached_property
    def _labelling(self) -> "Labelling":
        from eventing.usage.labels import read_labels
        from shared.adapters.postgres.dimension_values import PostgresDimensionValues
        from shared.service.dimensions import Labelling

        return Labelling(read_labels, PostgresDimensionValues(self._database))

    @cached_property
    def backfill(self) -> "Backfill":
        from shared.adapters.postgres.meter_backfill import PostgresBackfills
        from shared.service.backfill import Backfill

        store = PostgresBackfills(self._database, new_id)
        return Backfill(store, self._windows, self.metering, self._changed)

    @cached_property
    def meters(self) -> "Meters":
        """Defines them; what they count of the past is computed in the background."""
        from shared.adapters.postgres.meters import PostgresMeters
        from shared.adapters.postgres.tenants import PostgresTenants
        from shared.service.meters import Meters

        return Meters(
            meters=PostgresMeters(self._database),
            tenants=PostgresTenants(self._database),
            payloads_complete_from=self._windows.payloads_complete_from,
            clock=system_clock,
            new_id=new_id,
            changed=self.computing.wake,
        )

    def folded(self) -> None:
        """Something was folded, perhaps by older meters than there are."""
        if self.known.are_any:
            self.computing.wake()

    def freshen(self, tenant_id: UUID) -> None:
        """Before the tenant's windows are read."""
        self.backfill.freshen(tenant_id)

    def catch_up(self) -> None:
        """A slice now, and the rest in the background."""
        if self.backfill.run():
            self.computing.wake()

    def _compute(self) -> float | None:
        return 0.0 if self.backfill.run() else None
