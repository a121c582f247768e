"""Voids over the API, the real services and a real PostgreSQL: the bill and what has accrued follow."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.seller import Seller, seller_on

CALLS = {"kind": "per_unit", "meter": "invocations", "amount": "0.01"}


@pytest.fixture
def seller(database_url: str) -> Iterator[Seller]:
    database = Database(database_url, pool_size_max=12)
    yield seller_on(database)
    database.close()


def accrued(seller: Seller, tenant: str) -> list[Decimal]:
    return [cost.amount for cost in seller.accruals.accrue(tenant)]


def test_the_bill_and_the_accrued_cost_converge_to_what_is_not_void(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    seller.use(tenant, 100, request_id="kept")
    seller.use(tenant, 7, request_id="wrong")
    assert seller.bill(tenant)["total"] == "1.07"
    assert accrued(seller, tenant) == [Decimal("1.07")]

    voided = seller.api.post(
        "/usage/voids", {"tenant_id": tenant, "request_id": "wrong", "reason": "a load test"}
    ).get_json()

    assert [(item["counted"], item["invocations"]) for item in voided["items"]] == [(True, 7)]
    assert seller.bill(tenant)["total"] == "1.00"
    assert accrued(seller, tenant) == [Decimal("1.00")]
    assert accrued(seller, tenant) == []


def test_a_body_of_many_payload_rows_is_taken_back_whole_and_stays_void(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    record = {"tenant_id": tenant, "service_name": "f", "timestamp": "2025-10-15T12:00:00Z"}
    body = [record | {"labels": {"n": str(n)}} for n in range(2_500)]
    key = {"Idempotency-Key": "batch 7"}
    assert seller.api.post("/metrics/ingest", body, headers=key).get_json()["accepted"] == 2_500
    assert seller.bill(tenant)["total"] == "25.00"
    void = {"tenant_id": tenant, "idempotency_key": "batch 7", "reason": "sent by mistake"}

    (item,) = seller.api.post("/usage/voids", void).get_json()["items"]

    assert (item["records"], item["invocations"]) == (2_500, 2_500)
    again = seller.api.post("/metrics/ingest", body, headers=key)
    assert (again.status_code, again.get_json()) == (202, {"accepted": 0, "duplicate": 2_500})
    assert seller.bill(tenant)["total"] == "0.00"
    assert seller.api.get(f"/usage/voids?tenant_id={tenant}").get_json()["items"] == [item]
    assert seller.api.post("/usage/voids", void).get_json() == {
        "voided": 0,
        "duplicate": 1,
        "items": [item],
    }


def test_unknown_tenants_are_named_and_nothing_is_void(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    voids = [
        {"tenant_id": name, "request_id": "1", "reason": "a test"} for name in (tenant, "nobody", "noone")
    ]
    answer = seller.api.post("/usage/voids", {"voids": voids})
    assert answer.status_code == 422
    fields = [error["field"] for error in answer.get_json(force=True)["errors"]]
    assert fields == ["voids[1].tenant_id", "voids[2].tenant_id"]
    assert seller.api.get("/usage/voids").get_json()["items"] == []
