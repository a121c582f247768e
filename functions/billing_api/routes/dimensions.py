"""What a tenant's usage is told apart by."""

from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.dimensions import CHANGES_MAX, NewDeclaration, TenantDimensions
from functions.billing_api.schemas.tenants import TenantPath
from shared.service.dimensions import DeclareDimensions
from shared.service.tenants import Tenants


def dimension_routes(tenants: Tenants, dimensions: DeclareDimensions) -> APIBlueprint:
    api = routes("dimensions", "Labels that tell a tenant's usage apart")

    def shown(tenant_id: UUID) -> Response:
        return answer(TenantDimensions.of(dimensions.of_tenant(tenant_id, changes_max=CHANGES_MAX)))

    @api.get("/tenants/<tenant>/dimensions", responses={200: TenantDimensions, **problems(404)})
    def get_tenant_dimensions(path: TenantPath) -> Response:
        """Which labels tell a tenant's usage apart, since when, and how many values they have"""
        return shown(tenants.get(path.tenant, field="tenant").id)

    @api.put("/tenants/<tenant>/dimensions", responses={200: TenantDimensions, **problems(404, body=True)})
    def declare_tenant_dimensions(path: TenantPath, body: NewDeclaration) -> Response:
        """Have these labels tell a tenant's usage apart, from an instant to come on"""
        tenant = tenants.get(path.tenant, field="tenant")
        dimensions.declare(tenant.id, body.dimensions, effective_from=body.effective_from, who=g.caller.name)
        return shown(tenant.id)

    return api
