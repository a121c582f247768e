from typing import Any
from uuid import UUID

import pytest

from functions.billing_api.cursors import write_cursor
from tests.functions.billing_api.described import Described

DEMO = {
    "slug": "demo",
    "name": "Demo",
    "billing_email": "billing@example.org",
    "currency": "RUB",
    "timezone": "Europe/Moscow",
    "aliases": ["demo-tenant"],
}


def test_a_tenant_is_registered_and_answered(api: Described) -> None:
    answer = api.post("/tenants", DEMO)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/tenants/demo"
    created = answer.get_json()
    assert {name: created[name] for name in DEMO} == DEMO
    assert created["created_at"] == created["updated_at"] == "2025-10-16T00:00:00Z"
    UUID(created["id"])


def test_a_slug_is_made_from_the_name_where_left_out(api: Described) -> None:
    created = api.post("/tenants", {"name": "\u00c4rzte & S\u00f6hne", "currency": "EUR"}).get_json()
    assert created["slug"] == "arzte-sohne"
    assert (created["timezone"], created["billing_email"], created["aliases"]) == ("UTC", None, [])


@pytest.mark.parametrize("name", ["slug", "alias", "id"])
def test_a_tenant_is_found_by_id_slug_or_alias(api: Described, name: str) -> None:
    created = api.post("/tenants", DEMO).get_json()
    ref = {"slug": "demo", "alias": "demo-tenant", "id": created["id"]}[name]
    assert api.get(f"/tenants/{ref}").get_json() == created


@pytest.mark.parametrize("ref", ["nobody", "00000000-0000-0000-0000-000000000000", "%00", "%ff", "a" * 9_000])
def test_a_tenant_that_is_not_there_is_404(api: Described, ref: str) -> None:
    answer = api.get(f"/tenants/{ref}")
    assert answer.status_code == 404
    assert answer.get_json(force=True)["errors"][0]["field"] == "tenant"


@pytest.mark.parametrize(
    "second", [DEMO, {**DEMO, "slug": "other"}, {**DEMO, "slug": "demo-tenant", "aliases": []}]
)
def test_a_slug_or_alias_that_is_taken_is_409(api: Described, second: dict[str, Any]) -> None:
    api.post("/tenants", DEMO)
    assert api.post("/tenants", second).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": 1}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"slug": "Demo"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "-a"}, "slug"),
        ({"slug": "a" * 64}, "slug"),
        ({"slug": "0189b8c0-7f2e-7c3a-9d5e-000000000000"}, "slug"),
        ({"currency": "rub"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": None}, "timezone"),
        ({"billing_email": "nobody"}, "billing_email"),
        ({"billing_email": 1}, "billing_email"),
        ({"aliases": ["ok", "Not Ok"]}, "aliases[1]"),
        ({"aliases": "demo"}, "aliases"),
        ({"aliases": [1]}, "aliases[0]"),
        ({"aliases": [f"a{n}" for n in range(17)]}, "aliases"),
        ({"id": "x"}, "id"),
        ({"created_at": "2025-10-15T12:00:00Z"}, "created_at"),
    ],
)
def test_a_faulty_field_is_named(api: Described, change: dict[str, Any], field: str) -> None:
    answer = api.post("/tenants", DEMO | change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]


def test_every_faulty_field_is_named_at_once(api: Described) -> None:
    faulty = {"name": "Demo", "slug": "Demo", "currency": "euro", "timezone": "?", "billing_email": "x"}
    problem = api.post("/tenants", faulty).get_json(force=True)
    assert {error["field"] for error in problem["errors"]} == {
        "slug",
        "currency",
        "timezone",
        "billing_email",
    }
    assert problem["error_count"] == 4


def test_a_list_is_read_page_by_page(api: Described) -> None:
    for n in range(5):
        api.post("/tenants", {"name": f"Tenant {n}", "currency": "EUR"})
    found, path = [], "/tenants?limit=2"
    for _ in range(3):
        page = api.get(path).get_json()
        found += [tenant["slug"] for tenant in page["items"]]
        path = f"/tenants?limit=2&cursor={page['next_cursor']}"
    assert found == [f"tenant-{n}" for n in range(5)]
    assert page["next_cursor"] is None


def test_a_page_that_ends_the_list_has_no_cursor(api: Described) -> None:
    api.post("/tenants", DEMO)
    assert api.get("/tenants?limit=1").get_json()["next_cursor"] is None
    assert api.get("/tenants").get_json()["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("cursor=", "cursor"),
        ("cursor=!", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%F0%9F%98%80", "cursor"),
        ("cursor=" + "W" * 500, "cursor"),
        ("cursor=" + "W" * 513, "cursor"),
        ("cursor=" + write_cursor("services", "00000000-0000-0000-0000-000000000001"), "cursor"),
        ("cursor=" + write_cursor("tenants"), "cursor"),
        ("cursor=" + write_cursor("tenants", "x"), "cursor"),
        ("cursor=" + write_cursor("tenants", "1", "2"), "cursor"),
        ("offset=1", "offset"),
        ("%00=1", "\x00"),
    ],
)
def test_a_faulty_parameter_is_named(api: Described, query: str, field: str) -> None:
    answer = api.get(f"/tenants?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/tenants/demo"), ("POST", "/tenants"), ("GET", "/health"), ("GET", "/openapi.json")],
)
def test_a_route_without_parameters_refuses_them(api: Described, method: str, path: str) -> None:
    answer = api.call(method, f"{path}?pretty=1", DEMO if method == "POST" else None)
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"][0]["field"] == "pretty"
