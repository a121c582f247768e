"""The bill of any period, from windows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.cost import Bill
from shared.domain.errors import Fault, NotFound, Rejected
from shared.domain.facts import WindowFacts
from shared.domain.meters import quantities
from shared.domain.period import Period, PeriodSlice, counting_periods
from shared.domain.plan import Plan, Subscription, in_force
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import LineItem
from shared.domain.rating.rate import rate
from shared.domain.tenant import Tenant
from shared.domain.usage import EARLIEST, TEXT_MAX
from shared.domain.windows import read_period
from shared.service.ports import Clock, PlanStore, TenantDirectory, UsageReader, UsageTotals

_LATEST = datetime(9_000, 1, 1, tzinfo=UTC)


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
        or where no plan is in force: such usage is unrated, never zero.
        """
        tenant = self._tenants.find(tenant_ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {tenant_ref[:TEXT_MAX]!r}")
        period = Period(*read_period(start, end))
        _require_calendar(period)
        rated = _with_plans(
            counting_periods(*period, ZoneInfo(tenant.timezone)), self._plans.subscriptions(tenant.id)
        )
        as_of = self._clock()
        self._fold(tenant.id)
        with self._usage.snapshot() as usage:
            lines = [line for part, plan in rated for line in _lines(usage, tenant, part, plan)]
        return Bill(tenant, period, tuple(lines), as_of)


def _require_calendar(period: Period) -> None:
    """Usage is never older; and near the end of the calendar a zone's local date may not exist."""
    if period.start < EARLIEST or period.end > _LATEST:
        raise Rejected.because(
            "period_start", f"must lie between the years {EARLIEST.year} and {_LATEST.year}"
        )


def _with_plans(
    slices: Sequence[PeriodSlice], history: Sequence[Subscription]
) -> list[tuple[PeriodSlice, Plan]]:
    """Each slice with the plan in force in its counting period: the one held when that began."""
    rated: list[tuple[PeriodSlice, Plan]] = []
    faults: list[Fault] = []
    for part in slices:
        subscription = in_force(history, part.counting.start)
        if subscription is None:
            faults.append(
                Fault(
                    "period_start",
                    f"unrated: no pricing plan is in force on {part.start:%Y-%m-%d}; give the tenant one",
                )
            )
        else:
            rated.append((part, subscription.plan))
    if faults:
        raise Rejected(*faults)
    return rated


def _lines(usage: UsageTotals, tenant: Tenant, part: PeriodSlice, plan: Plan) -> tuple[LineItem, ...]:
    def cumulative(at: datetime) -> Cumulative:
        begin = part.counting.start
        facts = usage.total(tenant.id, begin, at) if begin < at else WindowFacts()
        return Cumulative(part.counting, at, quantities(facts))

    return rate(plan, cumulative(part.start), cumulative(part.end))
