"""Pricing plans: the ready ones, and who has which from when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.errors import NotFound, Rejected
from shared.domain.period import next_month_start
from shared.domain.plan import Plan, Subscription, in_force, upcoming
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.ports import Clock, PlanStore, SubscriptionBook, TenantDirectory


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """The plan a tenant has now, and the one it changes to, each where there is one."""

    tenant: Tenant
    current: Subscription | None
    upcoming: Subscription | None


class Plans:
    """The use cases around plans. A plan is found by UUID, or by name among those a tenant may have."""

    def __init__(self, *, plans: PlanStore, tenants: TenantDirectory, clock: Clock) -> None:
        self._plans = plans
        self._tenants = tenants
        self._clock = clock

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
        return self._tenant_plan(tenant, self._plans.subscriptions(tenant.id), self._clock())

    def assign(self, tenant_ref: str, plan_ref: str) -> TenantPlan:
        """Give the tenant a plan: its first one from the beginning, a later one from next month on.

        Months are those of the tenant's zone. A change scheduled before is replaced; the plan that the
        tenant has already changes nothing else. Raises NotFound for an unknown tenant or plan, Rejected
        for an inactive plan or one in another currency than the tenant's.
        """
        tenant = self._tenant(tenant_ref)
        plan = self._plan(plan_ref, tenant.id)
        if not plan.active:
            raise Rejected.because("plan_id", f"plan {plan.name!r} is not active")
        if plan.currency != tenant.currency:
            raise Rejected.because(
                "plan_id", f"plan {plan.name!r} is in {plan.currency}, the tenant in {tenant.currency}"
            )
        now = self._clock()
        with self._plans.changing(tenant.id) as book:
            _subscribe(book, plan, now, ZoneInfo(tenant.timezone))
            return self._tenant_plan(tenant, book.history(), now)

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

    @staticmethod
    def _tenant_plan(tenant: Tenant, history: Sequence[Subscription], now: datetime) -> TenantPlan:
        return TenantPlan(tenant, in_force(history, now), upcoming(history, now))


def _subscribe(book: SubscriptionBook, plan: Plan, now: datetime, zone: ZoneInfo) -> None:
    current = in_force(book.history(), now)
    book.cancel_after(now)
    if current is None:
        book.add(Subscription(None, plan))
    elif current.plan.id != plan.id:
        book.add(Subscription(next_month_start(now, zone), plan))
