"""Pricing plans on the wire."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    Exact,
    Input,
    Instant,
    Page,
    PageQuery,
    TenantRef,
    Text,
    Time,
)
from functions.billing_api.schemas.prices import Price, price_of
from functions.billing_api.schemas.tenants import TenantPath
from shared.domain import plan as domain
from shared.domain.new_plan import IMMEDIATELY, NEXT_PERIOD
from shared.domain.plan import Plan, PlanVersion
from shared.domain.plan_document import short_form
from shared.service.plans import TenantPlan as DomainTenantPlan

Applies = Literal["next_period", "immediately"]
APPLIES: Final[dict[bool, Applies]] = {False: NEXT_PERIOD, True: IMMEDIATELY}


class Prices(Answer):
    """`prices` holds every price, in the order of the lines they make. The flat prices and free tiers are the
    same once more, per single unit, for those that can be said so; null for the others."""

    price_per_invocation: Exact | None
    price_per_mb_ms: Exact | None
    price_per_cold_start: Exact | None
    price_per_cpu_ms: Exact | None
    free_tier_invocations: Exact | None
    free_tier_mb_ms: Exact | None
    prices: list[Price]


class PricingPlan(Prices):
    """A price list: shared by all tenants, or of one.

    The prices are those of `version`, the one that a tenant who takes the plan now begins with; of a plan
    that a tenant has, the one that it is billed by.
    """

    id: UUID
    name: str
    tenant_id: UUID | None
    currency: str
    version: int
    created_at: Time
    active: bool

    @classmethod
    def of(cls, plan: Plan, version: PlanVersion) -> Self:
        flat, _ = short_form(version.prices)
        return cls(
            id=plan.id,
            name=plan.name,
            tenant_id=plan.tenant_id,
            currency=plan.currency,
            version=version.number,
            prices=[price_of(price) for price in version.prices],
            created_at=plan.created_at,
            active=plan.active,
            **flat,
        )


class PlanQuery(PageQuery):
    """Shared plans, with the tenant's own where one is named."""

    tenant_id: TenantRef | None = None


class PricingPlanList(Page[PricingPlan]):
    """Plans in order of id."""


class PlanChoice(Input):
    """The plan to give: by its id or by its name, one of both; and from when on."""

    plan_id: Annotated[Text | None, Field(description="A plan's UUID or name.")] = None
    plan: Annotated[Text | None, Field(description="The same as plan_id.")] = None
    starts_at: Annotated[
        Instant | None,
        Field(
            description="A 5-minute instant; in the past only for time without a plan, up to what is next."
        ),
    ] = None
    applies: Annotated[
        Applies,
        Field(description="From the first month that begins at starts_at or later, or from starts_at on."),
    ] = NEXT_PERIOD


class PlanEnd(Input):
    """When a tenant is to have no plan any more: the end of its month where left out."""

    ends_at: Annotated[Instant | None, Field(description="A 5-minute instant, not in the past.")] = None


class PlanChange(Answer):
    """A plan that begins later: months are those of the tenant's zone."""

    plan: PricingPlan
    starts_at: Time

    @classmethod
    def of(cls, subscription: domain.Subscription) -> Self:
        starts_at = subscription.starts_at
        assert starts_at is not None, "only a first plan holds from the beginning"
        plan = subscription.plan
        return cls(plan=PricingPlan.of(plan, plan.newest(starts_at)), starts_at=starts_at)


class TenantPlan(Answer):
    """The plan a tenant has, and the one it changes to; null where there is none.

    `starts_at` null: the plan holds from the beginning; `ends_at` null: nothing ends it. From `ends_at` on
    there is the upcoming plan, or usage is unrated.
    """

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    plan: PricingPlan | None
    starts_at: Time | None
    ends_at: Time | None
    upcoming: PlanChange | None

    @classmethod
    def of(cls, has: DomainTenantPlan) -> Self:
        current = has.current
        plan = PricingPlan.of(current.plan, has.version) if current and has.version else None
        return cls(
            tenant_id=has.tenant.id,
            tenant=has.tenant.slug,
            plan=plan,
            starts_at=current.starts_at if current else None,
            ends_at=_end_of(current, has.upcoming) if current else None,
            upcoming=PlanChange.of(has.upcoming) if has.upcoming is not None else None,
        )


class Subscription(Answer):
    """A plan that a tenant had, has or is to have: from `starts_at` (null: the beginning) up to `ends_at`
    (null: nothing ends it)."""

    plan_id: UUID
    plan: str
    starts_at: Time | None
    ends_at: Time | None
    state: Literal["past", "current", "upcoming"]

    @classmethod
    def of(
        cls, subscription: domain.Subscription, following: domain.Subscription | None, now: datetime
    ) -> Self:
        ends_at = _end_of(subscription, following)
        has_ended = ends_at is not None and ends_at <= now
        return cls(
            plan_id=subscription.plan.id,
            plan=subscription.plan.name,
            starts_at=subscription.starts_at,
            ends_at=ends_at,
            state="past" if has_ended else "current" if subscription.has_started(now) else "upcoming",
        )


class SubscriptionList(Page[Subscription]):
    """In order of time; they never overlap, and usage between them is unrated."""

    @classmethod
    def of(cls, has: DomainTenantPlan) -> Self:
        pairs = zip(has.history, (*has.history[1:], None), strict=True)
        return cls(items=[Subscription.of(*pair, has.as_of) for pair in pairs], next_cursor=None)


class SubscriptionPath(TenantPath):
    starts_at: Annotated[Instant, Field(description="When a subscription is to start or to end.")]


def _end_of(subscription: domain.Subscription, following: domain.Subscription | None) -> datetime | None:
    """Where it ends, by itself or by what follows."""
    return subscription.ends_at or (following.starts_at if following else None)
