"""The windows of usage."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.schemas.common import read_instant
from functions.billing_api.schemas.usage import UsageAggregate, UsageAggregateList, UsageAggregateQuery
from shared.domain.errors import Rejected
from shared.domain.rating.selection import EVERYWHERE
from shared.domain.windows import WindowSize
from shared.service.tenants import Tenants
from shared.service.usage_report import UsageReport, UsageWindow, WindowFilter, WindowPosition

_LIST = "usage-aggregates"


def usage_routes(tenants: Tenants, usage: UsageReport) -> APIBlueprint:
    api = routes("usage", "What was used")

    @api.get("/usage-aggregates", responses={200: UsageAggregateList, **problems()})
    def list_usage_aggregates(query: UsageAggregateQuery) -> Response:
        """List windows of usage"""
        found = usage.windows(
            _filter(query, tenants),
            limit=query.limit + 1,
            after=_after(query),
        )
        windows, next_cursor = page(found.windows, query.limit, _write_position)
        return answer(
            UsageAggregateList(
                items=[UsageAggregate.of(window) for window in windows],
                next_cursor=next_cursor,
                as_of=found.as_of,
            )
        )

    return api


def _filter(query: UsageAggregateQuery, tenants: Tenants) -> WindowFilter:
    if query.start_time and query.end_time and query.end_time <= query.start_time:
        raise Rejected.because("end_time", "must be after start_time")
    with blaming():
        tenant = tenants.get(query.tenant_id) if query.tenant_id is not None else None
    return WindowFilter(
        tenant_id=tenant.id if tenant is not None else None,
        service_id=query.service_id,
        start=query.start_time,
        end=query.end_time,
        window_size=query.window_size,
        by=query.by or (),
        where=query.where or EVERYWHERE,
    )


def _after(query: UsageAggregateQuery) -> WindowPosition | None:
    after = read_cursor(_LIST, query.cursor, _read_position)
    if after is not None and len(after.values) != len(query.by or ()):
        raise Rejected.because("cursor", "is not a next_cursor of a list by these dimensions")
    return after


def _write_position(window: UsageWindow) -> str:
    tenant_id, size, start, service_id, revision_id, values = window.position
    return write_cursor(
        _LIST, str(tenant_id), size.value, start.isoformat(), str(service_id), str(revision_id), *values
    )


def _read_position(
    tenant_id: str, size: str, start: str, service_id: str, revision_id: str, *values: str
) -> WindowPosition:
    return WindowPosition(
        UUID(tenant_id), WindowSize(size), read_instant(start), UUID(service_id), UUID(revision_id), values
    )
