from typing import Any

import pytest

from tests.functions.billing_api.described import Described

WAITER = {
    "tenant_id": "demo",
    "name": "waiter",
    "namespace": "functions",
    "runtime": "python3.11",
    "memory_limit_mb": "256.5",
    "cpu_limit_cores": 12,
}


@pytest.fixture
def tenant(api: Described) -> Any:
    return api.post("/tenants", {"name": "Demo", "currency": "EUR", "aliases": ["demo-tenant"]}).get_json()


def test_a_service_is_registered_and_answered(api: Described, tenant: Any) -> None:
    answer = api.post("/services", WAITER)
    assert answer.status_code == 201
    created = answer.get_json()
    expected = WAITER | {"tenant_id": tenant["id"], "cpu_limit_cores": "12"}
    assert {name: created[name] for name in expected} == expected
    assert created["created_at"] == "2025-10-16T00:00:00Z"


def test_a_service_needs_no_more_than_a_tenant_and_a_name(api: Described, tenant: Any) -> None:
    created = api.post("/services", {"tenant_id": "demo-tenant", "name": "waiter"}).get_json()
    assert (created["namespace"], created["runtime"], created["memory_limit_mb"]) == ("default", None, None)


def test_a_limit_keeps_its_digits(api: Described, tenant: Any) -> None:
    body = b'{"tenant_id": "demo", "name": "waiter", "memory_limit_mb": 0.1, "cpu_limit_cores": 99.900000}'
    created = api.post("/services", data=body, content_type="application/json").get_json()
    assert (created["memory_limit_mb"], created["cpu_limit_cores"]) == ("0.1", "99.9")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant_id": "nobody"}, "tenant_id"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"tenant_id": "a\x00"}, "tenant_id"),
        ({"name": ""}, "name"),
        ({"namespace": ""}, "namespace"),
        ({"memory_limit_mb": 0}, "memory_limit_mb"),
        ({"memory_limit_mb": -1}, "memory_limit_mb"),
        ({"memory_limit_mb": "NaN"}, "memory_limit_mb"),
        ({"memory_limit_mb": "Infinity"}, "memory_limit_mb"),
        ({"memory_limit_mb": True}, "memory_limit_mb"),
        ({"memory_limit_mb": "1e30"}, "memory_limit_mb"),
        ({"memory_limit_mb": "0.0000001"}, "memory_limit_mb"),
        ({"cpu_limit_cores": []}, "cpu_limit_cores"),
        ({"image": "x"}, "image"),
    ],
)
def test_a_faulty_field_is_named(api: Described, tenant: Any, change: dict[str, Any], field: str) -> None:
    answer = api.post("/services", WAITER | change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]


def test_a_service_that_is_there_is_409(api: Described, tenant: Any) -> None:
    api.post("/services", WAITER)
    assert api.post("/services", WAITER).status_code == 409
    assert api.post("/services", WAITER | {"namespace": "other"}).status_code == 201


def test_services_are_listed_by_tenant_and_page_by_page(api: Described, tenant: Any) -> None:
    api.post("/tenants", {"name": "Other", "currency": "EUR"})
    for name, owner in (("a", "demo"), ("b", "other"), ("c", "demo"), ("d", "demo")):
        api.post("/services", {"tenant_id": owner, "name": name})
    assert [s["name"] for s in api.get("/services").get_json()["items"]] == ["a", "b", "c", "d"]
    first = api.get("/services?tenant_id=demo-tenant&limit=2").get_json()
    rest = api.get(f"/services?tenant_id={tenant['id']}&limit=2&cursor={first['next_cursor']}").get_json()
    assert [s["name"] for s in first["items"] + rest["items"]] == ["a", "c", "d"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("ref", ["nobody", "%00", ""])
def test_a_filter_by_a_tenant_that_is_not_there_is_422(api: Described, ref: str) -> None:
    answer = api.get(f"/services?tenant_id={ref}")
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"][0]["field"] == "tenant_id"
