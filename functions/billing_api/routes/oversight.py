"""Gaps in what senders number, and identities used twice."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.schemas.common import read_instant
from functions.billing_api.schemas.oversight import (
    MeteringGap,
    MeteringGapList,
    OversightQuery,
    UsageConflict,
    UsageConflictList,
)
from shared.service import oversight
from shared.service.oversight import ConflictPosition, GapPosition, Oversight
from shared.service.tenants import Tenants

_GAPS, _CONFLICTS = "metering-gaps", "usage-conflicts"


def oversight_routes(tenants: Tenants, watched: Oversight) -> APIBlueprint:
    api = routes("oversight", "Usage that has not come, and usage that was refused")

    @api.get("/metering-gaps", responses={200: MeteringGapList, **problems()})
    def list_metering_gaps(query: OversightQuery) -> Response:
        """List the batches that senders have numbered and that have not come"""
        after = read_cursor(_GAPS, query.cursor, _read_gap)
        found = watched.gaps(_tenant_id(query, tenants), limit=query.limit + 1, after=after)
        gaps, next_cursor = page(found, query.limit, _write_gap)
        return answer(MeteringGapList(items=[MeteringGap.of(gap) for gap in gaps], next_cursor=next_cursor))

    @api.get("/usage-conflicts", responses={200: UsageConflictList, **problems()})
    def list_usage_conflicts(query: OversightQuery) -> Response:
        """List the identities that were used again for other records"""
        after = read_cursor(_CONFLICTS, query.cursor, _read_conflict)
        found = watched.conflicts(_tenant_id(query, tenants), limit=query.limit + 1, after=after)
        conflicts, next_cursor = page(found, query.limit, _write_conflict)
        items = [UsageConflict.of(conflict) for conflict in conflicts]
        return answer(UsageConflictList(items=items, next_cursor=next_cursor))

    return api


def _tenant_id(query: OversightQuery, tenants: Tenants) -> UUID | None:
    if query.tenant_id is None:
        return None
    with blaming():
        return tenants.get(query.tenant_id).id


def _write_gap(gap: oversight.MeteringGap) -> str:
    return write_cursor(_GAPS, *map(str, gap.position))


def _read_gap(tenant_id: str, source_key: str, first: str) -> GapPosition:
    return GapPosition(UUID(tenant_id), UUID(source_key), int(first))


def _write_conflict(conflict: oversight.UsageConflict) -> str:
    seen_at, tenant_id, event_key, digest = conflict.position
    return write_cursor(_CONFLICTS, seen_at.isoformat(), str(tenant_id), str(event_key), digest.hex())


def _read_conflict(seen_at: str, tenant_id: str, event_key: str, digest: str) -> ConflictPosition:
    return ConflictPosition(read_instant(seen_at), UUID(tenant_id), UUID(event_key), bytes.fromhex(digest))
