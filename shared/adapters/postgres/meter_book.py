"""The meters in force, as whoever accepts usage knows them: asked for anew every few seconds."""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING
from uuid import UUID

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.domain.aggregate import Series, SeriesName
from shared.domain.errors import Unavailable
from shared.domain.usage import Part
from shared.service.meter_ports import Metered

if TYPE_CHECKING:  # imported once there is a meter, so that without any nobody waits for it
    from shared.domain.meter_definition import MeterDefinition
    from shared.service.metering import Metering

logger = logging.getLogger(__name__)


class PostgresUsageMeters:
    """UsageMeters. `metering` is asked for when the first tenant has a meter. What is accepted by older
    meters than there are is computed anew; see `meter_stale_day`.

    Usage is accepted whatever becomes of its meters: where they fail, none are known, and the day is computed
    anew later.
    """

    def __init__(self, database: Database, registry: Registry, metering: "Callable[[], Metering]") -> None:
        self._database = database
        self._registry = registry
        self._metering = metering
        self._lock = Lock()
        self._revision = 0
        self._shared: Sequence[MeterDefinition] = ()
        self._own: Mapping[UUID, Sequence[MeterDefinition]] = {}

    def metered(self, part: Part, series: Mapping[SeriesName, Series]) -> Metered:
        revision, meters = self._known(part.tenant_id)
        if not meters:
            return Metered(revision)
        try:
            return Metered(revision, self._metering().of_part(part, meters, series))
        except Unavailable:
            raise
        except Exception:
            logger.exception("the meters of tenant %s cannot be computed as usage comes", part.tenant_id)
            return Metered()

    @property
    def are_any(self) -> bool:
        """Whether any meter is known."""
        return self._revision > 0

    def _known(self, tenant_id: UUID) -> "tuple[int, Sequence[MeterDefinition]]":
        if self._registry.known().meters != self._revision:
            self._load()
        with self._lock:
            if not self._revision:
                return 0, ()
            return self._revision, (*self._shared, *self._own.get(tenant_id, ()))

    def _load(self) -> None:
        from shared.adapters.postgres.meter_rows import SELECTED, meter_of

        # In one statement: what is known must be all there was at that revision.
        with self._database.statement() as connection:
            rows = connection.execute(
                f"SELECT r.revision, {SELECTED} FROM meter_registry r, meter m ORDER BY m.id".encode()
            ).fetchall()
        shared: list[MeterDefinition] = []
        own: dict[UUID, list[MeterDefinition]] = {}
        for _, *fields in rows:
            meter = meter_of(fields)
            (shared if meter.tenant_id is None else own.setdefault(meter.tenant_id, [])).append(meter)
        with self._lock:
            self._revision = max((revision for revision, *_ in rows), default=0)
            self._shared, self._own = shared, own
