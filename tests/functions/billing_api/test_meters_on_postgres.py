"""Custom meters as a user enters them, from POST /meters to the bill."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.seller import MONTH, Seller, seller_on

Json = dict[str, Any]


@pytest.fixture
def seller(database_url: str) -> Iterator[Seller]:
    database = Database(database_url)
    yield seller_on(database)
    database.close()


def define(seller: Seller, name: str, **fields: object) -> Json:
    answer = seller.api.post("/meters", {"name": name, "unit": "unit", "aggregation": "sum", **fields})
    assert answer.status_code == 201, answer.data
    defined: Json = answer.get_json()
    return defined


def price(meter: str, amount: str, **fields: object) -> Json:
    return {"kind": "per_unit", "meter": meter, "amount": amount, **fields}


def amounts(bill: Json) -> list[str]:
    return [line["amount"] for line in bill["lines"]]


def test_tokens_that_records_carry_are_billed(seller: Seller) -> None:
    define(seller, "llm_tokens", value="quantities.tokens")
    tenant = seller.sell(
        price("custom.llm_tokens", "0.50", per="1000", included="1000"), price("invocations", "1")
    )
    seller.use(tenant, 1, quantities={"tokens": "1500"})
    seller.use(tenant, 1, day=20, quantities={"tokens": "500.5"})
    seller.use(tenant, 1, day=21)
    bill = seller.bill(tenant)
    assert amounts(bill) == ["0.50", "3.00"]
    assert (bill["lines"][0]["meter"], bill["lines"][0]["quantity"]) == ("custom.llm_tokens", "2000.5")
    middle = "2025-10-18T00:00:00Z"
    halves = [seller.bill(tenant, MONTH[0], middle), seller.bill(tenant, middle)]
    assert [amounts(half)[0] for half in halves] == ["0.25", "0.25"]


def test_accrued_cost_counts_custom_meters_as_the_bill_does(seller: Seller) -> None:
    define(seller, "users", aggregation="unique", of="labels.user")
    tenant = seller.sell(price("custom.users", "2"))
    for day, user in enumerate(("ann", "bob", "ann"), start=1):
        seller.use(tenant, 1, day=day, labels={"user": user})
    assert amounts(seller.bill(tenant)) == ["4.00"]
    [cost] = seller.accruals.accrue(tenant)
    assert f"{cost.amount}" == "4.00"


def test_a_greatest_and_a_latest_value_are_those_of_the_month_so_far(seller: Seller) -> None:
    define(seller, "peak_gb", aggregation="max", value="quantities.gb")
    define(seller, "stored_gb", aggregation="latest", value="quantities.gb")
    tenant = seller.sell(price("custom.peak_gb", "1"), price("custom.stored_gb", "1"))
    for day, gb in ((2, 20), (12, 50), (22, 30)):
        seller.use(tenant, 1, day=day, quantities={"gb": str(gb)})
    assert amounts(seller.bill(tenant)) == ["50.00", "30.00"]
    parts = [
        seller.bill(tenant, MONTH[0], "2025-10-15T00:00:00Z"),
        seller.bill(tenant, "2025-10-15T00:00:00Z"),
    ]
    assert [amounts(part) for part in parts] == [["50.00", "50.00"], ["0.00", "-20.00"]]


def test_what_is_defined_later_counts_the_usage_of_before(seller: Seller) -> None:
    tenant = seller.sell(price("invocations", "1"))
    seller.use(tenant, 1, duration_ns=27_400_000, memory_mb=1024)
    assert amounts(seller.bill(tenant)) == ["1.00"]
    seller.use(tenant, 1, day=16, duration_ns=500_000, memory_mb=1024)
    defined = define(
        seller, "gb_ms", value=["memory_mb", "duration_ms"], step="1024", rounding="invocation", unit="GB-ms"
    )
    assert defined["price_name"] == "custom.gb_ms"
    got = seller.api.get("/meters/custom.gb_ms").get_json()
    [version] = got["versions"]
    assert (version["tenants"], version["tenants_computed"], version["computed_until"]) == (1, 1, None)
    seller.offer("by gb-ms", price("custom.gb_ms", "1", per="1024"))
    body = {"tenant_id": tenant, "period_start": MONTH[0], "period_end": MONTH[1], "plan": "by gb-ms"}
    answer = seller.api.post("/billing/calculate", body)
    assert answer.status_code == 200, answer.data
    assert answer.get_json()["total"] == "29.00"


def test_a_price_names_meters_that_its_tenants_have_in_one_unit(seller: Seller) -> None:
    seller.api.post("/tenants", {"name": "acme", "currency": "USD"})
    define(seller, "own", value="errors", tenant_id="acme")
    define(seller, "input_tokens", value="quantities.in", unit="token")
    define(seller, "output_tokens", value="quantities.out", unit="token")
    together = {"kind": "per_unit", "meters": ["custom.input_tokens", "custom.output_tokens"], "amount": "1"}
    mixed = {**together, "meters": ["custom.input_tokens", "invocations"]}
    refused = seller.api.post(
        "/pricing-plans",
        {
            "name": "p",
            "currency": "USD",
            "price_per_invocation": "1",
            "prices": [together, price("custom.own", "1"), price("custom.nothing", "1"), mixed],
        },
    )
    assert refused.status_code == 422
    assert [error["field"] for error in refused.get_json()["errors"]] == [
        "prices[1].meter",
        "prices[2].meter",
        "prices[3].meters[1]",
    ]
    assert seller.api.get("/pricing-plans").get_json()["items"] == []
    personal = {"name": "q", "currency": "USD", "tenant_id": "acme", "prices": [price("custom.own", "1")]}
    assert seller.api.post("/pricing-plans", personal).status_code == 201
    bad_name = {"name": "r", "currency": "USD", "prices": [price("custom.No Meter", "1")]}
    assert seller.api.post("/pricing-plans", bad_name).status_code == 422


def test_meters_are_listed_found_and_given_versions(seller: Seller) -> None:
    seller.api.post("/tenants", {"name": "acme", "currency": "USD"})
    define(seller, "shared", value="errors")
    define(seller, "own", value="errors", tenant_id="acme", dimensions=["region"])

    def listed(query: str) -> list[str]:
        return [meter["name"] for meter in seller.api.get(f"/meters{query}").get_json()["items"]]

    assert listed("") == ["shared"]
    assert listed("?tenant_id=acme") == ["shared", "own"]
    assert seller.api.get("/meters/own").status_code == 404
    version = {"effective_from": "2025-12-01T00:00:00Z", "aggregation": "sum", "value": "cold_starts"}
    changed = seller.api.post("/meters/own/versions?tenant_id=acme", version)
    assert changed.status_code == 201, changed.data
    assert [one["value"] for one in changed.get_json()["versions"]] == [["errors"], ["cold_starts"]]
    again = seller.api.post("/meters/own/versions?tenant_id=acme", version)
    assert [error["field"] for error in again.get_json()["errors"]] == ["effective_from"]
    assert seller.api.get("/meters/own?tenant_id=acme").get_json() == changed.get_json()


def test_a_meter_with_faults_is_refused_with_all_of_them_and_not_kept(seller: Seller) -> None:
    wrong = {"name": "invocations", "aggregation": "sum", "value": "labels.x", "step": "0", "colour": "red"}
    refused = seller.api.post("/meters", wrong)
    assert refused.status_code == 422
    fields = {error["field"] for error in refused.get_json()["errors"]}
    assert fields == {"name", "unit", "value", "step", "colour"}
    assert seller.api.get("/meters").get_json()["items"] == []
    define(seller, "once", value="errors")
    taken = seller.api.post("/meters", {"name": "once", "unit": "u", "aggregation": "count"})
    assert taken.status_code == 409
