"""What FaaS Billing's own plan and Storacha's tiers of egress come to, from usage to the bill over the API.

The figures are their publishers' unless a comment says otherwise."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.functions.billing_api.published import GIB, amounts, call, customer, seller_with_catalogue
from tests.functions.billing_api.seller import Seller

MILLION = 1_000_000
DAYS_OF_OCTOBER = [f"2025-10-{day:02}T00:00:00Z" for day in range(1, 32)]


@pytest.fixture(scope="module")
def seller(module_database_url: str) -> Iterator[Seller]:
    with seller_with_catalogue(module_database_url) as seller:
        yield seller


def test_c31_the_plan_of_faas_billing(seller: Seller) -> None:
    tenant = customer(seller, "c31", "faas-billing-rub")
    call(seller, tenant, 10 * MILLION, "800", 512)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (["155.52", "6504.92", "0.00"], "6660.44")


def test_c31_egress_beyond_what_is_free(seller: Seller) -> None:
    # The price is published, what 250 GiB come to is arithmetic.
    tenant = customer(seller, "c31-egress", "faas-billing-rub")
    seller.use(tenant, 1, egress_bytes=250 * GIB)
    assert amounts(seller.bill(tenant)) == ["0.00", "0.00", "247.86"]


def test_c32_windows_of_every_size_are_no_more_usage(seller: Seller) -> None:
    tenant = customer(seller, "c32", "faas-billing-rub")
    seller.use(tenant, 12 * MILLION)
    assert seller.bill(tenant)["total"] == "190.08"
    windows = seller.api.get(f"/usage-aggregates?tenant_id={tenant}").get_json()["items"]
    assert sorted((window["window_size"], window["invocations"]) for window in windows) == [
        ("1d", 12 * MILLION),
        ("1h", 12 * MILLION),
        ("5m", 12 * MILLION),
    ]


def test_c33_the_bills_of_the_days_sum_to_that_of_the_month(seller: Seller) -> None:
    tenant = customer(seller, "c33", "faas-billing-rub")
    for day in range(1, 31):
        seller.use(tenant, MILLION, day=day)
    bounds = [*DAYS_OF_OCTOBER, "2025-11-01T00:00:00Z"]
    days = [seller.bill(tenant, a, b)["total"] for a, b in pairwise(bounds)]
    assert seller.bill(tenant)["total"] == "501.12"
    assert sum(map(Decimal, days)) == Decimal("501.12")
    assert days[:2] == ["0.00", "17.28"]


@pytest.mark.parametrize(
    ("plan", "owed", "total"),
    [
        ("starter", ["0.00", "1.50", "12.60"], "14.10"),
        ("lite", ["0.00", "3.20", "9.00"], "12.20"),
        ("business", ["0.00", "4.00", "3.00"], "7.00"),
    ],
)
def test_c34_storacha_egress(seller: Seller, plan: str, owed: list[str], total: str) -> None:
    # The tiers are published; what 200 GB come to is arithmetic.
    tenant = customer(seller, f"c34-{plan}", f"storacha-egress-{plan}")
    seller.use(tenant, 1, egress_bytes=200 * GIB)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (owed, total)
