"""Pricing plans, and who has which."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.schemas.plans import (
    PlanChoice,
    PlanQuery,
    PricingPlan,
    PricingPlanList,
    TenantPlan,
)
from functions.billing_api.schemas.tenants import TenantPath
from shared.domain.errors import Rejected
from shared.service.plans import Plans
from shared.service.tenants import Tenants

_LIST = "pricing-plans"


def plan_routes(tenants: Tenants, plans: Plans) -> APIBlueprint:
    api = routes("pricing", "Price lists, and who has which")

    @api.get("/pricing-plans", responses={200: PricingPlanList, **problems()})
    def list_pricing_plans(query: PlanQuery) -> Response:
        """List pricing plans"""
        after = read_cursor(_LIST, query.cursor, UUID)
        with blaming():
            ready = plans.list(query.tenant_id, limit=query.limit + 1, after=after)
        found, next_cursor = page(ready, query.limit, lambda plan: write_cursor(_LIST, str(plan.id)))
        return answer(
            PricingPlanList(items=[PricingPlan.of(plan) for plan in found], next_cursor=next_cursor)
        )

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
            return answer(TenantPlan.of(plans.assign(str(tenant.id), ref)))

    return api


def _chosen(body: PlanChoice) -> tuple[str, str]:
    given = [(name, ref) for name, ref in body.model_dump().items() if ref is not None]
    if len({ref for _, ref in given}) != 1:
        raise Rejected.because("plan_id", "name one plan, by plan_id or by plan")
    return given[0]
