"""What accepting and rebuilding usage needs of custom meters; without any it imports nothing more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from shared.domain.aggregate import Series, SeriesName
from shared.domain.usage import Part

if TYPE_CHECKING:
    from shared.domain.meter_definition import MeterDefinition
    from shared.domain.metering.windows import Admit, MeterWindows
    from shared.service.ports import RebuildTransaction


class Metered(NamedTuple):
    """What a part adds to the windows of 5 minutes of custom meters, as they were at `known`: the number of
    changes that meters had seen."""

    known: int = 0
    windows: "MeterWindows | None" = None


class UsageMeters(Protocol):
    def metered(self, part: Part, series: Mapping[SeriesName, Series]) -> Metered:
        """By the meters that are known here; raises Unavailable where none can be asked for."""


class NoMeters:
    """UsageMeters where nobody defines any."""

    def metered(self, part: Part, series: Mapping[SeriesName, Series]) -> Metered:  # noqa: ARG002
        return Metered()


class DayMeters(Protocol):
    """Recomputes custom meters; see `shared.service.metering`."""

    def rebuild_day(
        self, transaction: "RebuildTransaction", tenant_id: UUID, day: datetime, since: datetime | None
    ) -> None:
        """Recompute the meter windows of a UTC day, but those that start before `since`, from the payloads
        that count and do not wait for a fold."""


class MeterDays(Protocol):
    """The meter windows of a tenant, in a transaction that holds its fold lock."""

    def definitions(self, tenant_id: UUID) -> "Sequence[MeterDefinition]": ...

    def replace(
        self,
        tenant_id: UUID,
        meter_ids: Sequence[UUID],
        start: datetime,
        end: datetime,
        windows: "MeterWindows",
    ) -> bool:
        """The windows of these meters that start in [start, end) are these now; whether that changed any."""

    def is_stale(self, tenant_id: UUID, day: datetime) -> bool: ...

    def freshen(self, tenant_id: UUID, day: datetime) -> None:
        """The day holds what all meters count."""


class DimensionRegistry(Protocol):
    def admit(self, tenant_id: UUID) -> "Admit":
        """What values of dimensions are kept under: themselves, registered on first sight, as long as there
        are not too many."""
