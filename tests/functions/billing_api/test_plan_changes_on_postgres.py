"""Plans, versions and subscriptions as a user makes them over the API, to the bills that come of them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.seller import Seller, seller_on

NOVEMBER = ("2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z")
HALFWAY = "2025-11-16T00:00:00Z"
CALLS = {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "1"}
AT_ONCE = {"applies": "immediately"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def seller(module_database_url: str) -> Iterator[Seller]:
    database = Database(module_database_url)
    yield seller_on(database)
    database.close()


def flat(amount: str) -> Json:
    return {"kind": "flat", "amount": amount}


def use(seller: Seller, tenant: str, at: str, calls: int) -> None:
    """In November, which the seller's clock has just begun."""
    record = {"tenant_id": tenant, "service_name": "f", "timestamp": at, "invocations": calls}
    assert seller.api.post("/metrics/ingest", record).status_code == 202


def assign(seller: Seller, tenant: str, plan: str, **rest: str) -> Json:
    answer = seller.api.put(f"/tenants/{tenant}/pricing-plan", {"plan": plan, **rest})
    assert answer.status_code == 200, answer.data
    has: Json = answer.get_json()
    return has


def add_version(seller: Seller, plan: str, *prices: Json, **rest: str) -> None:
    answer = seller.api.post(f"/pricing-plans/{plan}/versions", {"prices": prices, **rest})
    assert answer.status_code == 201, answer.data


def lines(bill: Json) -> list[tuple[str, int, str]]:
    return [(line["plan"], line["plan_version"], line["amount"]) for line in bill["lines"]]


def test_c19_an_upgrade_from_10_to_20_halfway_gives_back_5_and_adds_10(seller: Seller) -> None:
    tenant = seller.sell(flat("10"))
    seller.offer(f"{tenant}-20", flat("20"))
    before = seller.bill(tenant, *NOVEMBER)
    assert before["total"] == "10.00"
    assign(seller, tenant, f"{tenant}-20", starts_at=HALFWAY, **AT_ONCE)
    after = seller.bill(tenant, *NOVEMBER)
    assert lines(after) == [(tenant, 1, "5.00"), (f"{tenant}-20", 1, "10.00")]
    assert after["total"] == "15.00"


def test_c19_by_a_version_of_the_plan_it_comes_to_the_same(seller: Seller) -> None:
    tenant = seller.sell(flat("10"))
    add_version(seller, tenant, flat("20"), effective_from=HALFWAY, **AT_ONCE)
    assert lines(seller.bill(tenant, *NOVEMBER)) == [(tenant, 1, "5.00"), (tenant, 2, "10.00")]


def test_a_version_applies_from_the_next_month_unless_it_is_immediate(seller: Seller) -> None:
    tenant = seller.sell(flat("10"))
    add_version(seller, tenant, flat("20"), effective_from=HALFWAY)
    bill = seller.bill(tenant, NOVEMBER[0], "2026-01-01T00:00:00Z")
    assert lines(bill) == [(tenant, 1, "10.00"), (tenant, 2, "20.00")]


def test_the_allowance_after_a_change_is_that_of_the_new_plan_less_what_is_used(seller: Seller) -> None:
    tenant = seller.sell(CALLS | {"included": "10"})
    seller.offer(f"{tenant}-more", CALLS | {"included": "15", "amount": "2"})
    use(seller, tenant, "2025-11-01T12:00:00Z", 12)
    assign(seller, tenant, f"{tenant}-more", starts_at="2025-11-02T00:00:00Z", **AT_ONCE)
    use(seller, tenant, "2025-11-02T00:01:00Z", 5)
    bill = seller.bill(tenant, *NOVEMBER)
    # 2 of 12 beyond 10 at 1; then, of 17, 2 beyond 15 at 2.
    assert lines(bill) == [(tenant, 1, "2.00"), (f"{tenant}-more", 1, "4.00")]
    bounds = [NOVEMBER[0], "2025-11-01T12:05:00Z", "2025-11-02T00:00:00Z", NOVEMBER[1]]
    parts = [seller.bill(tenant, *span) for span in pairwise(bounds)]
    assert [part["total"] for part in parts] == ["2.00", "0.00", "4.00"]
    (accrued,) = seller.accruals.accrue(tenant)
    assert f"{accrued.amount:f}" == bill["total"] == "6.00"


