"""Custom meters as their users define them: created, given new versions, looked at."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.errors import Fault, NotFound, Rejected
from shared.domain.meter_definition import MeterDefinition, MeterVersion
from shared.domain.metering.document import read_meter, read_version
from shared.domain.meters import CUSTOM, METERS
from shared.domain.rating.per_event import PerEvent
from shared.domain.usage import TEXT_MAX
from shared.domain.windows import WindowSize, floor
from shared.service.ports import Clock, NewId, TenantDirectory


class MeterProgress(NamedTuple):
    """How far payloads of before a version was added are computed: for how many `tenants` there was anything
    to do, and for how many it is `done`.

    `next_day` is the first UTC day that is not computed for everybody; `computable_from` is set where
    payloads are gone that would have been needed.
    """

    version: int
    tenants: int
    done: int
    next_day: date | None
    computable_from: date | None


class MeterStore(Protocol):
    def add(self, meter: MeterDefinition) -> None:
        """With what there is to compute of the past. Raises Conflict where a tenant would have two meters of
        the name, Unavailable where folds were in the way."""

    def add_version(self, meter: MeterDefinition, version: MeterVersion) -> MeterDefinition:
        """The meter with it. Raises Conflict where the meter is not as it is given any more."""

    def find(self, name: str, tenant_id: UUID | None) -> MeterDefinition | None:
        """Among those of all tenants, and of the one named."""

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[MeterDefinition]:
        """The same, in order of id, from the one behind `after`."""

    def progress(self, meter_id: UUID) -> Sequence[MeterProgress]:
        """Of versions that reach into the past, in order."""

    def first_used(self, tenant_id: UUID | None, since: datetime | None) -> Sequence[tuple[UUID, datetime]]:
        """The first UTC day with usage, `since` then, of the tenant or of each."""


class Meters:
    """A meter is found by name, among those of all tenants and of the one that is named.

    `payloads_complete_from` is that of the WindowStore; `changed` is called when there may be something to
    compute.
    """

    def __init__(
        self,
        *,
        meters: MeterStore,
        tenants: TenantDirectory,
        payloads_complete_from: Callable[[UUID], datetime | None],
        clock: Clock,
        new_id: NewId,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._meters = meters
        self._tenants = tenants
        self._payloads_complete_from = payloads_complete_from
        self._clock = clock
        self._new_id = new_id
        self._changed = changed

    def create(self, document: Mapping[str, object]) -> MeterDefinition:
        """A meter as `read_meter` reads it, which counts usage of the past too, from its `effective_from` on.

        Raises Rejected with every fault, and where payloads that it would count are gone, Conflict for a
        name that is taken.
        """
        meter = read_meter(
            document, id=self._new_id(), created_at=self._clock(), find_tenant=self._tenants.find
        )
        self._require_payloads(meter, meter.versions[0])
        self._meters.add(meter)
        self._changed()
        return meter

    def add_version(
        self, name: str, tenant_ref: str | None, document: Mapping[str, object]
    ) -> MeterDefinition:
        """Have a meter count otherwise from a UTC day on. Raises as `create`, and NotFound."""
        meter = self.get(name, tenant_ref)
        version = read_version(document, meter, created_at=self._clock())
        self._require_payloads(meter, version)
        changed = self._meters.add_version(meter, version)
        self._changed()
        return changed

    def get(self, name: str, tenant_ref: str | None = None) -> MeterDefinition:
        """Raises NotFound."""
        meter = self._meters.find(name.removeprefix(CUSTOM), self._tenant_id(tenant_ref))
        if meter is None:
            raise NotFound.because("meter", f"no meter {name[:TEXT_MAX]!r}")
        return meter

    def list(
        self, tenant_ref: str | None, *, limit: int, after: UUID | None = None
    ) -> Sequence[MeterDefinition]:
        """Raises NotFound for an unknown tenant."""
        return self._meters.list(tenant_id=self._tenant_id(tenant_ref), limit=limit, after=after)

    def progress(self, meter: MeterDefinition) -> Sequence[MeterProgress]:
        return self._meters.progress(meter.id)

    def _require_payloads(self, meter: MeterDefinition, version: MeterVersion) -> None:
        first: datetime | None = None
        for tenant_id, day in self._meters.first_used(meter.tenant_id, version.effective_from):
            complete_from = self._payloads_complete_from(tenant_id)
            if complete_from is not None and day < complete_from:
                computable = first_whole_day(complete_from)
                first = computable if first is None else max(first, computable)
        if first is not None:
            message = f"reaches usage that is gone; the first day that can be computed is {first:%Y-%m-%d}"
            raise Rejected.because("effective_from", message)

    def _tenant_id(self, ref: str | None) -> UUID | None:
        if ref is None:
            return None
        tenant = self._tenants.find(ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {ref[:TEXT_MAX]!r}")
        return tenant.id


def first_whole_day(complete_from: datetime) -> datetime:
    """The first UTC day all of which lies there."""
    day = floor(complete_from, WindowSize.D1)
    return day if day == complete_from else day + WindowSize.D1.length


def meter_faults(
    meters: MeterStore | None, tenant_id: UUID | None, prices: Sequence[object]
) -> Sequence[Fault]:
    """What is wrong with the custom meters that a plan's prices name: each must be defined, for all who may
    have the plan, and those that are counted together in one unit."""
    faults: list[Fault] = []
    for index, price in enumerate(prices):
        units: list[str] = []
        for field, name in _named(price):
            found = _unit(meters, tenant_id, name)
            if found is None:
                said = f"no meter {name.removeprefix(CUSTOM)!r} is defined for all who may have the plan"
                faults.append(Fault(f"prices[{index}].{field}", said))
            elif isinstance(price, PerEvent) and not _keeps_ledger(meters, tenant_id, name):
                said = f"{name} keeps no ledger that a price per event reads: define it with ledger true"
                faults.append(Fault(f"prices[{index}].{field}", said))
            elif units and found != units[0]:
                said = f"counts another unit ({found}) than the first meter ({units[0]})"
                faults.append(Fault(f"prices[{index}].{field}", said))
            else:
                units.append(found)
    return faults


def _unit(meters: MeterStore | None, tenant_id: UUID | None, name: str) -> str | None:
    if not name.startswith(CUSTOM):
        return METERS[name].unit
    meter = meters.find(name.removeprefix(CUSTOM), tenant_id) if meters else None
    return None if meter is None else meter.unit


def _keeps_ledger(meters: MeterStore | None, tenant_id: UUID | None, name: str) -> bool:
    meter = meters.find(name.removeprefix(CUSTOM), tenant_id) if meters else None
    return meter is not None and meter.has_ledger


def _named(price: object) -> list[tuple[str, str]]:
    meters: Sequence[str] = getattr(price, "meters", ())
    if meters:
        return [(f"meters[{index}]", name) for index, name in enumerate(meters)]
    meter: str = getattr(price, "meter", "")
    return [("meter", meter)] if meter else []
