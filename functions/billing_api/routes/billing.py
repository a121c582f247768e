"""Bills."""

from datetime import datetime

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.document import problems, routes
from functions.billing_api.ports import CalculateBill
from functions.billing_api.references import blaming
from functions.billing_api.schemas.billing import Bill, BillRequest
from shared.domain.errors import Fault, Rejected

_BOUNDS = (("period_start", "start_time"), ("period_end", "end_time"))


def billing_routes(calculate: CalculateBill) -> APIBlueprint:
    api = routes("billing", "What usage costs")

    @api.post("/billing/calculate", responses={200: Bill, **problems(body=True)})
    def calculate_bill(body: BillRequest) -> Response:
        """Calculate what a tenant owes for a period"""
        called, start, end = _period(body)
        with blaming(**called):
            return answer(Bill.of(calculate(body.tenant_id, start, end)))

    return api


def _period(body: BillRequest) -> tuple[dict[str, str], datetime, datetime]:
    """What the body calls each bound, and the bounds. Raises Rejected where one is missing or said twice."""
    given = {
        names: {name: at for name in names if (at := getattr(body, name)) is not None} for names in _BOUNDS
    }
    faults = [
        Fault(names[0], f"differs from {names[1]}" if bounds else "Field required")
        for names, bounds in given.items()
        if len(set(bounds.values())) != 1
    ]
    if faults:
        raise Rejected(*faults)
    (start_name, start), (end_name, end) = (next(iter(bounds.items())) for bounds in given.values())
    return {"period_start": start_name, "period_end": end_name}, start, end
