"""What stands behind lines as it is stored, and what is needed of the store, as protocols."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from shared.domain.aggregate import SeriesName
from shared.domain.dimensions import Declarations
from shared.domain.facts import WindowFacts
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.windows import MeterFacts
from shared.domain.period import Period
from shared.domain.rating.selection import EVERYWHERE, Where
from shared.domain.windows import WindowSize
from shared.service.ports import StoredPayload

NO_DIMENSIONS: Final = UUID(int=0)
_Facts = TypeVar("_Facts", WindowFacts, MeterFacts)


class WindowPlace(NamedTuple):
    """Where a window stands among those that cover a span: no two begin together of a series, or of a
    revision with these dimensions."""

    window_start: datetime
    service_id: UUID
    revision_id: UUID
    dimensions_key: UUID = NO_DIMENSIONS


@dataclass(frozen=True, slots=True)
class CoveringWindow(Generic[_Facts]):
    """A window that a span is covered with, of one revision of a service and values of dimensions."""

    size: WindowSize
    place: WindowPlace
    revision_id: UUID
    name: SeriesName
    facts: _Facts


class PartPlace(NamedTuple):
    """Where a part stands among those that touch a span: by the time it touches, and its key."""

    touches_from: datetime
    touches_until: datetime
    event_key: UUID
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What was accepted under one identity, without its records."""

    place: PartPlace
    source: str
    id: str
    recorded_at: datetime
    is_void: bool


@dataclass(frozen=True, slots=True)
class Scope:
    """What counts: spans on the grid, in order and apart from each other, none where nothing of a band lies
    in the time; of series of these values of dimensions; of all services of a tenant, or of one."""

    tenant_id: UUID
    spans: tuple[Period, ...]
    where: Where = EVERYWHERE
    service_id: UUID | None = None

    @property
    def whole(self) -> Period:
        """From the first span to the last, of which there is one, with what lies between them."""
        return Period(self.spans[0].start, self.spans[-1].end)

    def holds(self, instant: datetime) -> bool:
        at = bisect_right(self.spans, instant, key=lambda span: span.start)
        return at > 0 and instant < self.spans[at - 1].end


class EvidenceView(Protocol):
    """What is stored of tenants, in one snapshot. Only the payloads hold records."""

    def service_name(self, tenant_id: UUID, service_id: UUID) -> tuple[str, str] | None:
        """Its namespace and name."""

    def meter(self, tenant_id: UUID, name: str) -> MeterDefinition | None:
        """The custom meter that prices of the tenant call so."""

    def require_known(self, scope: Scope, meter: MeterDefinition | None) -> None:
        """Raises Rejected where a meter, None for a built-in one, does not tell the dimensions apart, or is
        not computed yet for all of the time."""

    def declarations(self, tenant_id: UUID) -> Declarations: ...

    def admit(self, tenant_id: UUID, label: str, seen: Collection[str]) -> Mapping[str, str]:
        """What these values of a dimension are counted under: themselves or OTHER."""

    def admit_of(self, tenant_id: UUID, meter_id: UUID, label: str, value: str) -> str:
        """The same, of a dimension of a custom meter."""

    def total(self, scope: Scope) -> WindowFacts:
        """All of it, without the sketch."""

    def windows(
        self, scope: Scope, fact: str, *, limit: int, after: WindowPlace | None
    ) -> Sequence[CoveringWindow[WindowFacts]]:
        """The fewest windows that cover the spans and hold anything of `fact`, in order, from the one behind
        `after`."""

    def meter_windows(
        self, scope: Scope, meter: MeterDefinition, *, limit: int, after: WindowPlace | None
    ) -> Sequence[CoveringWindow[MeterFacts]]:
        """Those of a custom meter; of 5 minutes where it counts by their sums. Without single values."""

    def meter_sums(self, scope: Scope, meter: MeterDefinition) -> MeterFacts | None:
        """`sum` and `count` over all of them; None where nothing counts."""

    def parts(
        self, tenant_id: UUID, span: Period, *, limit: int, after: PartPlace | None
    ) -> Sequence[StoredPart]:
        """Parts that touch the span, void ones too, in order, from the one behind `after`."""

    def payloads(self, tenant_id: UUID, part: StoredPart) -> Sequence[StoredPayload]: ...


class EvidenceReader(Protocol):
    def snapshot(self) -> AbstractContextManager[EvidenceView]: ...
