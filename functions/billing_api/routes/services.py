"""Services: the functions of tenants."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.schemas.tenants import NewService, Service, ServiceList, ServiceQuery
from shared.service.tenants import Tenants

_LIST = "services"


def service_routes(tenants: Tenants) -> APIBlueprint:
    api = routes("services", "The functions of tenants")

    @api.post("/services", responses={201: Service, **problems(409, body=True)})
    def create_service(body: NewService) -> Response:
        """Register a service"""
        with blaming():
            service = tenants.create_service(
                tenant_ref=body.tenant_id, **body.model_dump(exclude={"tenant_id"})
            )
        return answer(Service.of(service), 201)

    @api.get("/services", responses={200: ServiceList, **problems()})
    def list_services(query: ServiceQuery) -> Response:
        """List services"""
        after = read_cursor(_LIST, query.cursor, UUID)
        with blaming():
            services = tenants.list_services(tenant_ref=query.tenant_id, limit=query.limit + 1, after=after)
        found, next_cursor = page(services, query.limit, lambda service: write_cursor(_LIST, str(service.id)))
        return answer(ServiceList(items=[Service.of(service) for service in found], next_cursor=next_cursor))

    return api
