"""Plans as they are written over the API."""

from typing import Any
from uuid import UUID

import pytest

from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend

CALLS = {"kind": "per_unit", "meter": "invocations", "amount": "2"}
NEW = {"name": "basic", "currency": "EUR", "prices": [CALLS]}
NOVEMBER = "2025-11-01T00:00:00Z"


@pytest.fixture(autouse=True)
def tenant(api: Described) -> Any:
    return api.post("/tenants", {"name": "Demo", "currency": "EUR", "aliases": ["demo-tenant"]}).get_json()


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in answer.get_json(force=True)["errors"]]


def test_a_plan_is_created_and_found_by_its_address(api: Described) -> None:
    created = api.post("/pricing-plans", NEW | {"price_per_cold_start": "0.5"})
    assert created.status_code == 201
    plan = created.get_json()
    assert plan["id"] == str(UUID(int=1_000))
    assert [price["meter"] for price in plan["prices"]] == ["cold_starts", "invocations"]
    assert plan["price_per_cold_start"] == "0.5"
    assert (plan["version"], plan["tenant_id"], plan["active"]) == (1, None, True)
    (version,) = plan["versions"]
    assert (version["version"], version["effective_from"], version["prices"]) == (1, None, plan["prices"])
    for address in (created.headers["Location"].removeprefix("/api/v1"), "/pricing-plans/basic"):
        assert api.get(address).get_json() == plan


def test_a_personal_plan_is_found_by_its_name_for_its_tenant_only(api: Described, tenant: Any) -> None:
    plan = api.post("/pricing-plans", NEW | {"tenant_id": "demo-tenant"}).get_json()
    assert plan["tenant_id"] == tenant["id"]
    assert api.get("/pricing-plans/basic").status_code == 404
    assert api.get("/pricing-plans/basic?tenant_id=demo").get_json() == plan
    assert api.get(f"/pricing-plans/{plan['id']}").get_json() == plan
    assert fields(api.get("/pricing-plans/basic?tenant_id=nobody")) == ["tenant_id"]


def test_every_fault_of_a_plan_is_named_by_its_path_and_nothing_is_stored(
    api: Described, backend: Backend
) -> None:
    tiers = [{"up_to": "5"}, {"up_to": "5", "amount": "1", "flat": "-1"}]
    answer = api.post(
        "/pricing-plans",
        {
            "id": str(UUID(int=7)),
            "name": "bad",
            "currency": "EURO",
            "tenant_id": "nobody",
            "price_per_cpu_ms": -1,
            "prices": [
                {"kind": "volume", "meter": "invocations", "tiers": tiers},
                {"kind": "package", "meter": "no-meter", "amount": "1", "size": 0},
                {"kind": "dynamic"},
            ],
            "surprise": None,
        },
    )
    assert answer.status_code == 422
    assert set(fields(answer)) == {
        "id",
        "currency",
        "tenant_id",
        "price_per_cpu_ms",
        "prices[0].tiers[0].amount",
        "prices[0].tiers[1].flat",
        "prices[0].tiers[1].up_to",
        "prices[1].meter",
        "prices[1].size",
        "prices[2].kind",
        "surprise",
    }
    assert not backend.plans.plans
    assert not backend.plans.noted


def test_a_name_that_is_taken_is_409(api: Described) -> None:
    api.post("/pricing-plans", NEW)
    api.post("/pricing-plans", NEW | {"name": "other"})
    for answer in (
        api.post("/pricing-plans", NEW),
        api.call("PATCH", "/pricing-plans/other", {"name": "basic"}),
    ):
        assert (answer.status_code, fields(answer)) == (409, ["name"])


def test_a_plan_is_renamed_and_deactivated(api: Described) -> None:
    api.post("/pricing-plans", NEW)
    renamed = api.call("PATCH", "/pricing-plans/basic", {"name": "old", "active": False}).get_json()
    assert (renamed["name"], renamed["active"]) == ("old", False)
    answer = api.put("/tenants/demo/pricing-plan", {"plan": "old"})
    assert (answer.status_code, fields(answer)) == (422, ["plan"])
    for body, field in (({}, ""), ({"currency": "USD"}, "currency"), ({"active": "no way"}, "active")):
        answer = api.call("PATCH", "/pricing-plans/old", body)
        assert (answer.status_code, fields(answer)) == (422, [field])


