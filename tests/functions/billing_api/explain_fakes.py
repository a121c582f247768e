"""Usage by service, and the evidence of it, in memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from shared.domain.dimensions import Declarations
from shared.domain.facts import WindowFacts
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.windows import MeterFacts
from shared.domain.meters import METERS, quantities
from shared.domain.period import Period
from shared.domain.rating.selection import EVERYWHERE, Where
from shared.service.evidence_ports import CoveringWindow, PartPlace, Scope, StoredPart, WindowPlace
from shared.service.explain import DimensionsRef, RevisionRef, SeriesRef, ServiceRef
from shared.service.ports import StoredPayload


def series(service: str, revision: str, number: int = 1) -> SeriesRef:
    """A revision of a service, with ids made of a number."""
    return (
        ServiceRef(UUID(int=number), "default", service),
        RevisionRef(UUID(int=100 + number), revision),
        DimensionsRef(()),
    )


@dataclass
class SeriesUsage:
    """The same usage in every period, by service and revision; SeriesReader and SeriesTotals."""

    used: dict[SeriesRef, WindowFacts] = field(default_factory=dict)

    @contextmanager
    def snapshot(self) -> Iterator["SeriesUsage"]:
        yield self

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        sums = WindowFacts()
        for facts in self.used.values():
            sums.add(facts)
        return sums

    def custom(
        self, tenant_id: UUID, names: Collection[str], start: datetime, end: datetime
    ) -> Mapping[str, Fraction]:
        return {f"custom.{name}": Fraction(0) for name in names}

    def ordered(self, tenant_id: UUID, name: str, start: datetime, end: datetime) -> Sequence[Fraction]:
        return ()

    def select(
        self,
        tenant_id: UUID,
        spans: Sequence[Period],
        meter: str,
        where: Where,
        *,
        in_parts: bool = False,
    ) -> Fraction:
        if meter not in METERS or not where.holds({}):
            return Fraction(0)
        totals = (self.total(tenant_id, *span) for span in spans)
        return sum((METERS[meter].quantity(total) for total in totals), Fraction(0))

    def by_series(
        self, tenant_id: UUID, spans: Sequence[Period], where: Where = EVERYWHERE
    ) -> Mapping[SeriesRef, Mapping[str, Fraction]]:
        return {name: quantities(facts) for name, facts in self.used.items()}


@dataclass
class Shelf:
    """EvidenceReader and EvidenceView of one tenant without custom meters."""

    services: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    covering: list[CoveringWindow[WindowFacts]] = field(default_factory=list)
    stored: list[tuple[StoredPart, Sequence[StoredPayload]]] = field(default_factory=list)

    @contextmanager
    def snapshot(self) -> Iterator["Shelf"]:
        yield self

    def service_name(self, tenant_id: UUID, service_id: UUID) -> tuple[str, str] | None:
        return self.services.get(service_id)

    def meter(self, tenant_id: UUID, name: str) -> MeterDefinition | None:
        return None

    def require_known(self, scope: Scope, meter: MeterDefinition | None) -> None:
        pass

    def declarations(self, tenant_id: UUID) -> Declarations:
        return Declarations()

    def admit(self, tenant_id: UUID, label: str, seen: Collection[str]) -> Mapping[str, str]:
        return {value: value for value in seen}

    def admit_of(self, tenant_id: UUID, meter_id: UUID, label: str, value: str) -> str:
        return value

    def total(self, scope: Scope) -> WindowFacts:
        sums = WindowFacts()
        for window in self.covering:
            sums.add(window.facts)
        return sums

    def windows(
        self, scope: Scope, fact: str, *, limit: int, after: WindowPlace | None
    ) -> Sequence[CoveringWindow[WindowFacts]]:
        return [w for w in self.covering if after is None or w.place > after][:limit]

    def meter_windows(
        self, scope: Scope, meter: MeterDefinition, *, limit: int, after: WindowPlace | None
    ) -> Sequence[CoveringWindow[MeterFacts]]:
        return ()

    def meter_sums(self, scope: Scope, meter: MeterDefinition) -> MeterFacts | None:
        return None

    def parts(
        self, tenant_id: UUID, span: Period, *, limit: int, after: PartPlace | None
    ) -> Sequence[StoredPart]:
        return [part for part, _ in self.stored if after is None or part.place > after][:limit]

    def payloads(self, tenant_id: UUID, part: StoredPart) -> Sequence[StoredPayload]:
        return next(payloads for stored, payloads in self.stored if stored == part)
