"""Sellers, organisations, billing details and tax rates over the API, on a real PostgreSQL."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.seller import seller_on

ENTITY = {
    "legal_name": "ACME GmbH",
    "address": ["Hauptstr. 1", "10115 Berlin"],
    "tax_ids": [{"name": "VAT", "value": "DE123456789"}],
    "country": "DE",
    "timezone": "Europe/Berlin",
    "bank_details": ["IBAN DE00"],
    "email": "billing@example.com",
}
DETAILS = {"legal_name": "Demo SARL", "address": ["Paris"], "email": "ap@example.com"}
VAT = {"name": "VAT", "percent": "19.5"}
_numbers = count()
Json = dict[str, Any]


@pytest.fixture(scope="module")
def api(module_database_url: str) -> Iterator[Described]:
    database = Database(module_database_url)
    yield seller_on(database).api
    database.close()


@pytest.fixture
def fresh(database_url: str) -> Iterator[Described]:
    """Where nothing is listed yet."""
    database = Database(database_url)
    yield seller_on(database).api
    database.close()


def made(api: Described, path: str, body: Json, status: int = 201) -> Json:
    method = "PUT" if status == 200 else "POST"
    answer = api.call(method, path, body)
    assert answer.status_code == status, answer.data
    found: Json = answer.get_json()
    return found


def tenant(api: Described, currency: str = "EUR") -> str:
    name = f"t{next(_numbers)}"
    made(api, "/tenants", {"name": name, "currency": currency})
    return name


def refusal(api: Described, method: str, path: str, body: Json | None, status: int) -> list[str]:
    """The fields at fault."""
    answer = api.call(method, path, body)
    assert answer.status_code == status, answer.data
    return [error["field"] for error in answer.get_json(force=True)["errors"]]


def items(api: Described, path: str) -> list[Json]:
    found: list[Json] = api.get(path).get_json()["items"]
    return found


def pages(api: Described, path: str) -> list[Json]:
    """All items, one to a page."""
    found: list[Json] = []
    cursor = ""
    while True:
        page = api.get(f"{path}?limit=1{cursor}").get_json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_a_seller_is_created_found_changed_and_deleted(fresh: Described) -> None:
    created = made(fresh, "/billing-entities", {"name": "eu", **ENTITY})
    assert {name: created[name] for name in ENTITY} == ENTITY
    assert fresh.get("/billing-entities/eu").get_json() == created
    assert fresh.get(f"/billing-entities/{created['id']}").get_json() == created
    changed = made(fresh, "/billing-entities/eu", {"name": "europe", **ENTITY, "grace_s": 60}, 200)
    assert changed == {**created, "name": "europe", "grace_s": 60}
    assert fresh.call("DELETE", "/billing-entities/europe").get_json() == changed
    assert fresh.get("/billing-entities/europe").status_code == 404
    assert items(fresh, "/billing-entities") == []


def test_a_name_is_one_sellers_only(fresh: Described) -> None:
    made(fresh, "/billing-entities", {"name": "eu", **ENTITY})
    made(fresh, "/billing-entities", {"name": "us", **ENTITY})
    assert refusal(fresh, "POST", "/billing-entities", {"name": "eu", **ENTITY}, 409) == ["name"]
    assert refusal(fresh, "PUT", "/billing-entities/us", {"name": "eu", **ENTITY}, 409) == ["name"]
    assert [entity["name"] for entity in pages(fresh, "/billing-entities")] == ["eu", "us"]
    assert len(items(fresh, "/billing-entities/us/history")) == 1


def test_a_refused_seller_leaves_nothing_behind(fresh: Described) -> None:
    body = {"name": "eu", **ENTITY, "country": "d", "email": "?", "fax": "1"}
    assert refusal(fresh, "POST", "/billing-entities", body, 422) == ["country", "email", "fax"]
    assert items(fresh, "/billing-entities") == []
    created = made(fresh, "/billing-entities", {"name": "eu", **ENTITY})
    refusal(fresh, "PUT", "/billing-entities/eu", body, 422)
    assert fresh.get("/billing-entities/eu").get_json() == created
    assert [entry["what"] for entry in items(fresh, "/billing-entities/eu/history")] == [
        "billing_entity.created"
    ]


def test_where_exactly_one_seller_exists_a_tenant_needs_none_of_its_own(fresh: Described) -> None:
    path = f"/tenants/{tenant(fresh)}/billing-details"
    assert made(fresh, path, DETAILS, 200)["seller_id"] is None
    eu = made(fresh, "/billing-entities", {"name": "eu", **ENTITY})
    assert fresh.get(path).get_json()["seller_id"] == eu["id"]
    us = made(fresh, "/billing-entities", {"name": "us", **ENTITY})
    assert fresh.get(path).get_json()["seller_id"] is None
    chosen = made(fresh, path, {**DETAILS, "billing_entity_id": "us"}, 200)
    assert (chosen["billing_entity_id"], chosen["seller_id"]) == (us["id"], us["id"])
    assert refusal(fresh, "DELETE", "/billing-entities/us", None, 409) == ["billing_entity"]
    fresh.call("DELETE", "/billing-entities/eu")
    assert fresh.get(path).get_json() == chosen


def test_billing_details_are_said_whole_and_found_again(api: Described) -> None:
    name = tenant(api)
    path = f"/tenants/{name}/billing-details"
    assert refusal(api, "GET", path, None, 404) == ["tenant"]
    full = {
        **DETAILS,
        "tax_ids": [{"name": "TVA", "value": "FR1"}],
        "language": "ru",
        "cycle": {"interval": "month", "anchor": "2025-01-31"},
        "zero_invoices": True,
        "tax_exempt_reason": "reverse charge",
    }
    said = made(api, path, full, 200)
    assert {field: said[field] for field in full} == full
    assert api.get(path).get_json() == said
    again = made(api, path, DETAILS, 200)
    assert (again["language"], again["cycle"]) == ("en", {"interval": "month", "anchor": None})
    assert (again["tax_ids"], again["zero_invoices"], again["tax_exempt_reason"]) == ([], False, None)


def test_refused_billing_details_leave_those_there_were(api: Described) -> None:
    name = tenant(api)
    path = f"/tenants/{name}/billing-details"
    said = made(api, path, DETAILS, 200)
    bad = {"legal_name": "", "email": "x", "language": "de", "organisation_id": "x", "cycle": {"day": 1}}
    assert refusal(api, "PUT", path, bad, 422) == [
        "legal_name",
        "email",
        "language",
        "cycle.day",
        "organisation_id",
    ]
    assert api.get(path).get_json() == said
    assert len(items(api, f"{path}/history")) == 1
    assert refusal(api, "PUT", "/tenants/nobody/billing-details", DETAILS, 404) == ["tenant"]


def join(api: Described, name: str, organisation: str | None) -> None:
    made(api, f"/tenants/{name}/billing-details", {**DETAILS, "organisation_id": organisation}, 200)


def test_tenants_join_an_organisation_by_their_billing_details(fresh: Described) -> None:
    acme = made(fresh, "/organisations", {"slug": "acme", "name": "ACME", "currency": "EUR"})
    names = [tenant(fresh), tenant(fresh)]
    for name in names:
        join(fresh, name, "acme")
    assert [member["tenant"] for member in pages(fresh, "/organisations/acme/tenants")] == names
    assert refusal(fresh, "DELETE", "/organisations/acme", None, 409) == ["organisation"]
    for name in names:
        join(fresh, name, None)
    assert items(fresh, "/organisations/acme/tenants") == []
    assert fresh.call("DELETE", "/organisations/acme").get_json() == acme
    assert pages(fresh, "/organisations") == []


def test_an_organisation_has_tenants_of_its_currency_only(api: Described) -> None:
    made(api, "/organisations", {"slug": "euros", "name": "ACME", "currency": "EUR"})
    body = {**DETAILS, "organisation_id": "euros"}
    path = f"/tenants/{tenant(api, 'USD')}/billing-details"
    answer = api.put(path, body)
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"] == [
        {"field": "organisation_id", "message": "is in EUR, the tenant in USD"}
    ]


def test_only_a_tenant_of_the_organisation_pays_for_it_and_stays(api: Described) -> None:
    acme = made(api, "/organisations", {"slug": "acme", "name": "ACME", "currency": "EUR"})
    payer, other = tenant(api), tenant(api)
    body = {"name": "ACME", "invoicing": "parent", "payer_tenant_id": payer}
    assert refusal(api, "PUT", "/organisations/acme", body, 422) == ["payer_tenant_id"]
    assert api.get("/organisations/acme").get_json() == acme
    join(api, payer, "acme")
    changed = made(api, "/organisations/acme", body, 200)
    assert changed["invoicing"] == "parent"
    leaving = f"/tenants/{payer}/billing-details"
    assert refusal(api, "PUT", leaving, DETAILS, 409) == ["organisation_id"]
    join(api, other, "acme")
    made(api, "/organisations/acme", {**body, "payer_tenant_id": other}, 200)
    join(api, payer, None)


def test_a_slug_is_one_organisations_only(fresh: Described) -> None:
    acme = {"slug": "acme", "name": "ACME", "currency": "EUR"}
    made(fresh, "/organisations", acme)
    assert refusal(fresh, "POST", "/organisations", acme, 409) == ["slug"]
    faults = refusal(fresh, "POST", "/organisations", {"slug": "A", "currency": "X", "invoicing": "?"}, 422)
    assert set(faults) == {"name", "slug", "currency", "invoicing"}
    assert len(items(fresh, "/organisations")) == 1


def test_tax_rates_of_one_name_follow_each_other(api: Described) -> None:
    path = f"/tenants/{tenant(api)}/tax-rates"
    first = made(api, path, VAT)
    assert first == {
        "id": first["id"],
        "name": "VAT",
        "percent": "19.5",
        "inclusive": False,
        "valid_from": None,
        "valid_until": None,
    }
    later = {**VAT, "percent": "21", "valid_from": "2026-01-01T00:00:00Z"}
    assert refusal(api, "POST", path, later, 409) == ["name"]
    answer = api.post(f"{path}/{first['id']}/end", {"ends_at": "2026-01-01T00:00:00Z"})
    assert answer.get_json() == {**first, "valid_until": "2026-01-01T00:00:00Z"}
    second = made(api, path, later)
    made(api, path, {"name": "city tax", "percent": 2, "inclusive": True})
    assert [rate["percent"] for rate in pages(api, path)] == ["19.5", "21", "2"]
    again = refusal(api, "POST", f"{path}/{first['id']}/end", {"ends_at": "2026-06-01T00:00:00Z"}, 409)
    assert again == ["name"]
    assert items(api, path)[1] == second


@pytest.mark.parametrize(
    ("ends_at", "field"),
    [("2025-12-01T00:00:01Z", "ends_at"), ("2024-12-31T00:00:00Z", "ends_at"), ("soon", "ends_at")],
)
def test_a_tax_rate_ends_on_the_grid_and_after_it_began(api: Described, ends_at: str, field: str) -> None:
    path = f"/tenants/{tenant(api)}/tax-rates"
    rate = made(api, path, {**VAT, "valid_from": "2025-01-01T00:00:00Z"})
    assert refusal(api, "POST", f"{path}/{rate['id']}/end", {"ends_at": ends_at}, 422) == [field]
    assert items(api, path) == [rate]


def test_a_tax_rate_ends_at_the_next_instant_of_the_grid_by_itself(api: Described) -> None:
    path = f"/tenants/{tenant(api)}/tax-rates"
    rate = made(api, path, VAT)
    answer = api.post(f"{path}/{rate['id']}/end", {})
    assert answer.get_json()["valid_until"] == "2025-11-02T00:00:00Z"


def test_a_tax_rate_is_found_among_its_tenants_own_only(api: Described) -> None:
    rate = made(api, f"/tenants/{tenant(api)}/tax-rates", VAT)
    other = f"/tenants/{tenant(api)}/tax-rates"
    assert refusal(api, "POST", f"{other}/{rate['id']}/end", {}, 404) == ["rate"]
    assert refusal(api, "POST", f"{other}/{uuid4()}/end", {}, 404) == ["rate"]
    assert items(api, other) == []
    faults = refusal(
        api, "POST", other, {"percent": "101", "valid_from": "2025-01-01T00:00:01Z", "x": 1}, 422
    )
    assert set(faults) == {"name", "percent", "valid_from", "x"}


def test_who_changed_what_is_listed_the_newest_first(api: Described) -> None:
    name = tenant(api)
    path = f"/tenants/{name}/billing-details"
    for _ in range(2):
        made(api, path, DETAILS, 200)
    made(api, path, {**DETAILS, "language": "ru", "cycle": {"anchor": "2025-01-31"}}, 200)
    made(api, f"/tenants/{name}/tax-rates", VAT)
    history = pages(api, f"{path}/history")
    assert [entry["what"] for entry in history] == [
        "tax_rate.created",
        "billing_details.changed",
        "billing_details.created",
    ]
    assert {entry["who"] for entry in history} == {"admin"}
    assert history[0]["after"]["percent"] == "19.5"
    assert history[1]["before"] == history[2]["after"]
    assert history[1]["after"]["cycle"] == {"interval": "month", "anchor": "2025-01-31"}
    assert history[2]["before"] is None


def test_what_is_not_there_is_404(api: Described) -> None:
    for method, path in (
        ("GET", "/billing-entities/x"),
        ("GET", "/billing-entities/%00"),
        ("DELETE", "/billing-entities/x"),
        ("GET", "/billing-entities/x/history"),
        ("GET", "/organisations/x"),
        ("DELETE", "/organisations/x"),
        ("GET", "/organisations/x/tenants"),
        ("GET", "/organisations/x/history"),
        ("GET", "/tenants/x/tax-rates"),
    ):
        assert refusal(api, method, path, None, 404)
    for path in ("/billing-entities/x", "/organisations/x"):
        assert refusal(api, "PUT", path, {}, 404)
