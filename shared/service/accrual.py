"""Accrued cost: what each counting period has cost so far, kept as state."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from time import monotonic
from zoneinfo import ZoneInfo

from shared.domain.cost import AccruedCost
from shared.domain.errors import NotFound, Unavailable
from shared.domain.events import CostAccrued
from shared.domain.metering.quantity import Uncomputed
from shared.domain.period import Period, counting_periods
from shared.domain.plan import Subscription
from shared.domain.rating.line import LineItem
from shared.domain.rating.rate import rate_segment
from shared.domain.segments import Segment, segments
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.ports import Accrual, AccrualStore, Clock, TenantDirectory
from shared.service.quantities import quantities_between
from shared.service.sweep import SWEEP_LIMIT_S

_log = logging.getLogger(__name__)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ChangedMonth:
    """A counting period whose usage changed, with the tenant's sequence at its first and last change."""

    period: Period
    first_sequence: int
    last_sequence: int


class AccrueCost:
    """Recomputes, whole, the cost of each counting period whose windows changed.

    Nothing is added up from notices: a lost one is made good by the next, a repeated one finds nothing
    to do. What has no plan in force stays unrated, with a warning, and the cursor waits before it, so
    that it is rated by the first accrual after a plan is assigned; and so does what a custom meter has yet
    to count.
    """

    def __init__(self, *, tenants: TenantDirectory, accruals: AccrualStore, clock: Clock) -> None:
        self._tenants = tenants
        self._accruals = accruals
        self._clock = clock

    def accrue(self, tenant_ref: str) -> Sequence[AccruedCost]:
        """Bring the tenant's accrued cost up to its windows; the costs that were recomputed.

        Announces CostAccrued where an amount changed. Raises NotFound for an unknown tenant, Unavailable
        where it should be tried again.
        """
        tenant = self._tenants.find(tenant_ref)
        if tenant is None:
            raise NotFound.because("tenantid", f"no tenant {tenant_ref[:TEXT_MAX]!r}")
        as_of = self._clock()
        with self._accruals.locked(tenant.id) as accrual:
            return _accrue(accrual, tenant, as_of)

    def accrue_behind(self, *, limit_s: float = SWEEP_LIMIT_S) -> int:
        """Accrue each tenant whose usage is ahead of its accrual, whatever became of the notices; how many
        were behind.

        A tenant whose accrual fails stays behind and holds up nobody; a bug is logged. Raises Unavailable
        where a tenant should be tried again, or where more are behind after `limit_s`.
        """
        deadline = monotonic() + limit_s
        behind = self._accruals.behind()
        failures: list[Unavailable] = []
        for done, tenant_id in enumerate(behind):
            if done and monotonic() > deadline:
                left = f"{len(behind) - done} of {len(behind)} tenants"
                raise Unavailable(f"{left} are still behind after {limit_s:g} s")
            try:
                self.accrue(str(tenant_id))
            except Unavailable as failure:
                failures.append(failure)
            except Exception:
                _log.exception("the cost of tenant %s cannot be accrued", tenant_id)
        if failures:
            raise Unavailable(f"{len(failures)} of {len(behind)} tenants; the first: {failures[0]}")
        return len(behind)


def _accrue(accrual: Accrual, tenant: Tenant, as_of: datetime) -> list[AccruedCost]:
    history = accrual.subscriptions()
    months = changed_months(accrual.changed_days(), ZoneInfo(tenant.timezone))
    costs: list[AccruedCost] = []
    unrated: list[ChangedMonth] = []
    uncomputed: list[ChangedMonth] = []
    for month in months:
        try:
            cost, is_rated = _rate_month(accrual, tenant, month, history, as_of)
        except Uncomputed as unknown:
            _log.warning("tenant %s: usage is unrated: %s", tenant.slug, unknown)
            uncomputed.append(month)
            continue
        if cost is not None:
            costs.append(cost)
        if not is_rated:
            unrated.append(month)
    for cost in costs:
        _keep(accrual, tenant, cost)
    if unrated:
        _log.warning(
            "tenant %s has no pricing plan: usage of %d months is unrated, from %s on",
            tenant.slug,
            len(unrated),
            unrated[0].period.start.isoformat(),
        )
    if waiting := unrated + uncomputed:
        accrual.move_cursor(min(month.first_sequence for month in waiting) - 1)
    elif months:
        accrual.move_cursor(max(month.last_sequence for month in months))
    return costs


def _rate_month(
    accrual: Accrual,
    tenant: Tenant,
    month: ChangedMonth,
    history: Sequence[Subscription],
    as_of: datetime,
) -> tuple[AccruedCost | None, bool]:
    """The cost of the month so far, None where no plan has been in force; and whether all usage is in it."""
    begin, end = month.period
    zone = ZoneInfo(tenant.timezone)

    @cache
    def quantities_at(at: datetime) -> Mapping[str, Fraction]:
        return quantities_between(accrual, tenant.id, begin, at, zone)

    lines: list[LineItem] = []
    plan, is_rated = None, True
    for segment in segments(month.period, history):
        is_used = quantities_at(segment.start) != quantities_at(segment.end)
        if segment.plan is None:
            is_rated = is_rated and not is_used
        # A sender's clock may be ahead of ours, into what begins later.
        elif is_used or segment.start <= max(as_of, begin):
            lines += _rate_so_far(segment, quantities_at, as_of)
            plan = segment.plan
    if plan is None:
        return None, is_rated
    cost = AccruedCost(tenant.id, Period(begin, end), plan, tuple(lines), month.last_sequence, as_of)
    return cost, is_rated


def _rate_so_far(
    segment: Segment, quantities_at: Callable[[datetime], Mapping[str, Fraction]], as_of: datetime
) -> tuple[LineItem, ...]:
    """With all of its usage; but fees accrue by time, and a minimum is trued up at the end, not before."""
    now = max(segment.start, min(segment.end, as_of))
    before = segment.start, quantities_at(segment.start)
    return rate_segment(segment, before, (now, quantities_at(segment.end)), quantities_at)


def _keep(accrual: Accrual, tenant: Tenant, cost: AccruedCost) -> None:
    before = accrual.accrued_amount(cost.period.start)
    accrual.save(cost)
    if cost.amount != before:
        accrual.announce(
            CostAccrued(
                tenant_id=tenant.id,
                tenant_slug=tenant.slug,
                sequence=cost.usage_sequence,
                period_start=cost.period.start,
                period_end=cost.period.end,
                currency=cost.currency,
                amount=cost.amount,
                plan=cost.plan.name,
                as_of=cost.as_of,
            ),
            cost.as_of,
        )


def changed_months(days: Sequence[tuple[date, int]], zone: ZoneInfo) -> list[ChangedMonth]:
    """The months of `zone` that UTC days touch (a day can touch two), in order of time."""
    sequences: dict[Period, list[int]] = {}
    for day, sequence in days:
        start = datetime.combine(day, time(), UTC)
        for part in counting_periods(start, start + _DAY, zone):
            sequences.setdefault(part.counting, []).append(sequence)
    return [
        ChangedMonth(period, min(sequences[period]), max(sequences[period])) for period in sorted(sequences)
    ]
