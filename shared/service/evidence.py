"""What stands behind a line: the windows that it was rated from, and the parts that these were made of."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.errors import Fault, NotFound, Rejected
from shared.domain.meters import CUSTOM, METERS, find_meter
from shared.domain.period import Period
from shared.domain.rating.selection import ALL, Selection
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.billing import bill_period
from shared.service.dimensions import LabelReader
from shared.service.evidence_counting import BuiltIn, Counting, Custom, Shown, WindowEvidence
from shared.service.evidence_ports import (
    EvidenceReader,
    EvidenceView,
    PartPlace,
    Scope,
    StoredPart,
    WindowPlace,
)
from shared.service.metering import MeteredReader
from shared.service.ports import Clock, TenantDirectory, UsageDecoder
from shared.service.quantities import spans_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """The quantity of a meter, or of the part of it that a price counts, over [start, end), of all services
    of a tenant or of one."""

    tenant_ref: str
    meter: str
    start: datetime
    end: datetime
    service_id: UUID | None = None
    selection: Selection = ALL


@dataclass(frozen=True, slots=True)
class WindowPage:
    """Windows; `quantity` is that of all that is wanted, which all pages sum to, None where `note` says why
    windows do not add up."""

    meter: str
    unit: str
    note: str
    quantity: Fraction | None
    windows: Sequence[WindowEvidence]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class PartEvidence:
    """A part, and how many of its records count, and what they come to: nothing where they lie beside what
    is wanted. Of a void part it is what it would count."""

    part: StoredPart
    shown: Shown


@dataclass(frozen=True, slots=True)
class PartPage:
    meter: str
    unit: str
    note: str
    parts: Sequence[PartEvidence]
    as_of: datetime


class _Found(NamedTuple):
    """What evidence is wanted of, once its names are known."""

    counting: Counting
    scope: Scope
    service: tuple[str, str] | None
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
        read_labels: LabelReader,
        read_metered: MeteredReader,
        clock: Clock,
    ) -> None:
        self._tenants = tenants
        self._reader = reader
        self._fold = fold
        self._decode = decode
        self._read_labels = read_labels
        self._read_metered = read_metered
        self._clock = clock

    def windows(self, wanted: Wanted, *, limit: int, after: WindowPlace | None = None) -> WindowPage:
        """Raises Rejected with every fault."""
        with self._looking(wanted) as (view, (counting, scope, _, as_of)):
            quantity = counting.quantity(view, scope)
            windows = counting.windows(view, scope, limit=limit, after=after)
            return WindowPage(counting.name, counting.unit, counting.note, quantity, windows, as_of)

    def parts(self, wanted: Wanted, *, limit: int, after: PartPlace | None = None) -> PartPage:
        """Raises Rejected with every fault. The records of one part at a time are in memory."""
        with self._looking(wanted) as (view, (counting, scope, service, as_of)):
            stored: Sequence[StoredPart] = ()
            if scope.spans:
                stored = view.parts(scope.tenant_id, scope.whole, limit=limit, after=after)
            parts = [PartEvidence(part, counting.of_part(view, scope, part, service)) for part in stored]
            return PartPage(counting.name, counting.unit, counting.note, parts, as_of)

    @contextmanager
    def _looking(self, wanted: Wanted) -> Iterator[tuple[EvidenceView, _Found]]:
        tenant, span = self._find(wanted)
        as_of = self._clock()
        self._fold(tenant.id)
        zone = ZoneInfo(tenant.timezone)
        scope = Scope(
            tenant.id, spans_of(wanted.selection, *span, zone), wanted.selection.where, wanted.service_id
        )
        with self._reader.snapshot() as view:
            counting, service = self._named(view, tenant.id, wanted)
            if scope.spans:
                counting.require_known(view, scope)
            yield view, _Found(counting, scope, service, as_of)

    def _find(self, wanted: Wanted) -> tuple[Tenant, Period]:
        refusals: list[Rejected] = []
        tenant = self._tenants.find(wanted.tenant_ref)
        if tenant is None:
            refusals.append(NotFound.because("tenant_id", f"no tenant {wanted.tenant_ref[:TEXT_MAX]!r}"))
        if find_meter(wanted.meter) is None:
            known = f"known are {', '.join(METERS)}, {CUSTOM}<name>"
            refusals.append(Rejected.because("meter", f"no such meter; {known}"))
        span = None
        try:
            span = bill_period(wanted.start, wanted.end)
        except Rejected as refusal:
            refusals.append(refusal)
        if tenant is None or span is None or refusals:
            raise Rejected(*(fault for refusal in refusals for fault in refusal.faults))
        return tenant, span

    def _named(
        self, view: EvidenceView, tenant_id: UUID, wanted: Wanted
    ) -> tuple[Counting, tuple[str, str] | None]:
        """The meter, and the namespace and name of the service, where one is wanted."""
        faults: list[Fault] = []
        service, service_id = None, wanted.service_id
        if service_id is not None:
            service = view.service_name(tenant_id, service_id)
            if service is None:
                faults.append(Fault("service_id", f"the tenant has no service '{service_id}'"))
        counting: Counting | None = None
        if wanted.meter in METERS:
            counting = BuiltIn(METERS[wanted.meter], self._decode, self._read_labels)
        elif (meter := view.meter(tenant_id, wanted.meter.removeprefix(CUSTOM))) is not None:
            counting = Custom(meter, self._read_metered)
        else:
            faults.append(Fault("meter", f"no meter {wanted.meter!r} is defined"))
        if counting is None or faults:
            raise NotFound(*faults)
        return counting, service
