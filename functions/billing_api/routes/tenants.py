"""Tenants."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.common import PageQuery
from functions.billing_api.schemas.tenants import NewTenant, Tenant, TenantList, TenantPath
from shared.service.tenants import Tenants

_LIST = "tenants"


def tenant_routes(tenants: Tenants) -> APIBlueprint:
    api = routes("tenants", "Customers of the platform")

    @api.post("/tenants", responses={201: Tenant, **problems(409, body=True)})
    def create_tenant(body: NewTenant) -> Response:
        """Register a tenant"""
        tenant = tenants.create(**body.model_dump())
        created = answer(Tenant.of(tenant), 201)
        created.headers["Location"] = f"{api.url_prefix}/tenants/{tenant.slug}"
        return created

    @api.get("/tenants", responses={200: TenantList, **problems()})
    def list_tenants(query: PageQuery) -> Response:
        """List tenants"""
        found, next_cursor = page(
            tenants.list(limit=query.limit + 1, after=read_cursor(_LIST, query.cursor, UUID)),
            query.limit,
            lambda tenant: write_cursor(_LIST, str(tenant.id)),
        )
        return answer(TenantList(items=[Tenant.of(tenant) for tenant in found], next_cursor=next_cursor))

    @api.get("/tenants/<tenant>", responses={200: Tenant, **problems(404)})
    def get_tenant(path: TenantPath) -> Response:
        """Find a tenant by its UUID, slug or alias"""
        return answer(Tenant.of(tenants.get(path.tenant, field="tenant")))

    return api
