from decimal import Decimal
from typing import Any

import pytest

from shared.domain.facts import WindowFacts
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend
from tests.functions.billing_api.test_plans import FAAS_BILLING

README = {
    "tenant_id": "demo",
    "period_start": "2025-10-15T00:00:00Z",
    "period_end": "2025-10-15T23:59:59Z",
}
SINCE_MONTH_BEGAN = {
    "tenant_id": "demo",
    "period_start": "2025-10-01T00:00:00Z",
    "period_end": "2025-11-01T00:00:00Z",
}


@pytest.fixture(autouse=True)
def tenant(api: Described, backend: Backend) -> Any:
    backend.plans.add(FAAS_BILLING)
    created = api.post("/tenants", {"name": "Demo", "currency": "RUB"}).get_json()
    api.put("/tenants/demo/pricing-plan", {"plan": "faas-billing"})
    return created


def test_a_bill_states_what_it_is_of(api: Described, tenant: Any) -> None:
    bill = api.post("/billing/calculate", README).get_json()
    assert {name: value for name, value in bill.items() if name != "lines"} == {
        "tenant_id": tenant["id"],
        "tenant": "demo",
        "plan": "faas-billing",
        "currency": "RUB",
        "period_start": "2025-10-15T00:00:00Z",
        "period_end": "2025-10-16T00:00:00Z",
        "as_of": "2025-10-16T00:00:00Z",
        "simulated": False,
        "total": "0.00",
        "total_exact": "0",
    }


def test_each_line_can_be_checked_by_hand(api: Described, backend: Backend) -> None:
    gb_hours_12 = 12 * 2**30 * 3_600 * 10**9
    backend.totals.facts = WindowFacts(invocations=12_000_000, memory_byte_ns=gb_hours_12)
    bill = api.post("/billing/calculate", SINCE_MONTH_BEGAN).get_json()
    calls, compute = bill["lines"]
    assert calls == {
        "meter": "invocations",
        "unit": "invocation",
        "description": calls["description"],
        "plan_id": str(FAAS_BILLING.id),
        "plan": "faas-billing",
        "plan_version": 1,
        "counting_period": {"start": "2025-10-01T00:00:00Z", "end": "2025-11-01T00:00:00Z"},
        "start": "2025-10-01T00:00:00Z",
        "end": "2025-11-01T00:00:00Z",
        "quantity_before": "0",
        "quantity": "12000000",
        "included": "1000000",
        "billable_quantity": "11000000",
        "unit_amount": "17.28",
        "per": "1000000",
        "amount_exact_before": "0",
        "amount_exact": "190.08",
        "amount": "190.08",
        "currency": "RUB",
    }
    assert (compute["billable_quantity"], compute["amount_exact"], compute["amount"]) == (
        "2",
        "11.8152",
        "11.82",
    )
    assert (bill["total"], bill["total_exact"]) == ("201.90", "201.8952")


@pytest.mark.parametrize("names", [("start_time", "end_time"), ("period_start", "end_time")])
def test_the_bounds_have_two_names(api: Described, names: tuple[str, str]) -> None:
    body = {"tenant_id": "demo", names[0]: README["period_start"], names[1]: README["period_end"]}
    assert (
        api.post("/billing/calculate", body).get_json() == api.post("/billing/calculate", README).get_json()
    )


def test_a_bound_may_be_said_twice_if_it_is_the_same(api: Described) -> None:
    body = README | {"start_time": "2025-10-15T03:00:00+03:00", "end_time": README["period_end"]}
    assert api.post("/billing/calculate", body).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant_id": "nobody"}, "tenant_id"),
        ({"tenant_id": None}, "tenant_id"),
        ({"period_start": None}, "period_start"),
        ({"period_end": None}, "period_end"),
        ({"period_start": "2025-10-15"}, "period_start"),
        ({"period_start": "2025-10-15T00:00:00"}, "period_start"),
        ({"period_start": "2025-10-15T00:01:00Z"}, "period_start"),
        ({"period_end": "2025-10-15T23:59:00Z"}, "period_end"),
        ({"period_end": "2025-10-15T00:00:00Z"}, "period_end"),
        ({"period_end": "2045-10-15T00:00:00Z"}, "period_end"),
        ({"start_time": "2025-10-14T00:00:00Z"}, "period_start"),
        ({"end_time": "2025-10-14T00:00:00Z"}, "period_end"),
        ({"period_start": None, "start_time": "2025-10-15T00:01:00Z"}, "start_time"),
        ({"period_end": None, "end_time": "2025-10-14T00:00:00Z"}, "end_time"),
        ({"plan": "x"}, "plan"),
    ],
)
def test_a_faulty_field_is_named_as_it_was_sent(api: Described, change: dict[str, Any], field: str) -> None:
    answer = api.post("/billing/calculate", README | change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]


def test_a_bound_off_the_grid_is_told_the_nearest(api: Described) -> None:
    answer = api.post("/billing/calculate", README | {"period_start": "2025-10-15T00:01:00Z"})
    assert "2025-10-15T00:00:00Z" in answer.get_json(force=True)["errors"][0]["message"]


def test_usage_without_a_plan_is_refused_and_not_free(api: Described) -> None:
    api.post("/tenants", {"name": "Other", "currency": "RUB"})
    answer = api.post("/billing/calculate", README | {"tenant_id": "other"})
    assert answer.status_code == 422
    assert "unrated" in answer.get_json(force=True)["errors"][0]["message"]


def test_a_currency_without_cents_has_none(api: Described, backend: Backend) -> None:
    assert Decimal(api.post("/billing/calculate", README).get_json()["total"]).as_tuple().exponent == -2
