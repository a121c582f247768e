"""Meters that users define."""

from uuid import UUID

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.schemas.meters import (
    NEW_METER,
    NEW_METER_VERSION,
    Meter,
    MeterList,
    MeterOfQuery,
    MeterPath,
    MeterQuery,
)
from shared.domain.meter_definition import MeterDefinition
from shared.service.meters import Meters
from shared.service.tenants import Tenants

_LIST = "meters"


def meter_routes(tenants: Tenants, meters: Meters) -> APIBlueprint:
    api = routes("meters", "What usage counts for, defined beside the built-in meters")

    def shown(meter: MeterDefinition) -> Meter:
        return Meter.of(meter, {progress.version: progress for progress in meters.progress(meter)})

    @api.post("/meters", responses={201: Meter, **problems(409, body=True)}, openapi_extensions=NEW_METER)
    def create_meter() -> Response:
        """Define a meter, of all tenants or of one; usage of the past is computed in the background"""
        meter = meters.create(request.get_json())
        created = answer(shown(meter), 201)
        created.headers["Location"] = f"{api.url_prefix}/meters/{meter.name}"
        return created

    @api.get("/meters", responses={200: MeterList, **problems()})
    def list_meters(query: MeterQuery) -> Response:
        """List meters"""
        after = read_cursor(_LIST, query.cursor, UUID)
        found = meters.list(_tenant_id(query, tenants), limit=query.limit + 1, after=after)
        listed, next_cursor = page(found, query.limit, lambda meter: write_cursor(_LIST, str(meter.id)))
        return answer(MeterList(items=[shown(meter) for meter in listed], next_cursor=next_cursor))

    @api.get("/meters/<name>", responses={200: Meter, **problems(404)})
    def get_meter(path: MeterPath, query: MeterOfQuery) -> Response:
        """Find a meter, with how far the past of it is computed"""
        return answer(shown(meters.get(path.name, _tenant_id(query, tenants))))

    @api.post(
        "/meters/<name>/versions",
        responses={201: Meter, **problems(404, 409, body=True)},
        openapi_extensions=NEW_METER_VERSION,
    )
    def add_meter_version(path: MeterPath, query: MeterOfQuery) -> Response:
        """Have a meter count otherwise from a UTC day on"""
        tenant_id = _tenant_id(query, tenants)
        return answer(shown(meters.add_version(path.name, tenant_id, request.get_json())), 201)

    return api


def _tenant_id(query: MeterOfQuery, tenants: Tenants) -> str | None:
    if query.tenant_id is None:
        return None
    with blaming():
        return str(tenants.get(query.tenant_id).id)
