"""What a bill would be, and plans side by side."""

from typing import Any

import pytest

from shared.domain.facts import WindowFacts
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend
from tests.functions.billing_api.test_plans import FAAS_BILLING

MONTH = {"period_start": "2025-10-01T00:00:00Z", "period_end": "2025-11-01T00:00:00Z"}
DEMO = {"tenant_id": "demo", **MONTH}
CALLS = {"kind": "per_unit", "meter": "invocations", "amount": "0.01"}
CHEAP = {"name": "cheap", "currency": "RUB", "prices": [CALLS]}
DOLLARS = {"name": "dollars", "currency": "USD", "prices": [CALLS]}
SUPPOSED = {**MONTH, "quantities": {"invocations": "250"}}


@pytest.fixture(autouse=True)
def tenant(api: Described, backend: Backend) -> Any:
    backend.plans.add(FAAS_BILLING)
    created = api.post("/tenants", {"name": "Demo", "currency": "RUB"}).get_json()
    api.put("/tenants/demo/pricing-plan", {"plan": "faas-billing"})
    backend.totals.facts = WindowFacts(invocations=12_000_000)
    return created


def calculated(api: Described, body: Any) -> Any:
    answer = api.post("/billing/calculate", body)
    assert answer.status_code == 200, answer.data
    return answer.get_json()


def faults(api: Described, body: Any, path: str = "/billing/calculate") -> list[str]:
    answer = api.post(path, body)
    assert answer.status_code == 422, answer.data
    return [error["field"] for error in answer.get_json(force=True)["errors"]]


def test_a_real_bill_is_no_simulation(api: Described) -> None:
    bill = calculated(api, DEMO)
    assert bill["simulated"] is False
    assert "assumed" not in bill


@pytest.mark.parametrize("by", ["plan", "plan_id"])
def test_the_tenants_own_plan_simulated_costs_what_it_costs(api: Described, by: str) -> None:
    real = calculated(api, DEMO)
    simulated = calculated(api, DEMO | {by: "faas-billing"})
    assert simulated.pop("assumed") == {"plan": "faas-billing", "usage": "tenant", "timezone": "UTC"}
    assert simulated == real | {"simulated": True}


def test_a_plan_of_the_catalogue_needs_not_be_stored(api: Described) -> None:
    bill = calculated(api, DEMO | {"plan": "aws-lambda-x86"})
    assert (bill["plan"], bill["currency"]) == ("aws-lambda-x86", "USD")
    assert bill["total"] == "2.20"


def test_a_plan_in_the_body_is_rated_and_not_stored(api: Described, backend: Backend) -> None:
    before = dict(backend.plans.plans)
    bill = calculated(api, DEMO | {"pricing_plan": CHEAP})
    assert (bill["plan"], bill["total"]) == ("cheap", "120000.00")
    assert [line["plan_id"] for line in bill["lines"]] == [None]
    assert (backend.plans.plans, backend.plans.noted[1:]) == (before, [])


def test_all_usage_is_multiplied(api: Described) -> None:
    bill = calculated(api, DEMO | {"usage_factor": "1.5"})
    assert bill["assumed"] == {
        "plan": None,
        "usage": "tenant_times_factor",
        "usage_factor": "1.5",
        "timezone": "UTC",
    }
    assert bill["lines"][0]["quantity"] == "18000000"
    assert bill["total"] == "293.76"


def test_no_usage_at_all_is_a_factor_too(api: Described) -> None:
    bill = calculated(api, DEMO | {"usage_factor": "0"})
    assert (bill["total"], bill["assumed"]["usage_factor"]) == ("0.00", "0")


def test_quantities_need_no_tenant(api: Described) -> None:
    bill = calculated(api, SUPPOSED | {"pricing_plan": DOLLARS, "timezone": "Asia/Kathmandu"})
    assert (bill["tenant_id"], bill["tenant"], bill["currency"]) == (None, None, "USD")
    assert bill["total"] == "2.50"
    assert bill["assumed"] == {
        "plan": "dollars",
        "usage": "quantities",
        "quantities": {"invocations": "250"},
        "timezone": "Asia/Kathmandu",
    }
    assert [line["counting_period"]["start"] for line in bill["lines"]] == [
        "2025-09-30T18:15:00Z",
        "2025-10-31T18:15:00Z",
    ]


