"""What stands behind a line: the windows that it was rated from, and the parts that these were made of."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.aggregate import Series, SeriesName, aggregate, group, names_of
from shared.domain.errors import NotFound, Rejected
from shared.domain.facts import WindowFacts
from shared.domain.meters import METERS, Meter
from shared.domain.period import Period
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.domain.windows import WindowSize
from shared.service.billing import bill_period
from shared.service.ports import Clock, StoredPayload, TenantDirectory, UsageDecoder


class WindowPlace(NamedTuple):
    """Where a window stands among those that cover a span: no two of a series begin together."""

    window_start: datetime
    service_id: UUID
    revision_id: UUID


@dataclass(frozen=True, slots=True)
class CoveringWindow:
    """A window that a span is covered with, of one revision of a service."""

    size: WindowSize
    place: WindowPlace
    name: SeriesName
    facts: WindowFacts


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


class EvidenceView(Protocol):
    """What is stored of one tenant, in one snapshot. Only the payloads hold records."""

    def service_name(self, tenant_id: UUID, service_id: UUID) -> tuple[str, str] | None:
        """Its namespace and name."""

    def total(self, tenant_id: UUID, span: Period, service_id: UUID | None) -> WindowFacts:
        """All that the span holds, without the sketch."""

    def windows(
        self,
        tenant_id: UUID,
        span: Period,
        service_id: UUID | None,
        fact: str,
        *,
        limit: int,
        after: WindowPlace | None,
    ) -> Sequence[CoveringWindow]:
        """The fewest windows that cover the span and hold anything of `fact`, in order, from the one behind
        `after`."""

    def parts(
        self, tenant_id: UUID, span: Period, *, limit: int, after: PartPlace | None
    ) -> Sequence[StoredPart]:
        """Parts that touch the span, void ones too, in order, from the one behind `after`."""

    def payloads(self, tenant_id: UUID, part: StoredPart) -> Sequence[StoredPayload]: ...


class EvidenceReader(Protocol):
    def snapshot(self) -> AbstractContextManager[EvidenceView]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """The quantity of a meter over [start, end), of all services of a tenant or of one."""

    tenant_ref: str
    meter: str
    start: datetime
    end: datetime
    service_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class WindowPage:
    """Windows; `quantity` is that of the whole span, which all pages sum to."""

    meter: Meter
    quantity: Fraction
    windows: Sequence[CoveringWindow]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class PartEvidence:
    """A part, and how many records of the span it has, and what they come to: nothing where they lie beside
    it. Of a void part it is what it would count."""

    part: StoredPart
    records: int
    quantity: Fraction


@dataclass(frozen=True, slots=True)
class PartPage:
    meter: Meter
    parts: Sequence[PartEvidence]
    as_of: datetime


class _Found(NamedTuple):
    """What evidence is wanted of, once its names are known."""

    tenant: Tenant
    meter: Meter
    span: Period
    as_of: datetime


class Evidence:
    """Shows what was stored. `fold` is asked to fold all that the tenant has sent before it is read, so that
    windows hold all parts."""

    def __init__(
        self,
        *,
        tenants: TenantDirectory,
        reader: EvidenceReader,
        fold: Callable[[UUID], object],
        decode: UsageDecoder,
        clock: Clock,
    ) -> None:
        self._tenants = tenants
        self._reader = reader
        self._fold = fold
        self._decode = decode
        self._clock = clock

    def windows(self, wanted: Wanted, *, limit: int, after: WindowPlace | None = None) -> WindowPage:
        """Raises Rejected with every fault."""
        tenant, meter, span, as_of = self._find(wanted)
        service_id = wanted.service_id
        with self._reader.snapshot() as view:
            _service_name(view, tenant.id, service_id)
            total = view.total(tenant.id, span, service_id)
            windows = view.windows(tenant.id, span, service_id, meter.fact, limit=limit, after=after)
            return WindowPage(meter, meter.quantity(total), windows, as_of)

    def parts(self, wanted: Wanted, *, limit: int, after: PartPlace | None = None) -> PartPage:
        """Raises Rejected with every fault. The records of one part at a time are in memory."""
        found = self._find(wanted)
        tenant_id = found.tenant.id
        with self._reader.snapshot() as view:
            service = _service_name(view, tenant_id, wanted.service_id)
            parts = [
                PartEvidence(part, *self._counted(view.payloads(tenant_id, part), found, service))
                for part in view.parts(tenant_id, found.span, limit=limit, after=after)
            ]
            return PartPage(found.meter, parts, found.as_of)

    def _find(self, wanted: Wanted) -> _Found:
        refusals: list[Rejected] = []
        tenant, meter = self._tenants.find(wanted.tenant_ref), METERS.get(wanted.meter)
        if tenant is None:
            refusals.append(NotFound.because("tenant_id", f"no tenant {wanted.tenant_ref[:TEXT_MAX]!r}"))
        if meter is None:
            refusals.append(Rejected.because("meter", f"no such meter; known are {', '.join(METERS)}"))
        span = None
        try:
            span = bill_period(wanted.start, wanted.end)
        except Rejected as refusal:
            refusals.append(refusal)
        if tenant is None or meter is None or span is None:
            raise Rejected(*(fault for refusal in refusals for fault in refusal.faults))
        as_of = self._clock()
        self._fold(tenant.id)
        return _Found(tenant, meter, span, as_of)

    def _counted(
        self, payloads: Sequence[StoredPayload], found: _Found, service: tuple[str, str] | None
    ) -> tuple[int, Fraction]:
        """How many records of the span there are, and what they come to."""
        facts = WindowFacts()
        for payload in payloads:
            usage = self._decode(
                payload.body.encode(), recorded_at=payload.recorded_at, received_at=payload.received_at
            )
            groups = {
                key: records
                for key, records in group(usage.records).items()
                if service is None or (key[1].namespace, key[1].service_name) == service
            }
            numbered = enumerate(names_of(groups))
            series = {name: Series(UUID(int=number), UUID(int=number)) for number, name in numbered}
            for key, of_window in aggregate(groups, series).items():
                if found.span.start <= key.start < found.span.end:
                    facts.add(of_window)
        return facts.records, found.meter.quantity(facts)


def _service_name(view: EvidenceView, tenant_id: UUID, service_id: UUID | None) -> tuple[str, str] | None:
    if service_id is None:
        return None
    name = view.service_name(tenant_id, service_id)
    if name is None:
        raise NotFound.because("service_id", f"the tenant has no service '{service_id}'")
    return name
