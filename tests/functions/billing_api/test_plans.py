from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.plan import Plan
from shared.domain.rating.per_unit import PerUnit
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import NOW, Backend

FAAS_BILLING = Plan(
    id=UUID(int=31),
    name="faas-billing",
    currency="RUB",
    prices=(
        PerUnit("invocations", Decimal("17.28"), Decimal(1_000_000), Decimal(1_000_000)),
        PerUnit("gb_hours", Decimal("5.9076"), included=Decimal(10)),
    ),
    created_at=NOW,
)
FLAT = Plan(
    id=UUID(int=32),
    name="flat",
    currency="RUB",
    prices=(
        PerUnit("invocations", Decimal("0.00000020"), included=Decimal(1_000)),
        PerUnit("mb_ms", Decimal("0.0000000000162760")),
    ),
    created_at=NOW,
)
IN_EUROS = replace(FLAT, id=UUID(int=33), name="euros", currency="EUR")
RETIRED = replace(FLAT, id=UUID(int=34), name="retired", active=False)


@pytest.fixture(autouse=True)
def tenant(api: Described, backend: Backend) -> Any:
    for plan in (FAAS_BILLING, FLAT, IN_EUROS, RETIRED):
        backend.plans.add(plan)
    body = {"name": "Demo", "currency": "RUB", "timezone": "Europe/Moscow", "aliases": ["demo-tenant"]}
    return api.post("/tenants", body).get_json()


def test_plans_are_listed_with_their_prices(api: Described) -> None:
    listed = {plan["name"]: plan for plan in api.get("/pricing-plans").get_json()["items"]}
    assert set(listed) == {"faas-billing", "flat", "euros", "retired"}
    assert listed["faas-billing"]["prices"] == [
        {
            "kind": "per_unit",
            "meter": "invocations",
            "amount": "17.28",
            "per": "1000000",
            "included": "1000000",
        },
        {"kind": "per_unit", "meter": "gb_hours", "amount": "5.9076", "per": "1", "included": "10"},
    ]
    assert listed["retired"]["active"] is False


def test_a_plan_that_can_be_said_in_flat_prices_says_so(api: Described) -> None:
    flat = next(plan for plan in api.get("/pricing-plans").get_json()["items"] if plan["name"] == "flat")
    assert flat["price_per_invocation"] == "0.0000002"
    assert flat["free_tier_invocations"] == "1000"
    assert flat["price_per_mb_ms"] == "0.000000000016276"
    assert flat["price_per_cold_start"] is None
    assert len(flat["prices"]) == 2


def test_plans_are_read_page_by_page(api: Described) -> None:
    first = api.get("/pricing-plans?limit=3").get_json()
    rest = api.get(f"/pricing-plans?limit=3&cursor={first['next_cursor']}").get_json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)


def test_a_personal_plan_is_listed_only_for_its_tenant(api: Described, backend: Backend, tenant: Any) -> None:
    backend.plans.add(replace(FLAT, id=UUID(int=35), name="mine", tenant_id=UUID(tenant["id"])))
    assert "mine" not in api.get("/pricing-plans").get_data(as_text=True)
    assert "mine" in api.get("/pricing-plans?tenant_id=demo-tenant").get_data(as_text=True)


def test_a_filter_by_a_tenant_that_is_not_there_is_422(api: Described) -> None:
    answer = api.get("/pricing-plans?tenant_id=nobody")
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"][0]["field"] == "tenant_id"


def test_a_tenant_without_a_plan_has_none(api: Described, tenant: Any) -> None:
    assert api.get("/tenants/demo/pricing-plan").get_json() == {
        "tenant_id": tenant["id"],
        "tenant": "demo",
        "plan": None,
        "starts_at": None,
        "ends_at": None,
        "upcoming": None,
    }


@pytest.mark.parametrize(
    "choice", [{"plan_id": str(UUID(int=31))}, {"plan_id": "faas-billing"}, {"plan": "faas-billing"}]
)
def test_the_first_plan_holds_from_the_beginning(api: Described, choice: dict[str, str]) -> None:
    answer = api.put("/tenants/demo-tenant/pricing-plan", choice)
    assert answer.status_code == 200
    assert answer.get_json()["plan"]["name"] == "faas-billing"
    assert answer.get_json()["starts_at"] is None
    assert api.get("/tenants/demo/pricing-plan").get_json() == answer.get_json()


def test_a_later_plan_begins_with_the_next_month_of_the_tenants_zone(api: Described) -> None:
    api.put("/tenants/demo/pricing-plan", {"plan": "faas-billing"})
    has = api.put("/tenants/demo/pricing-plan", {"plan": "flat"}).get_json()
    assert has["plan"]["name"] == "faas-billing"
    assert (has["upcoming"]["plan"]["name"], has["upcoming"]["starts_at"]) == ("flat", "2025-10-31T21:00:00Z")


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({}, "plan_id"),
        ({"plan_id": None}, "plan_id"),
        ({"plan_id": "faas-billing", "plan": "flat"}, "plan_id"),
        ({"plan_id": "nothing"}, "plan_id"),
        ({"plan": "nothing"}, "plan"),
        ({"plan": ""}, "plan"),
        ({"plan": "a\x00"}, "plan"),
        ({"plan": 31}, "plan"),
        ({"plan": "euros"}, "plan"),
        ({"plan_id": "retired"}, "plan_id"),
        ({"plan": "flat", "starts_at": "2025-11-01T00:01:00Z"}, "starts_at"),
        ({"plan": "flat", "applies": "yesterday"}, "applies"),
    ],
)
def test_a_choice_that_cannot_be_is_422(api: Described, choice: dict[str, Any], field: str) -> None:
    answer = api.put("/tenants/demo/pricing-plan", choice)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_plan_of_a_tenant_that_is_not_there_is_404(api: Described, method: str) -> None:
    body = {"plan": "flat"} if method == "PUT" else None
    answer = api.call(method, "/tenants/nobody/pricing-plan", body)
    assert answer.status_code == 404
    assert answer.get_json(force=True)["errors"][0]["field"] == "tenant"
