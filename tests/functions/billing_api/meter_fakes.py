"""Custom meters in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.domain.errors import Conflict
from shared.domain.meter_definition import MeterDefinition, MeterVersion
from shared.service.meters import MeterProgress


@dataclass
class MeterShelf:
    """MeterStore without any usage."""

    meters: dict[UUID, MeterDefinition] = field(default_factory=dict)

    def add(self, meter: MeterDefinition) -> None:
        if self.find(meter.name, meter.tenant_id) is not None:
            raise Conflict.because("name", f"there is a meter {meter.name!r} already")
        self.meters[meter.id] = meter

    def add_version(self, meter: MeterDefinition, version: MeterVersion) -> MeterDefinition:
        self.meters[meter.id] = changed = meter.with_version(version)
        return changed

    def find(self, name: str, tenant_id: UUID | None) -> MeterDefinition | None:
        found = (m for m in self.meters.values() if m.name == name and m.tenant_id in (None, tenant_id))
        return next(found, None)

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[MeterDefinition]:
        return [
            meter
            for id, meter in sorted(self.meters.items())
            if (after is None or id > after) and meter.tenant_id in (None, tenant_id)
        ][:limit]

    def progress(self, meter_id: UUID) -> Sequence[MeterProgress]:
        return []

    def first_used(self, tenant_id: UUID | None, since: datetime | None) -> Sequence[tuple[UUID, datetime]]:
        return []
