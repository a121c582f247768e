"""What somebody wants rated: whose usage or which, over what time, and by which plans."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from typing import Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.errors import Fault, NotFound, Rejected
from shared.domain.new_plan import read_plan
from shared.domain.period import Period, PeriodSlice, counting_periods, read_zone
from shared.domain.plan import Plan, Subscription
from shared.domain.rating.line import LineItem, exact_total, total
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.domain.what_if import WhatIf, read_quantities, scaled
from shared.service.billing import QuantitiesAt, bill_period, rate_period, used_in
from shared.service.catalogue import catalogue
from shared.service.ports import Clock, PlanStore, TenantDirectory
from shared.service.reading_ports import UsageTotals

UNSTORED: Final = UUID(int=0)
"""The id of a plan that is in the question only."""
_ZONE: Final = "UTC"
_T = TypeVar("_T")
_ready = cache(catalogue)


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """A plan by UUID or name (`ref`), or as who sells by it would write it (`document`); neither: the plans
    that the tenant has had. `field` is its path in what was sent."""

    ref: str | None = None
    document: Mapping[str, object] | None = None
    field: str = "plan_id"

    @property
    def is_own(self) -> bool:
        return self.ref is None and self.document is None


@dataclass(frozen=True, slots=True)
class Question:
    """Usage over [start, end), rated by each of `plans`.

    The usage is the tenant's, all of it times `factor`, or that of `quantities`, decimal strings by meter,
    evenly over the period; these need no tenant, only a time zone (UTC where none is given).
    """

    tenant_ref: str | None
    start: datetime
    end: datetime
    plans: tuple[PlanChoice, ...] = (PlanChoice(),)
    quantities: object | None = None
    factor: Decimal | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """What to rate by: a plan, as if it had been held from the beginning, or None and what the tenant has
    had."""

    plan: Plan | None
    currency: str
    history: Sequence[Subscription]


@dataclass(frozen=True, slots=True)
class Rated:
    """The lines by one candidate, in its currency."""

    by: Candidate
    lines: tuple[LineItem, ...]

    @property
    def currency(self) -> str:
        return self.by.currency

    @property
    def total(self) -> Decimal:
        return total(self.lines, self.currency)

    @property
    def exact_total(self) -> Fraction:
        return exact_total(self.lines)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that makes sense."""

    tenant: Tenant | None
    period: Period
    timezone: str
    candidates: tuple[Candidate, ...]
    what_if: WhatIf | None
    factor: Decimal | None
    as_of: datetime

    def rate(self, usage: UsageTotals | None) -> tuple[Rated, ...]:
        """By each candidate. Raises Rejected for usage that no plan is in force for."""
        slices = counting_periods(*self.period, ZoneInfo(self.timezone))
        used = self.used(usage)
        return tuple(Rated(by, rate_period(slices, by.history, used)) for by in self.candidates)

    def used(self, usage: UsageTotals | None) -> Callable[[PeriodSlice], QuantitiesAt]:
        """Of a part of a counting period, the quantities up to any instant in it. `usage` may be None where
        the quantities are those of the question."""
        if self.what_if is not None:
            return partial(partial, self.what_if.used_until)
        assert usage is not None
        assert self.tenant is not None
        tenant_id, zone, factor = self.tenant.id, ZoneInfo(self.timezone), self.factor

        @cache
        def of_tenant(part: PeriodSlice) -> QuantitiesAt:
            quantities_at = used_in(usage, tenant_id, zone, part)
            if factor is None:
                return quantities_at
            return lambda at: scaled(quantities_at(at), Fraction(factor))

        return of_tenant


class Questions:
    """Reads questions. `fold` is asked to fold all that the tenant has sent, where its usage is asked for."""

    def __init__(
        self,
        *,
        tenants: TenantDirectory,
        plans: PlanStore,
        fold: Callable[[UUID], object],
        clock: Clock,
    ) -> None:
        self._tenants = tenants
        self._plans = plans
        self._fold = fold
        self._clock = clock

    def read(self, question: Question) -> Asked:
        """Raises Rejected with every fault."""
        faults = _Faults()
        tenant = faults.of(lambda: self._tenant(question))
        period = faults.of(lambda: bill_period(question.start, question.end))
        quantities = faults.of(lambda: _quantities(question))
        timezone = faults.of(lambda: _timezone(question, tenant))
        candidates = [
            faults.of(partial(self._candidate, choice, tenant, question)) for choice in question.plans
        ]
        if faults or period is None:
            raise Rejected(*faults)
        as_of = self._clock()
        zone = ZoneInfo(timezone or _ZONE)
        what_if = None if quantities is None else WhatIf(period, quantities, zone)
        if tenant is not None and what_if is None:
            self._fold(tenant.id)
        return Asked(
            tenant=tenant,
            period=period,
            timezone=zone.key,
            candidates=tuple(filter(None, candidates)),
            what_if=what_if,
            factor=question.factor,
            as_of=as_of,
        )

    def _tenant(self, question: Question) -> Tenant | None:
        ref = question.tenant_ref
        if ref is None:
            if question.quantities is None:
                raise Rejected.because("tenant_id", "Field required")
            return None
        tenant = self._tenants.find(ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {ref[:TEXT_MAX]!r}")
        return tenant

    def _candidate(self, choice: PlanChoice, tenant: Tenant | None, question: Question) -> Candidate | None:
        if not choice.is_own:
            plan = self._written(choice) if choice.ref is None else self._found(choice, choice.ref, tenant)
            return Candidate(plan, plan.currency, (Subscription(None, plan),))
        if tenant is not None:
            return Candidate(None, tenant.currency, self._plans.subscriptions(tenant.id))
        if question.tenant_ref is None and question.quantities is not None:
            raise Rejected.because(choice.field, "is missing: without a tenant there is no plan of its own")
        return None

    def _found(self, choice: PlanChoice, ref: str, tenant: Tenant | None) -> Plan:
        stored = self._plans.find(ref, tenant_id=tenant.id if tenant else None)
        plan = stored or next((p for p in _ready().values() if ref in (p.name, str(p.id))), None)
        if plan is None:
            raise NotFound.because(choice.field, f"no plan {ref[:TEXT_MAX]!r}")
        return plan

    def _written(self, choice: PlanChoice) -> Plan:
        try:
            return read_plan(
                choice.document or {},
                id=UNSTORED,
                created_at=self._clock(),
                find_tenant=self._tenants.find,
            )
        except Rejected as refusal:
            at = choice.field
            raise Rejected(
                *(Fault(f"{at}.{f.field}" if f.field else at, f.message) for f in refusal.faults)
            ) from None


class _Faults(list[Fault]):
    """Those of all parts of a question."""

    def of(self, read: Callable[[], _T]) -> _T | None:
        """What `read` reads; None where it refuses."""
        try:
            return read()
        except Rejected as refusal:
            self += refusal.faults
            return None


def _quantities(question: Question) -> Mapping[str, Fraction] | None:
    if question.quantities is None:
        return None
    if question.factor is not None:
        raise Rejected.because("usage_factor", "is one field too many beside quantities")
    return read_quantities(question.quantities)


def _timezone(question: Question, tenant: Tenant | None) -> str:
    if question.timezone is None:
        return tenant.timezone if tenant else _ZONE
    if question.tenant_ref is not None:
        raise Rejected.because("timezone", "is the tenant's: leave it out where a tenant is named")
    return read_zone(question.timezone).key
