"""Pricing plans on the wire."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Exact, Input, Page, PageQuery, TenantRef, Text, Time
from functions.billing_api.schemas.prices import Price, price_of
from shared.domain.plan import Plan, Subscription
from shared.domain.plan_document import short_form
from shared.service.plans import TenantPlan as DomainTenantPlan


class PricingPlan(Answer):
    """A price list: shared by all tenants, or of one.

    `prices` holds every price, in the order of the lines they make. The flat prices and free tiers are the
    same once more, per single unit, for those that can be said so; null for the others.
    """

    id: UUID
    name: str
    tenant_id: UUID | None
    currency: str
    price_per_invocation: Exact | None
    price_per_mb_ms: Exact | None
    price_per_cold_start: Exact | None
    price_per_cpu_ms: Exact | None
    free_tier_invocations: Exact | None
    free_tier_mb_ms: Exact | None
    prices: list[Price]
    created_at: Time
    active: bool

    @classmethod
    def of(cls, plan: Plan) -> Self:
        flat, _ = short_form(plan.prices)
        return cls(
            id=plan.id,
            name=plan.name,
            tenant_id=plan.tenant_id,
            currency=plan.currency,
            prices=[price_of(price) for price in plan.prices],
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
    """The plan to give: by its id or by its name, one of both."""

    plan_id: Annotated[Text | None, Field(description="A plan's UUID or name.")] = None
    plan: Annotated[Text | None, Field(description="The same as plan_id.")] = None


class PlanChange(Answer):
    """A plan that begins later: months are those of the tenant's zone."""

    plan: PricingPlan
    starts_at: Time

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        assert subscription.starts_at is not None, "only a first plan holds from the beginning"
        return cls(plan=PricingPlan.of(subscription.plan), starts_at=subscription.starts_at)


class TenantPlan(Answer):
    """The plan a tenant has, and the one it changes to; null where there is none.

    `starts_at` null: the plan holds from the beginning.
    """

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    plan: PricingPlan | None
    starts_at: Time | None
    upcoming: PlanChange | None

    @classmethod
    def of(cls, has: DomainTenantPlan) -> Self:
        return cls(
            tenant_id=has.tenant.id,
            tenant=has.tenant.slug,
            plan=PricingPlan.of(has.current.plan) if has.current is not None else None,
            starts_at=has.current.starts_at if has.current is not None else None,
            upcoming=PlanChange.of(has.upcoming) if has.upcoming is not None else None,
        )