def test_a_minimum_and_a_maximum_are_those_of_the_days_that_a_plan_is_in_force(seller: Seller) -> None:
    tenant = seller.sell(CALLS, {"kind": "minimum_spend", "minimum": "30"})
    seller.offer(f"{tenant}-cap", CALLS, {"kind": "maximum_spend", "maximum": "60"})
    use(seller, tenant, "2025-11-01T12:00:00Z", 6)
    assign(seller, tenant, f"{tenant}-cap", starts_at="2025-11-11T00:00:00Z", **AT_ONCE)
    assert lines(seller.bill(tenant, *NOVEMBER)) == [
        (tenant, 1, "6.00"),
        (tenant, 1, "4.00"),  # up to a third of 30
        (f"{tenant}-cap", 1, "0.00"),
        (f"{tenant}-cap", 1, "0.00"),
    ]
    assert seller.bill(tenant, NOVEMBER[0], "2025-11-10T00:00:00Z")["total"] == "6.00"
    assert seller.bill(tenant, "2025-11-10T00:00:00Z", "2025-11-11T00:00:00Z")["total"] == "4.00"


def test_a_fee_that_a_tier_has_without_usage_is_due_once_a_month(seller: Seller) -> None:
    def tiers(fee: str) -> Json:
        return {"kind": "graduated", "meter": "invocations", "tiers": [{"flat": fee}]}

    tenant = seller.sell(tiers("7"))
    seller.offer(f"{tenant}-dear", tiers("9"))
    assign(seller, tenant, f"{tenant}-dear", starts_at=HALFWAY, **AT_ONCE)
    assert lines(seller.bill(tenant, *NOVEMBER)) == [(tenant, 1, "7.00"), (f"{tenant}-dear", 1, "0.00")]
    late = seller.sell(tiers("7"))
    seller.api.post(f"/tenants/{late}/pricing-plan/end", {"ends_at": "2025-11-02T00:00:00Z"})
    assign(seller, late, late, starts_at="2026-01-10T00:00:00Z", **AT_ONCE)
    assert seller.bill(late, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")["total"] == "7.00"


def test_a_seat_taken_on_the_10th_costs_22_of_31_days(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    seller.offer(f"{tenant}-seat", flat("10"))
    assign(seller, tenant, f"{tenant}-seat", starts_at="2026-07-10T00:00:00Z", **AT_ONCE)
    bill = seller.bill(tenant, "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z")
    assert lines(bill) == [(tenant, 1, "0.00"), (f"{tenant}-seat", 1, "7.10")]


def test_unrated_usage_is_listed_in_no_bill_and_rated_by_a_plan_given_afterwards(seller: Seller) -> None:
    name = seller.sell(CALLS)
    assert seller.api.post("/tenants", {"name": f"{name}-late", "currency": "USD"}).status_code == 201
    tenant = f"{name}-late"
    use(seller, tenant, "2025-10-15T12:00:00Z", 3)
    use(seller, tenant, "2025-11-01T12:00:00Z", 4)
    (accruals, listed) = seller.accruals.accrue(tenant), f"/usage/unrated?tenant_id={tenant}"
    refused = seller.api.post(
        "/billing/calculate",
        {"tenant_id": tenant, "period_start": NOVEMBER[0], "period_end": NOVEMBER[1]},
    )
    assert (refused.status_code, list(accruals)) == (422, [])
    (unrated,) = seller.api.get(listed).get_json()["items"]
    assert (unrated["invocations"], unrated["no_plan_from"], unrated["no_plan_until"]) == (7, None, None)
    assign(seller, tenant, name, starts_at=NOVEMBER[0])
    assert seller.bill(tenant, *NOVEMBER)["total"] == "4.00"
    (unrated,) = seller.api.get(listed).get_json()["items"]
    assert (unrated["invocations"], unrated["no_plan_until"]) == (3, NOVEMBER[0])
    assign(seller, tenant, name, starts_at="2025-10-01T00:00:00Z")
    assert seller.api.get(listed).get_json()["items"] == []
    assert seller.bill(tenant, "2025-10-01T00:00:00Z", NOVEMBER[1])["total"] == "7.00"
    assert [f"{cost.amount:f}" for cost in seller.accruals.accrue(tenant)] == ["3.00", "4.00"]


def test_the_history_of_a_plan_is_whole(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    add_version(seller, tenant, CALLS, effective_from=HALFWAY)
    seller.api.call("PATCH", f"/pricing-plans/{tenant}", {"active": False})
    items = seller.api.get(f"/pricing-plans/{tenant}/history").get_json()["items"]
    assert [(item["who"], item["what"]) for item in items] == [
        ("admin", "plan.changed"),
        ("admin", "version.added"),
        ("admin", "subscription.added"),
        ("admin", "plan.created"),
    ]
    assert items[1]["after"]["effective_from"] == HALFWAY
    assert items[3]["after"]["prices"][0]["meter"] == "invocations"
