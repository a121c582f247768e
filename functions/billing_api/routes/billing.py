"""Bills, and what they would be."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.document import problems, routes
from functions.billing_api.ports import CalculateBill
from functions.billing_api.questions import compared, one_plan, question
from functions.billing_api.references import blaming
from functions.billing_api.schemas.billing import Bill, Comparison
from functions.billing_api.schemas.questions import BillRequest, ComparisonRequest
from shared.service.simulate import Simulate


def billing_routes(calculate: CalculateBill, simulate: Simulate) -> APIBlueprint:
    api = routes("billing", "What usage costs")

    @api.post("/billing/calculate", responses={200: Bill, **problems(body=True)})
    def calculate_bill(body: BillRequest) -> Response:
        """Calculate what a tenant owes for a period, or would owe with another plan or other usage"""
        called, asked = question(body, one_plan(body))
        with blaming(**called._asdict()):
            if body.is_simulation or body.tenant_id is None:
                return answer(Bill.simulation(simulate.run(asked)))
            return answer(Bill.of(calculate(body.tenant_id, asked.start, asked.end)))

    @api.post("/billing/compare", responses={200: Comparison, **problems(body=True)})
    def compare_plans(body: ComparisonRequest) -> Response:
        """Calculate what the same usage costs by two to five plans, side by side"""
        called, asked = question(body, compared(body.plans))
        with blaming(**called._asdict()):
            return answer(Comparison.of(simulate.run(asked)))

    return api