def test_quantities_of_a_tenant_are_rated_by_its_plan(api: Described) -> None:
    bill = calculated(api, DEMO | {"quantities": {"invocations": "2000000"}})
    assert bill["total"] == "17.28"
    assert "gb_hours" in bill["assumed"]["not_given"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"plan": "nope"}, ["plan"]),
        ({"plan": "a", "plan_id": "b"}, ["plan_id"]),
        ({"plan": "faas-billing", "pricing_plan": CHEAP}, ["plan_id"]),
        ({"pricing_plan": {"prices": [CALLS]}}, ["pricing_plan.name", "pricing_plan.currency"]),
        ({"pricing_plan": CHEAP | {"prices": []}}, ["pricing_plan.prices"]),
        (
            {"pricing_plan": CHEAP | {"prices": [CALLS | {"amount": 0.5}]}},
            ["pricing_plan.prices[0].amount"],
        ),
        ({"pricing_plan": CHEAP | {"id": "x"}}, ["pricing_plan.id"]),
        ({"pricing_plan": []}, ["pricing_plan"]),
        ({"quantities": {"calls": "1"}}, ["quantities.calls"]),
        ({"quantities": {}}, ["quantities"]),
        ({"quantities": {"errors": "1"}, "usage_factor": "2"}, ["usage_factor"]),
        ({"usage_factor": "-1"}, ["usage_factor"]),
        ({"usage_factor": 1.5}, ["usage_factor"]),
        ({"usage_factor": "1e3"}, ["usage_factor"]),
        ({"timezone": "UTC"}, ["timezone"]),
        ({"tenant_id": None, "timezone": "Mars"}, ["tenant_id", "timezone"]),
        ({"tenant_id": None, "quantities": {"errors": "1"}}, ["plan_id"]),
        (
            {
                "tenant_id": "nobody",
                "period_start": "2025-10-01T00:01:00Z",
                "plan": "nope",
                "quantities": {"calls": "1"},
            },
            ["tenant_id", "period_start", "quantities.calls", "plan"],
        ),
    ],
)
def test_every_fault_is_named(api: Described, change: dict[str, Any], fields: list[str]) -> None:
    assert faults(api, DEMO | change) == fields


def test_plans_are_compared_with_the_first(api: Described) -> None:
    plans = [
        {"own": True},
        {"pricing_plan": CHEAP},
        {"plan": "faas-billing"},
        {"pricing_plan": DOLLARS},
    ]
    answer = api.post("/billing/compare", DEMO | {"plans": plans})
    assert answer.status_code == 200, answer.data
    comparison = answer.get_json()
    assert comparison["simulated"] is True
    shown = [(p["plan"], p["own"], p["currency"], p["total"], p["difference"]) for p in comparison["plans"]]
    assert shown == [
        ("faas-billing", True, "RUB", "190.08", "0.00"),
        ("cheap", False, "RUB", "120000.00", "119809.92"),
        ("faas-billing", False, "RUB", "190.08", "0.00"),
        ("dollars", False, "USD", "120000.00", None),
    ]
    assert comparison["plans"][0]["lines"] == calculated(api, DEMO)["lines"]


def test_plans_are_compared_without_a_tenant(api: Described) -> None:
    plans = [{"plan": "aws-lambda-x86-no-free-tier"}, {"plan": "aws-lambda-x86"}]
    supposed = {"invocations": "3000000", "gb_seconds_1ms": "540000"}
    body = {**MONTH, "quantities": supposed, "plans": plans}
    comparison = api.post("/billing/compare", body).get_json()
    assert [(p["total"], p["difference"]) for p in comparison["plans"]] == [
        ("9.60", "0.00"),
        ("2.73", "-6.87"),
    ]


@pytest.mark.parametrize(
    ("plans", "fields"),
    [
        ([{"own": True}], ["plans"]),
        ([{"own": True}] * 6, ["plans"]),
        ([{"own": True}, {}], ["plans[1]"]),
        (
            [{"own": True, "plan": "faas-billing"}, {"plan": "x", "plan_id": "y"}],
            ["plans[0]", "plans[1].plan_id"],
        ),
        ([{"plan": "x"}, {"plan_id": "y"}], ["plans[0].plan", "plans[1].plan_id"]),
        (
            [{"own": True}, {"pricing_plan": {}}],
            [
                "plans[1].pricing_plan.name",
                "plans[1].pricing_plan.currency",
                "plans[1].pricing_plan.prices",
            ],
        ),
    ],
)
def test_every_plan_that_cannot_be_compared_is_named(
    api: Described, plans: list[Any], fields: list[str]
) -> None:
    assert faults(api, DEMO | {"plans": plans}, "/billing/compare") == fields


def test_a_plan_of_its_own_needs_a_tenant(api: Described) -> None:
    plans = [{"own": True}, {"plan": "faas-billing"}]
    assert faults(api, SUPPOSED | {"plans": plans}, "/billing/compare") == ["plans[0].own"]
