"""The bill of any period, from windows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache, partial
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.cost import Bill
from shared.domain.errors import Fault, NotFound, Rejected
from shared.domain.period import Period, PeriodSlice, counting_periods
from shared.domain.plan import Subscription
from shared.domain.rating.line import LineItem
from shared.domain.rating.rate import rate_segment
from shared.domain.segments import segments
from shared.domain.usage import EARLIEST, TEXT_MAX
from shared.domain.windows import read_period
from shared.service.ports import Clock, PlanStore, TenantDirectory
from shared.service.quantities import quantities_between
from shared.service.reading_ports import UsageReader, UsageTotals

_LATEST = datetime(9_000, 1, 1, tzinfo=UTC)

QuantitiesAt = Callable[[datetime], Mapping[str, Fraction]]
"""Of every meter, from the start of a counting period up to an instant in it."""


class CalculateBill:
    """Rates a tenant's usage. `fold` is asked to fold all that the tenant has sent before it is read."""

    def __init__(
        self,
        *,
        tenants: TenantDirectory,
        plans: PlanStore,
        usage: UsageReader,
        fold: Callable[[UUID], object],
        clock: Clock,
    ) -> None:
        self._tenants = tenants
        self._plans = plans
        self._usage = usage
        self._fold = fold
        self._clock = clock

    def calculate(self, tenant_ref: str, start: datetime, end: datetime) -> Bill:
        """The bill of [start, end), which states the period it used (see `windows.read_period`).

        Raises NotFound for an unknown tenant; Rejected where a bound is off the grid, naming the nearest,
        where there is usage while no plan is in force, which is unrated and never zero, and where no plan
        is in force at all.
        """
        tenant = self._tenants.find(tenant_ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {tenant_ref[:TEXT_MAX]!r}")
        period = bill_period(start, end)
        zone = ZoneInfo(tenant.timezone)
        slices = counting_periods(*period, zone)
        history = self._plans.subscriptions(tenant.id)
        as_of = self._clock()
        self._fold(tenant.id)
        with self._usage.snapshot() as usage:
            lines = rate_period(slices, history, partial(used_in, usage, tenant.id, zone))
        return Bill(tenant, period, lines, as_of)


def bill_period(start: datetime, end: datetime) -> Period:
    """The period that was meant. Raises Rejected as `windows.read_period`, and for years without usage."""
    period = Period(*read_period(start, end))
    # Usage is never older; and near the end of the calendar a zone's local date may not exist.
    if period.start < EARLIEST or period.end > _LATEST:
        raise Rejected.because(
            "period_start", f"must lie between the years {EARLIEST.year} and {_LATEST.year}"
        )
    return period


def used_in(usage: UsageTotals, tenant_id: UUID, zone: ZoneInfo, part: PeriodSlice) -> QuantitiesAt:
    """What the tenant of `zone` used in the counting period of `part`, up to any instant in it."""

    @cache
    def quantities_at(at: datetime) -> Mapping[str, Fraction]:
        return quantities_between(usage, tenant_id, part.counting.start, at, zone)

    return quantities_at


def rate_period(
    slices: Sequence[PeriodSlice],
    history: Sequence[Subscription],
    used: Callable[[PeriodSlice], QuantitiesAt],
) -> tuple[LineItem, ...]:
    """The lines of a period that is cut into `slices`. Raises Rejected for usage that no plan is in force
    for, and where no plan is in force at all."""
    unrated: list[Fault] = []
    lines = [line for part in slices for line in _lines(part, history, used(part), unrated)]
    if unrated or not lines:
        raise Rejected(*(unrated or [_unrated(slices[0].start, slices[-1].end)]))
    return tuple(lines)


def _lines(
    part: PeriodSlice,
    history: Sequence[Subscription],
    quantities_at: QuantitiesAt,
    unrated: list[Fault],
) -> list[LineItem]:
    """The lines of a part of a counting period; usage that no plan is in force for is put to `unrated`."""
    lines: list[LineItem] = []
    for segment in segments(part.counting, history):
        start, end = max(segment.start, part.start), min(segment.end, part.end)
        if start >= end:
            continue
        if segment.plan is not None:
            before, after = ((at, quantities_at(at)) for at in (start, end))
            lines += rate_segment(segment, before, after, quantities_at)
        elif quantities_at(start) != quantities_at(end):
            unrated.append(_unrated(start, end))
    return lines


def _unrated(start: datetime, end: datetime) -> Fault:
    span = f"{start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}"
    said = f"unrated: no pricing plan is in force on {start:%Y-%m-%d} ({span})"
    return Fault("period_start", f"{said}; give the tenant one")
