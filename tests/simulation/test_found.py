"""What the simulation has found, in its smallest form."""

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.seller import seller_on

TIERS = [{"up_to": "5", "amount": "1"}, {"amount": "1", "flat": "50"}]


def test_the_fee_of_a_tier_that_was_reached_without_a_plan_is_not_charged(database_url: str) -> None:
    database = Database(database_url)
    seller = seller_on(database)
    try:
        seller.offer("tiers", {"kind": "graduated", "meter": "invocations", "tiers": TIERS})
        assert seller.api.post("/tenants", {"name": "late", "currency": "USD"}).status_code == 201
        seller.use("late", 8, day=3)
        seller.use("late", 1, day=20)
        choice = {"plan": "tiers", "starts_at": "2025-10-16T00:00:00Z", "applies": "immediately"}
        assert seller.api.put("/tenants/late/pricing-plan", choice).status_code == 200
        bill = seller.bill("late", "2025-10-16T00:00:00Z", "2025-11-01T00:00:00Z")
    finally:
        database.close()
    assert bill["total"] == "1.00"
