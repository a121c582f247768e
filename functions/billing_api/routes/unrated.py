"""Usage that no plan is in force for."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.schemas.common import read_instant
from functions.billing_api.schemas.unrated import UnratedQuery, UnratedUsage, UnratedUsageList
from shared.service import unrated
from shared.service.tenants import Tenants
from shared.service.unrated import UnratedPosition, UnratedReport

_LIST = "unrated-usage"


def unrated_routes(tenants: Tenants, report: UnratedReport) -> APIBlueprint:
    api = routes("unrated", "Usage that is in no bill for want of a plan")

    @api.get("/usage/unrated", responses={200: UnratedUsageList, **problems()})
    def list_unrated_usage(query: UnratedQuery) -> Response:
        """List usage of times for which its tenant has no plan"""
        after = read_cursor(_LIST, query.cursor, _read)
        with blaming():
            tenant_id = None if query.tenant_id is None else tenants.get(query.tenant_id).id
        found = report.usage(tenant_id, limit=query.limit + 1, after=after)
        shown, next_cursor = page(found, query.limit, _write)
        items = [UnratedUsage.of(usage) for usage in shown]
        return answer(UnratedUsageList(items=items, next_cursor=next_cursor))

    return api


def _write(usage: unrated.UnratedUsage) -> str:
    return write_cursor(_LIST, str(usage.tenant_id), usage.used_from.isoformat())


def _read(tenant_id: str, used_from: str) -> UnratedPosition:
    return UnratedPosition(UUID(tenant_id), read_instant(used_from))
