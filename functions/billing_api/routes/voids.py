"""Usage that is to count no more."""

from uuid import UUID

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint

from eventing.voids import read_body
from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.ports import Voids
from functions.billing_api.references import blaming
from functions.billing_api.schemas.common import read_instant
from functions.billing_api.schemas.oversight import OversightQuery
from functions.billing_api.schemas.voids import VOID_BODY, UsageVoid, UsageVoidList, VoidedUsage
from shared.domain.voids import Void, VoidPosition
from shared.service.tenants import Tenants

_LIST = "usage-voids"


def void_routes(tenants: Tenants, voids: Voids) -> APIBlueprint:
    api = routes("voids", "Usage that was taken back")

    @api.post(
        "/usage/voids",
        responses={200: VoidedUsage, **problems(body=True)},
        openapi_extensions={"requestBody": VOID_BODY},
    )
    def void_usage() -> Response:
        """Take usage back by the identity it was sent under, or before it comes; all that is named or none"""
        voided = voids.void(read_body(request.get_json()), by=g.caller.name)
        new = sum(one.is_new for one in voided)
        items = [UsageVoid.of(one.void) for one in voided]
        return answer(VoidedUsage(voided=new, duplicate=len(voided) - new, items=items))

    @api.get("/usage/voids", responses={200: UsageVoidList, **problems()})
    def list_usage_voids(query: OversightQuery) -> Response:
        """List what is void"""
        with blaming():
            tenant = tenants.get(query.tenant_id) if query.tenant_id is not None else None
        found = voids.list(
            tenant.id if tenant is not None else None,
            limit=query.limit + 1,
            after=read_cursor(_LIST, query.cursor, _read_position),
        )
        shown, next_cursor = page(found, query.limit, _write_position)
        return answer(UsageVoidList(items=[UsageVoid.of(void) for void in shown], next_cursor=next_cursor))

    return api


def _write_position(void: Void) -> str:
    voided_at, tenant_id, event_key = void.position
    return write_cursor(_LIST, voided_at.isoformat(), str(tenant_id), str(event_key))


def _read_position(voided_at: str, tenant_id: str, event_key: str) -> VoidPosition:
    return VoidPosition(read_instant(voided_at), UUID(tenant_id), UUID(event_key))
