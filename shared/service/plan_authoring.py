"""Pricing plans as sellers make them: created, changed by versions, renamed, deactivated."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.errors import NotFound, Rejected
from shared.domain.new_plan import name_faults, read_plan, read_version
from shared.domain.period import next_grid_instant
from shared.domain.plan import Plan
from shared.domain.plan_change import (
    PlanChange,
    plan_changed,
    plan_created,
    plan_deleted,
    version_added,
)
from shared.domain.rating.kinds import Price
from shared.domain.usage import TEXT_MAX
from shared.service.meters import MeterStore, meter_faults
from shared.service.ports import Clock, NewId, PlanStore, TenantDirectory

_MONTH_MAX = timedelta(days=32)


class PlanAuthoring:
    """The use cases of who sells by plans. A plan is found by UUID, whosever it is, or by name among the
    shared ones and those of the tenant that is named."""

    def __init__(
        self,
        *,
        plans: PlanStore,
        tenants: TenantDirectory,
        clock: Clock,
        new_id: NewId,
        meters: MeterStore | None = None,
    ) -> None:
        self._plans = plans
        self._tenants = tenants
        self._clock = clock
        self._new_id = new_id
        self._meters = meters

    def now(self) -> datetime:
        return self._clock()

    def get(self, ref: str, tenant_ref: str | None = None) -> Plan:
        """Raises NotFound."""
        plan_id = _uuid(ref)
        tenant_id = None if tenant_ref is None else self._tenant_id(tenant_ref)
        plan = self._plans.get(plan_id) if plan_id else self._plans.find(ref, tenant_id=tenant_id)
        if plan is None:
            raise NotFound.because("plan", f"no plan {ref[:TEXT_MAX]!r}")
        return plan

    def create(self, document: Mapping[str, object], *, who: str) -> Plan:
        """A plan as `read_plan` reads it. Raises Rejected with every fault, Conflict for a taken name."""
        now = self._clock()
        plan = read_plan(document, id=self._new_id(), created_at=now, find_tenant=self._tenants.find)
        self._require_meters(plan, plan.prices, document)
        self._plans.add(plan, plan_created(plan, now, who))
        return plan

    def change(self, plan_id: UUID, *, name: str | None, active: bool | None, who: str) -> Plan:
        """Rename, deactivate or activate a plan. Who has an inactive one keeps it.

        Raises NotFound, Rejected, and Conflict where the name is taken.
        """
        if name is not None and not name.isprintable():
            raise Rejected.because("name", "must be printable")
        if name is not None and (faults := name_faults(name)):
            raise Rejected(*faults)
        with self._plans.editing(plan_id) as editor:
            plan = editor.plan
            changed = replace(
                plan,
                name=plan.name if name is None else name,
                active=plan.active if active is None else active,
            )
            if changed != plan:
                editor.save(changed)
                editor.note(plan_changed(plan, changed, self._clock(), who))
            return changed

    def add_version(self, plan_id: UUID, document: Mapping[str, object], *, who: str) -> Plan:
        """Give a plan new prices, as `read_version` reads them; nothing before now changes.

        Raises NotFound, Rejected with every fault.
        """
        with self._plans.editing(plan_id) as editor:
            now, plan = self._clock(), editor.plan
            version = read_version(document, plan, created_at=now, earliest=next_grid_instant(now))
            self._require_meters(plan, version.prices, document)
            editor.add_version(version)
            editor.note(version_added(plan, version, now, who))
            assert version.effective_from is not None
            # What an immediate version leaves of the month to the one before counts there, too.
            editor.restate(version.effective_from - (_MONTH_MAX if version.immediate else timedelta(0)))
            return plan.with_version(version)

    def delete(self, plan_id: UUID, *, who: str) -> Plan:
        """Raises NotFound, and Conflict for a plan that a tenant has, has had or is to have."""
        with self._plans.editing(plan_id) as editor:
            editor.delete()
            editor.note(plan_deleted(editor.plan, self._clock(), who))
            return editor.plan

    def history(
        self, ref: str, tenant_ref: str | None = None, *, limit: int, before: UUID | None = None
    ) -> Sequence[PlanChange]:
        """Who changed what of a plan, also of one that was deleted, the newest first. Raises NotFound."""
        plan_id = _uuid(ref)
        if plan_id is None or self._plans.get(plan_id) is not None:
            return self._plans.changes(self.get(ref, tenant_ref).id, limit=limit, before=before)
        if not self._plans.changes(plan_id, limit=1, before=None):
            raise NotFound.because("plan", f"no plan {ref[:TEXT_MAX]!r}")
        return self._plans.changes(plan_id, limit=limit, before=before)

    def _require_meters(self, plan: Plan, prices: Sequence[Price], document: Mapping[str, object]) -> None:
        """Raises Rejected for custom meters that not everybody has who may have the plan."""
        listed = document.get("prices")
        first = len(prices) - (len(listed) if isinstance(listed, list | tuple) else 0)
        faults = meter_faults(self._meters, plan.tenant_id, prices[first:])
        if faults:
            raise Rejected(*faults)

    def _tenant_id(self, ref: str) -> UUID:
        tenant = self._tenants.find(ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {ref[:TEXT_MAX]!r}")
        return tenant.id


def _uuid(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None
