"""Pricing plans, written by who sells by them."""

from uuid import UUID

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems
from functions.billing_api.references import blaming
from functions.billing_api.schemas.plan_authoring import (
    NEW_PLAN,
    NEW_VERSION,
    PlanHistoryEntry,
    PlanHistoryList,
    PlanHistoryQuery,
    PlanOfQuery,
    PlanPatch,
    PlanPath,
    VersionedPlan,
)
from shared.domain.errors import Rejected
from shared.domain.plan import Plan
from shared.service.plan_authoring import PlanAuthoring
from shared.service.tenants import Tenants

_HISTORY = "pricing-plan-history"


def add_authoring(api: APIBlueprint, tenants: Tenants, authoring: PlanAuthoring) -> None:
    """To the routes that list plans: the operations of one address are described in one group."""

    def versioned(plan: Plan, status: int = 200) -> Response:
        return answer(VersionedPlan.of(plan, plan.newest(authoring.now())), status)

    def found(path: PlanPath, query: PlanOfQuery) -> Plan:
        return authoring.get(path.plan, _tenant_id(query, tenants))

    @api.post(
        "/pricing-plans",
        responses={201: VersionedPlan, **problems(409, body=True)},
        openapi_extensions=NEW_PLAN,
    )
    def create_pricing_plan() -> Response:
        """Create a plan, shared or of one tenant"""
        plan = authoring.create(request.get_json(), who=g.caller.name)
        created = versioned(plan, 201)
        created.headers["Location"] = f"{api.url_prefix}/pricing-plans/{plan.id}"
        return created

    @api.get("/pricing-plans/<plan>", responses={200: VersionedPlan, **problems(404)})
    def get_pricing_plan(path: PlanPath, query: PlanOfQuery) -> Response:
        """Find a plan with all its versions"""
        return versioned(found(path, query))

    @api.patch("/pricing-plans/<plan>", responses={200: VersionedPlan, **problems(404, 409, body=True)})
    def change_pricing_plan(path: PlanPath, query: PlanOfQuery, body: PlanPatch) -> Response:
        """Rename a plan, deactivate it or activate it"""
        if body.name is None and body.active is None:
            raise Rejected.because("", "name what to change: name, active or both")
        plan = found(path, query)
        return versioned(authoring.change(plan.id, name=body.name, active=body.active, who=g.caller.name))

    @api.delete("/pricing-plans/<plan>", responses={200: VersionedPlan, **problems(404, 409)})
    def delete_pricing_plan(path: PlanPath, query: PlanOfQuery) -> Response:
        """Delete a plan that nobody ever had"""
        return versioned(authoring.delete(found(path, query).id, who=g.caller.name))

    @api.post(
        "/pricing-plans/<plan>/versions",
        responses={201: VersionedPlan, **problems(404, body=True)},
        openapi_extensions=NEW_VERSION,
    )
    def add_pricing_plan_version(path: PlanPath, query: PlanOfQuery) -> Response:
        """Give a plan new prices from an instant on"""
        plan = found(path, query)
        return versioned(authoring.add_version(plan.id, request.get_json(), who=g.caller.name), 201)

    @api.get("/pricing-plans/<plan>/history", responses={200: PlanHistoryList, **problems(404)})
    def list_pricing_plan_history(path: PlanPath, query: PlanHistoryQuery) -> Response:
        """List who changed what of a plan and of the subscriptions to it"""
        before = read_cursor(_HISTORY, query.cursor, UUID)
        changes = authoring.history(
            path.plan, _tenant_id(query, tenants), limit=query.limit + 1, before=before
        )
        shown, next_cursor = page(changes, query.limit, lambda change: write_cursor(_HISTORY, str(change.id)))
        items = [PlanHistoryEntry.of(change) for change in shown]
        return answer(PlanHistoryList(items=items, next_cursor=next_cursor))


def _tenant_id(query: PlanOfQuery, tenants: Tenants) -> str | None:
    if query.tenant_id is None:
        return None
    with blaming():
        return str(tenants.get(query.tenant_id).id)
