"""Why a bill is what it is, and the windows and parts behind it."""

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.questions import one_plan, question
from functions.billing_api.references import blaming
from functions.billing_api.schemas.common import read_instant
from functions.billing_api.schemas.evidence import (
    EvidencePart,
    EvidencePartList,
    EvidenceQuery,
    EvidenceWindow,
    EvidenceWindowList,
    PartEvidenceQuery,
)
from functions.billing_api.schemas.explain import ExplainedBill, ExplainRequest
from shared.domain.money import exact_text
from shared.service.evidence import Evidence, PartEvidence
from shared.service.evidence_counting import WindowEvidence
from shared.service.evidence_ports import PartPlace, WindowPlace
from shared.service.explain import Explain

_WINDOWS, _PARTS = "evidence-windows", "evidence-parts"
_SPAN = {"period_start": "start", "period_end": "end"}


def explain_routes(explain: Explain, behind: Evidence) -> APIBlueprint:
    api = routes("explanations", "Why a bill is what it is")

    @api.post("/billing/explain", responses={200: ExplainedBill, **problems(body=True)})
    def explain_bill(body: ExplainRequest) -> Response:
        """Explain what a tenant owes, or would owe, line by line and down to who used it"""
        called, asked = question(body, one_plan(body))
        with blaming(**called._asdict()):
            explanation = explain.run(asked, levels=body.levels, most=body.top)
        return answer(ExplainedBill.of(explanation, simulated=body.is_simulation))

    @api.get("/billing/evidence/windows", responses={200: EvidenceWindowList, **problems()})
    def list_evidence_windows(query: EvidenceQuery) -> Response:
        """List the windows that a line was rated from"""
        after = read_cursor(_WINDOWS, query.cursor, _read_window)
        with blaming(**_SPAN):
            found = behind.windows(query.wanted(), limit=query.limit + 1, after=after)
        windows, next_cursor = page(found.windows, query.limit, _write_window)
        return answer(
            EvidenceWindowList(
                items=[EvidenceWindow.of(window) for window in windows],
                next_cursor=next_cursor,
                meter=found.meter,
                unit=found.unit,
                quantity=None if found.quantity is None else exact_text(found.quantity),
                note=found.note,
                as_of=found.as_of,
            )
        )

    @api.get("/billing/evidence/parts", responses={200: EvidencePartList, **problems()})
    def list_evidence_parts(query: PartEvidenceQuery) -> Response:
        """List the parts that the windows behind a line were made of, as they were sent"""
        after = read_cursor(_PARTS, query.cursor, _read_part)
        with blaming(**_SPAN):
            found = behind.parts(query.wanted(), limit=query.limit + 1, after=after)
        parts, next_cursor = page(found.parts, query.limit, _write_part)
        return answer(
            EvidencePartList(
                items=[EvidencePart.of(part) for part in parts],
                next_cursor=next_cursor,
                meter=found.meter,
                unit=found.unit,
                note=found.note,
                as_of=found.as_of,
            )
        )

    return api


def _write_window(found: WindowEvidence) -> str:
    start, *ids = found.window.place
    return write_cursor(_WINDOWS, start.isoformat(), *map(str, ids))


def _read_window(start: str, *ids: str) -> WindowPlace:
    service_id, revision_id, dimensions_key = map(UUID, ids)
    return WindowPlace(read_instant(start), service_id, revision_id, dimensions_key)


def _write_part(found: PartEvidence) -> str:
    touches_from, touches_until, event_key, received_at = found.part.place
    return write_cursor(
        _PARTS, touches_from.isoformat(), touches_until.isoformat(), str(event_key), received_at.isoformat()
    )


def _read_part(touches_from: str, touches_until: str, event_key: str, received_at: str) -> PartPlace:
    return PartPlace(
        read_instant(touches_from), read_instant(touches_until), UUID(event_key), read_instant(received_at)
    )