def test_a_plan_that_nobody_had_is_deleted_and_another_is_not(api: Described) -> None:
    plan = api.post("/pricing-plans", NEW).get_json()
    assert api.call("DELETE", "/pricing-plans/basic").get_json() == plan
    assert api.get("/pricing-plans/basic").status_code == 404
    api.post("/pricing-plans", NEW)
    api.put("/tenants/demo/pricing-plan", {"plan": "basic"})
    assert api.call("DELETE", "/pricing-plans/basic").status_code == 409
    assert api.get("/pricing-plans/basic").status_code == 200


def test_a_version_is_shown_with_the_others_and_its_prices_once_it_is_in_effect(api: Described) -> None:
    api.post("/pricing-plans", NEW)
    later = {"prices": [CALLS | {"amount": "3"}], "effective_from": NOVEMBER}
    answer = api.post("/pricing-plans/basic/versions", later)
    assert answer.status_code == 201
    at_once = {"prices": [CALLS | {"amount": "4"}], "effective_from": NOVEMBER, "applies": "immediately"}
    plan = api.post("/pricing-plans/basic/versions", at_once).get_json()
    assert [(v["version"], v["effective_from"], v["applies"]) for v in plan["versions"]] == [
        (1, None, "next_period"),
        (2, NOVEMBER, "next_period"),
        (3, NOVEMBER, "immediately"),
    ]
    assert (plan["version"], plan["prices"][0]["amount"]) == (1, "2")
    now = api.post("/pricing-plans", NEW | {"name": "now"}).get_json()
    now = api.post("/pricing-plans/now/versions", {"price_per_invocation": 5}).get_json()
    assert (now["version"], now["price_per_invocation"]) == (2, "5")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"prices": [CALLS], "effective_from": "2025-10-15T23:55:00Z"}, ["effective_from"]),
        ({"prices": [CALLS], "effective_from": "2025-11-01T00:01:00Z"}, ["effective_from"]),
        (
            {"effective_from": "soon", "applies": "now", "name": "x"},
            ["effective_from", "applies", "name", "prices"],
        ),
    ],
)
def test_an_impossible_version_is_422(api: Described, body: Any, wrong: list[str]) -> None:
    api.post("/pricing-plans", NEW)
    answer = api.post("/pricing-plans/basic/versions", body)
    assert (answer.status_code, fields(answer)) == (422, wrong)
    assert len(api.get("/pricing-plans/basic").get_json()["versions"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"active": False}),
        ("DELETE", "", None),
        ("POST", "/versions", {"prices": [CALLS]}),
        ("GET", "/history", None),
    ],
)
def test_a_plan_that_is_not_there_is_404(api: Described, method: str, path: str, body: Any) -> None:
    for ref in ("nothing", UUID(int=9)):
        answer = api.call(method, f"/pricing-plans/{ref}{path}", body)
        assert (answer.status_code, fields(answer)) == (404, ["plan"])


def test_the_history_tells_who_changed_what_page_by_page(api: Described, tenant: Any) -> None:
    api.post("/pricing-plans", NEW)
    api.put("/tenants/demo/pricing-plan", {"plan": "basic"})
    api.call("PATCH", "/pricing-plans/basic", {"active": False})
    first = api.get("/pricing-plans/basic/history?limit=2").get_json()
    rest = api.get(f"/pricing-plans/basic/history?limit=2&cursor={first['next_cursor']}").get_json()
    assert [(one["who"], one["what"], one["tenant_id"]) for one in first["items"] + rest["items"]] == [
        ("admin", "plan.changed", None),
        ("admin", "subscription.added", tenant["id"]),
        ("admin", "plan.created", None),
    ]
    assert rest["next_cursor"] is None
    assert first["items"][0]["before"] == {"name": "basic", "active": True}
    assert rest["items"][0]["before"] is None
    assert api.get("/pricing-plans/basic/history?cursor=nonsense").status_code == 422
