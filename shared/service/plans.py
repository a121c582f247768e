"""Pricing plans to be had, and who has which from when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.period import (
    grid_instant,
    month_of,
    next_grid_instant,
    next_month_start,
    period_start_from,
)
from shared.domain.plan import Plan, PlanVersion, Subscription, in_force, upcoming
from shared.domain.plan_change import SYSTEM, subscription_changes
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.ports import Clock, PlanStore, SubscriptionBook, TenantDirectory


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """The plan a tenant has at `as_of`, in which version, and the one it changes to, where there are such;
    and all its subscriptions in order of time."""

    tenant: Tenant
    current: Subscription | None
    upcoming: Subscription | None
    version: PlanVersion | None
    history: Sequence[Subscription]
    as_of: datetime = field(compare=False)


class Plans:
    """Who has which plan. A plan is found by UUID, or by name, among those a tenant may have."""

    def __init__(self, *, plans: PlanStore, tenants: TenantDirectory, clock: Clock) -> None:
        self._plans = plans
        self._tenants = tenants
        self._clock = clock

    def now(self) -> datetime:
        return self._clock()

    def list(self, tenant_ref: str | None, *, limit: int, after: UUID | None = None) -> Sequence[Plan]:
        """The shared plans, with the tenant's own where one is named, in order of id. Raises NotFound."""
        tenant_id = None if tenant_ref is None else self._tenant(tenant_ref).id
        return self._plans.list(tenant_id=tenant_id, limit=limit, after=after)

    def get(self, plan_ref: str, tenant_ref: str | None = None) -> Plan:
        """A shared plan, or the tenant's own where one is named. Raises NotFound."""
        return self._plan(plan_ref, None if tenant_ref is None else self._tenant(tenant_ref).id)

    def of_tenant(self, tenant_ref: str) -> TenantPlan:
        """Raises NotFound for an unknown tenant."""
        tenant = self._tenant(tenant_ref)
        return _tenant_plan(tenant, self._plans.subscriptions(tenant.id), self._clock())

    def assign(
        self,
        tenant_ref: str,
        plan_ref: str,
        *,
        starts_at: datetime | None = None,
        immediately: bool = False,
        who: str = SYSTEM,
    ) -> TenantPlan:
        """Give the tenant a plan: its first one from the beginning, a later one from next month on.

        With `starts_at` from the first month that begins then or later; `immediately` from that instant
        itself, the next one on the 5-minute grid where none is given. Months are those of the tenant's
        zone. What was scheduled for then or later is replaced; the plan that the tenant has by then changes
        nothing else. A start in the past is for time without a plan, up to what comes next: its usage is
        unrated, so that no bill changes. Raises NotFound for an unknown tenant or plan; Rejected for an
        inactive plan, one in another currency than the tenant's, and a start off the grid or where a plan
        has been in force.
        """
        tenant = self._tenant(tenant_ref)
        plan = self._plan(plan_ref, tenant.id)
        if not plan.active:
            raise Rejected.because("plan_id", f"plan {plan.name!r} is not active")
        if plan.currency != tenant.currency:
            raise Rejected.because(
                "plan_id", f"plan {plan.name!r} is in {plan.currency}, the tenant in {tenant.currency}"
            )

        def subscribe(book: SubscriptionBook, now: datetime) -> datetime | None:
            history = book.history()
            at = _start(history, now, ZoneInfo(tenant.timezone), starts_at, immediately)
            if at is None or at >= next_grid_instant(now):
                book.cancel_from(at)
                held = _last(book.history())
                if held is not None and held.plan.id == plan.id:
                    return at
            else:
                if in_force(history, at) is not None:
                    _not_before(next_grid_instant(now), "starts_at", at)
                book.cancel_at(at)
            book.add(Subscription(at, plan))
            return at

        return self._change(tenant, who, subscribe)

    def end(self, tenant_ref: str, *, ends_at: datetime | None = None, who: str = SYSTEM) -> TenantPlan:
        """Have no plan from `ends_at` on (the end of this month, where none is given): usage is unrated then.

        What was scheduled for then or later is cancelled. Raises NotFound for an unknown tenant; Rejected
        where no plan is in force until then, and for an instant off the grid or in the past.
        """
        tenant = self._tenant(tenant_ref)

        def end(book: SubscriptionBook, now: datetime) -> datetime:
            at = (
                next_month_start(now, ZoneInfo(tenant.timezone))
                if ends_at is None
                else grid_instant("ends_at", ends_at)
            )
            _not_before(next_grid_instant(now), "ends_at", at)
            book.cancel_from(at)
            if _last(book.history()) is None:
                raise Rejected.because("ends_at", "no plan is in force until then")
            book.end(at)
            return at

        return self._change(tenant, who, end)

    def cancel(self, tenant_ref: str, starts_at: datetime, *, who: str = SYSTEM) -> TenantPlan:
        """Take back what is to start or to end at `starts_at`: what is in force before goes on.

        Raises NotFound for an unknown tenant and where nothing changes then, Conflict where it has
        already.
        """
        tenant = self._tenant(tenant_ref)

        def cancel(book: SubscriptionBook, now: datetime) -> datetime:
            changing = [s for s in book.history() if starts_at in (s.starts_at, s.ends_at)]
            if not changing:
                raise NotFound.because("starts_at", "no subscription starts or ends then")
            if starts_at <= now:
                raise Conflict.because("starts_at", "has passed: end the subscription, or begin another one")
            book.cancel_at(starts_at)
            ends_at = changing[-1].ends_at
            if ends_at is not None and in_force(book.history(), starts_at) is None:
                book.cancel_at(ends_at)  # the end of what is not to begin
            return starts_at

        return self._change(tenant, who, cancel)

    def _change(
        self,
        tenant: Tenant,
        who: str,
        change: Callable[[SubscriptionBook, datetime], datetime | None],
    ) -> TenantPlan:
        """Do it, note what it was, and have restated what had accrued since the month in which it is."""
        now = self._clock()
        with self._plans.changing(tenant.id) as book:
            before = book.history()
            at = change(book, now)
            after = book.history()
            changes = tuple(subscription_changes(tenant.id, before, after, now, who))
            for one in changes:
                book.note(one)
            if changes:
                book.restate(None if at is None else month_of(at, ZoneInfo(tenant.timezone)).start)
            return _tenant_plan(tenant, after, now)

    def _tenant(self, ref: str) -> Tenant:
        tenant = self._tenants.find(ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {ref[:TEXT_MAX]!r}")
        return tenant

    def _plan(self, ref: str, tenant_id: UUID | None) -> Plan:
        plan = self._plans.find(ref, tenant_id=tenant_id)
        if plan is None:
            raise NotFound.because("plan_id", f"no plan {ref[:TEXT_MAX]!r}")
        return plan


def _tenant_plan(tenant: Tenant, history: Sequence[Subscription], now: datetime) -> TenantPlan:
    current = in_force(history, now)
    month = month_of(now, ZoneInfo(tenant.timezone))
    version = current.version_at(now, month.start) if current else None
    return TenantPlan(tenant, current, upcoming(history, now), version, history, now)


def _start(
    history: Sequence[Subscription],
    now: datetime,
    zone: ZoneInfo,
    starts_at: datetime | None,
    immediately: bool,
) -> datetime | None:
    if starts_at is not None:
        at = grid_instant("starts_at", starts_at)
        return at if immediately else period_start_from(at, zone)
    if not any(subscription.has_started(now) for subscription in history):
        return None
    return next_grid_instant(now) if immediately else next_month_start(now, zone)


def _not_before(earliest: datetime, field: str, at: datetime) -> None:
    if at < earliest:
        raise Rejected.because(
            field, f"must not change what is rated already; the earliest is {earliest:%Y-%m-%dT%H:%M:%SZ}"
        )


def _last(history: Sequence[Subscription]) -> Subscription | None:
    """What goes on after all there is."""
    return history[-1] if history and history[-1].ends_at is None else None
