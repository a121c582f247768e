"""Pricing plans, and who has which."""

from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.routes.plan_authoring import add_authoring
from functions.billing_api.schemas.plans import (
    PlanChoice,
    PlanEnd,
    PlanQuery,
    PricingPlan,
    PricingPlanList,
    SubscriptionList,
    SubscriptionPath,
    TenantPlan,
)
from functions.billing_api.schemas.tenants import TenantPath
from shared.domain.errors import Rejected
from shared.domain.new_plan import IMMEDIATELY
from shared.service.plan_authoring import PlanAuthoring
from shared.service.plans import Plans
from shared.service.tenants import Tenants

_LIST = "pricing-plans"


def plan_routes(tenants: Tenants, plans: Plans, authoring: PlanAuthoring) -> APIBlueprint:
    api = routes("pricing", "Price lists, and who has which")
    add_authoring(api, tenants, authoring)

    @api.get("/pricing-plans", responses={200: PricingPlanList, **problems()})
    def list_pricing_plans(query: PlanQuery) -> Response:
        """List pricing plans"""
        after = read_cursor(_LIST, query.cursor, UUID)
        with blaming():
            ready = plans.list(query.tenant_id, limit=query.limit + 1, after=after)
        found, next_cursor = page(ready, query.limit, lambda plan: write_cursor(_LIST, str(plan.id)))
        now = plans.now()
        items = [PricingPlan.of(plan, plan.newest(now)) for plan in found]
        return answer(PricingPlanList(items=items, next_cursor=next_cursor))

    @api.get("/tenants/<tenant>/pricing-plan", responses={200: TenantPlan, **problems(404)})
    def get_tenant_plan(path: TenantPath) -> Response:
        """Which plan a tenant has, and which it changes to"""
        tenant = tenants.get(path.tenant, field="tenant")
        return answer(TenantPlan.of(plans.of_tenant(str(tenant.id))))

    @api.put("/tenants/<tenant>/pricing-plan", responses={200: TenantPlan, **problems(404, body=True)})
    def assign_tenant_plan(path: TenantPath, body: PlanChoice) -> Response:
        """Give a tenant a plan: its first from the beginning, a later one from its next month on"""
        tenant = tenants.get(path.tenant, field="tenant")
        field, ref = _chosen(body)
        with blaming(plan_id=field):
            has = plans.assign(
                str(tenant.id),
                ref,
                starts_at=body.starts_at,
                immediately=body.applies == IMMEDIATELY,
                who=g.caller.name,
            )
        return answer(TenantPlan.of(has))

    @api.post("/tenants/<tenant>/pricing-plan/end", responses={200: TenantPlan, **problems(404, body=True)})
    def end_tenant_plan(path: TenantPath, body: PlanEnd) -> Response:
        """Have a tenant's plan end: usage after that is unrated"""
        tenant = tenants.get(path.tenant, field="tenant")
        return answer(TenantPlan.of(plans.end(str(tenant.id), ends_at=body.ends_at, who=g.caller.name)))

    @api.get("/tenants/<tenant>/subscriptions", responses={200: SubscriptionList, **problems(404)})
    def list_tenant_subscriptions(path: TenantPath) -> Response:
        """List the plans a tenant had, has and is to have"""
        tenant = tenants.get(path.tenant, field="tenant")
        return answer(SubscriptionList.of(plans.of_tenant(str(tenant.id))))

    @api.delete(
        "/tenants/<tenant>/subscriptions/<starts_at>", responses={200: TenantPlan, **problems(404, 409)}
    )
    def cancel_tenant_subscription(path: SubscriptionPath) -> Response:
        """Take back what is to start or to end at an instant to come"""
        tenant = tenants.get(path.tenant, field="tenant")
        return answer(TenantPlan.of(plans.cancel(str(tenant.id), path.starts_at, who=g.caller.name)))

    return api


def _chosen(body: PlanChoice) -> tuple[str, str]:
    named = (("plan_id", body.plan_id), ("plan", body.plan))
    given = [(name, ref) for name, ref in named if ref is not None]
    if len({ref for _, ref in given}) != 1:
        raise Rejected.because("plan_id", "name one plan, by plan_id or by plan")
    return given[0]
