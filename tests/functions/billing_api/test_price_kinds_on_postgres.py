"""Every kind of price from the plan in PostgreSQL, through usage sent to the API, to the bill it answers.

The figures are their publishers' (see tests/shared/domain/rating), where a call stands for one unit."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.rating.kinds import PRICE_KINDS
from tests.functions.billing_api.seller import MONTH, Seller, seller_on

Json = dict[str, Any]


@pytest.fixture(scope="module")
def seller(module_database_url: str) -> Iterator[Seller]:
    database = Database(module_database_url)
    seller = seller_on(database)
    meter = {"name": "payments", "unit": "USD", "aggregation": "sum", "value": "quantities.paid"}
    assert seller.api.post("/meters", meter | {"ledger": True}).status_code == 201
    yield seller
    database.close()


def tiered(kind: str, *tiers: Sequence[str | None], **fields: Any) -> Json:
    named = ("up_to", "amount", "flat")
    tiers_ = [dict(zip(named, tier, strict=False)) for tier in tiers]
    return {"kind": kind, "meter": "invocations", "tiers": tiers_, **fields}


def amounts(bill: Json) -> list[str]:
    return [line["amount"] for line in bill["lines"]]


CALLS = {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "5"}
EVERY_KIND: tuple[Json, ...] = (
    CALLS | {"per": "1", "included": "0"},
    {"kind": "per_unit", "meters": ["gb_hours", "gb_hours_1ms"], "amount": "2", "per": "1", "included": "1"},
    {
        "kind": "graduated",
        "name": "egress",
        "meter": "egress_gib",
        "tiers": [
            {"up_to": "5", "amount": "0", "per": "1", "flat": "0"},
            {"up_to": None, "amount": "0.1", "per": "1", "flat": "2"},
        ],
    },
    {
        "kind": "volume",
        "meter": "errors",
        "tiers": [{"up_to": None, "amount": "1", "per": "1000", "flat": "3"}],
    },
    {"kind": "package", "meter": "cold_starts", "amount": "5", "size": "100", "included": "100"},
    {
        "kind": "reserved",
        "meter": "cpu_seconds",
        "quantity": "10",
        "amount": "1",
        "overage": "2",
        "per": "1",
    },
    {"kind": "flat", "name": "fee", "amount": "31"},
    {"kind": "licensed", "quantity": "3", "amount": "10", "prorated_by": "seconds"},
    {"kind": "free_value", "name": "free", "included": "2", "of": ["calls"]},
    {"kind": "percentage", "percent": "10", "of": ["fee", "calls"]},
    {
        "kind": "per_event",
        "meter": "custom.payments",
        "percent": "3",
        "fixed": "0.005",
        "free_events": "0",
        "minimum": "0",
        "maximum": "0.333",
    },
    {"kind": "minimum_spend", "minimum": "100"},
    {"kind": "maximum_spend", "maximum": "200"},
)


def test_a_plan_with_every_kind_of_price_is_answered_as_it_was_entered(seller: Seller) -> None:
    tenant = seller.sell(*EVERY_KIND)
    has = seller.api.get(f"/tenants/{tenant}/pricing-plan").get_json()["plan"]
    assert has["prices"] == list(EVERY_KIND)
    listed = {plan["name"]: plan for plan in seller.api.get("/pricing-plans").get_json()["items"]}
    assert listed[tenant] == has


def test_every_kind_of_price_is_described(seller: Seller) -> None:
    items = seller.api.document["components"]["schemas"]["PricingPlan"]["properties"]["prices"]["items"]
    assert set(items["discriminator"]["mapping"]) == set(PRICE_KINDS) == {p["kind"] for p in EVERY_KIND}
    tier = seller.api.document["components"]["schemas"]["Tier"]
    assert set(tier["required"]) == {"up_to", "amount", "per", "flat"}


def test_the_parts_of_a_month_sum_to_the_month_for_every_kind(seller: Seller) -> None:
    tenant = seller.sell(*EVERY_KIND)
    for day, calls in ((3, 7), (15, 11), (28, 13)):
        seller.use(
            tenant, calls, day=day, errors=calls // 2, egress_bytes=calls * 2**29, duration_ns=10**12,
            memory_mb=512, cold_start=True, quantities={"paid": str(calls)},
        )  # fmt: skip
    whole = seller.bill(tenant)
    assert whole["total"] == "200.00"
    bounds = [MONTH[0], "2025-10-10T07:35:00Z", "2025-10-15T12:05:00Z", "2025-10-31T00:00:00Z", MONTH[1]]
    parts = [seller.bill(tenant, *span) for span in pairwise(bounds)]
    for lines in zip(*(part["lines"] for part in (whole, *parts)), strict=True):
        cents = [int(line["amount"].replace(".", "")) for line in lines]
        assert cents[0] == sum(cents[1:]), lines[0]["description"]


def test_what_accrues_by_every_kind_is_what_the_month_is_billed(seller: Seller) -> None:
    tenant = seller.sell(*EVERY_KIND)
    seller.use(tenant, 7)
    bill = seller.bill(tenant)
    (accrued,) = seller.accruals.accrue(tenant)
    assert f"{accrued.amount:f}" == bill["total"]
    assert [f"{line.amount:f}" for line in accrued.lines] == amounts(bill)


def test_a_line_of_a_tier_can_be_checked_by_hand(seller: Seller) -> None:
    tenant = seller.sell(tiered("graduated", ("5", "0", "100"), ("10", "2", "50"), (None, "1"), name="calls"))
    seller.use(tenant, 3, day=3)
    seller.use(tenant, 4, day=15)
    _, second, _ = seller.bill(tenant, "2025-10-10T00:00:00Z")["lines"]
    assert {
        name: second[name]
        for name in second
        if name not in {"plan", "plan_id", "plan_version", "counting_period"}
    } == {
        "price": "calls",
        "part": "tier 2",
        "meter": "invocations",
        "unit": "invocation",
        "description": "2 per invocation and a fee of 50, for what is over 5 up to 10",
        "start": "2025-10-10T00:00:00Z",
        "end": "2025-11-01T00:00:00Z",
        "quantity_before": "3",
        "quantity": "4",
        "included": "0",
        "billable_quantity": "2",
        "unit_amount": "2",
        "per": "1",
        "flat_amount": "50",
        "amount_exact_before": "0",
        "amount_exact": "54",
        "amount": "54.00",
        "currency": "USD",
    }


STRIPE = (("5", "7"), ("10", "6.50"), (None, "6"))
STRIPE_FIVES = (("5", "5"), ("10", "4"), ("15", "3"), ("20", "2"), (None, "1"))
OPENMETER_GRADUATED = (("5", "0", "100"), ("10", "0", "50"), ("15", "10"), (None, "5"))
OPENMETER_VOLUME = (("5", "0", "100"), ("10", "0", "150"), ("15", "10"), (None, "5"))
LAGO_PACKAGE = {"kind": "package", "meter": "invocations", "amount": "5", "size": "100", "included": "100"}


@pytest.mark.parametrize(
    ("price", "totals"),
    [
        (tiered("volume", *STRIPE), {1: "7.00", 5: "35.00", 6: "39.00", 20: "120.00", 25: "150.00"}),
        (tiered("graduated", *STRIPE), {5: "35.00", 6: "41.50", 20: "127.50"}),
        (tiered("volume", *STRIPE_FIVES), {5: "25.00", 6: "24.00", 20: "40.00", 25: "25.00"}),
        (tiered("graduated", *STRIPE_FIVES), {6: "29.00", 20: "70.00", 25: "75.00"}),
        (tiered("graduated", *OPENMETER_GRADUATED), {0: "100.00", 7: "150.00", 12: "170.00", 22: "235.00"}),
        (tiered("volume", *OPENMETER_VOLUME), {0: "100.00", 15: "150.00", 16: "80.00", 100: "500.00"}),
        (LAGO_PACKAGE, {100: "0.00", 101: "5.00", 201: "10.00"}),
        (tiered("volume", (None, "0.0006", "10")), {65_000: "49.00"}),
    ],
    ids=["c18v", "c18g", "c19v", "c19g", "c20g", "c20v", "c22p", "c22v"],
)
def test_published_tiers_and_packages(seller: Seller, price: Json, totals: Mapping[int, str]) -> None:
    tenant, used = seller.sell(price), 0
    for number, (quantity, owed) in enumerate(totals.items(), start=1):
        if quantity > used:
            seller.use(tenant, quantity - used, day=number)
        used = quantity
        assert seller.bill(tenant)["total"] == owed


def test_c20_a_fraction_of_a_unit_over_the_bound_enters_the_next_tier(seller: Seller) -> None:
    tenant = seller.sell(tiered("graduated", *OPENMETER_GRADUATED) | {"meter": "cpu_seconds"})
    seller.use(tenant, 1, cpu_seconds=5)
    assert seller.bill(tenant)["total"] == "100.00"
    seller.use(tenant, 1, cpu_seconds=0.001)
    assert seller.bill(tenant)["total"] == "150.00"


def test_c20_minimum_spend(seller: Seller) -> None:
    tenant = seller.sell(tiered("volume", *OPENMETER_VOLUME), {"kind": "minimum_spend", "minimum": "150"})
    seller.use(tenant, 5)
    assert seller.bill(tenant)["total"] == "150.00"
    assert amounts(seller.bill(tenant))[-1] == "50.00"
    assert amounts(seller.bill(tenant, end="2025-10-31T23:55:00Z"))[-1] == "0.00"


def test_c20_maximum_spend(seller: Seller) -> None:
    tenant = seller.sell(CALLS, {"kind": "maximum_spend", "maximum": "170"})
    seller.use(tenant, 32, day=1)
    seller.use(tenant, 3, day=2)
    days = [
        seller.bill(tenant, f"2025-10-0{day}T00:00:00Z", f"2025-10-0{day + 1}T00:00:00Z") for day in (1, 2)
    ]
    assert [amounts(day) for day in days] == [["160.00", "0.00"], ["15.00", "-5.00"]]
    assert seller.bill(tenant)["total"] == "170.00"


def test_c21_a_late_event_gives_back_what_a_tier_charged_before(seller: Seller) -> None:
    tenant = seller.sell(tiered("volume", ("15", "10"), (None, "5")))
    seller.use(tenant, 15, day=1)
    assert seller.bill(tenant)["total"] == "150.00"
    seller.use(tenant, 1, day=20)
    late = seller.bill(tenant, start="2025-10-20T00:00:00Z")
    assert (amounts(late), late["total"]) == (["-150.00", "80.00"], "-70.00")


def test_c22_a_seat_from_the_tenth_costs_22_of_31_days(seller: Seller) -> None:
    # Printed as 7.33, by 30 days; by the days of the month, as it says elsewhere, it is 7.10.
    tenant = seller.sell({"kind": "flat", "amount": "10"})
    assert seller.bill(tenant, start="2025-10-10T00:00:00Z")["total"] == "7.10"


def test_c9_free_tiers_by_value_do_not_spill_from_meter_to_meter(seller: Seller) -> None:
    tenant = seller.sell(
        {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "0.40", "per": "1000000"},
        {"kind": "free_value", "of": ["calls"], "included": "2000000"},
        {"kind": "per_unit", "name": "memory", "meter": "gb_seconds_100ms", "amount": "0.0000025"},
        {"kind": "free_value", "of": ["memory"], "included": "400000"},
    )
    seller.use(tenant, 10_000_000, duration_seconds=10_000_000 * 0.3, memory_mb=128)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (["4.00", "-0.80", "0.94", "-0.94"], "3.20")


def test_c14_a_warm_instance_beside_usage(seller: Seller) -> None:
    tenant = seller.sell(
        {"kind": "per_unit", "meter": "gb_seconds_1ms", "amount": "0.000012", "included": "400000"},
        {
            "kind": "per_unit",
            "meter": "invocations",
            "amount": "0.15",
            "per": "1000000",
            "included": "1000000",
        },
        # An instance of 128 MB: eight seconds of it are a GB-second.
        {"kind": "per_unit", "meter": "provisioned_seconds", "amount": "0.0000036", "per": "8"},
        currency="EUR",
    )
    seller.use(tenant, 30_000_000, duration_seconds=30_000_000, memory_mb=128)
    for day in range(1, 31):
        started = f"2025-10-{day:02}T00:00:00Z"
        seller.use(tenant, 0, day=day, started_at=started, provisioned_seconds=86_400)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (["40.20", "4.35", "1.17"], "45.72")


@pytest.mark.parametrize(
    ("currency", "amount", "calls", "owed"),
    [
        ("JPY", "100.5", 1, "101"),
        ("KWD", "1.2345", 1, "1.235"),
        ("RUB", "0.005", 1, "0.01"),
        ("RWF", "23188", 1, "23188"),
        ("CLF", "0.00005", 1, "0.0001"),
    ],
)
def test_c30_amounts_have_the_digits_of_their_currency(
    seller: Seller, currency: str, amount: str, calls: int, owed: str
) -> None:
    prices = ({"kind": "flat", "amount": amount}, tiered("volume", (None, amount)))
    for price in prices:
        tenant = seller.sell(price, currency=currency)
        seller.use(tenant, calls)
        assert seller.bill(tenant)["total"] == owed


@pytest.mark.parametrize(
    ("tiers", "owed"),
    [
        ((("5", "0"), ("20", "0.10"), (None, "0.07")), "7.10"),
        ((("10", "0"), ("50", "0.08"), (None, "0.06")), "6.20"),
        ((("20", "0"), ("100", "0.05"), (None, "0.03")), "4.00"),
    ],
    ids=["starter", "lite", "business"],
)
def test_c34_egress_by_tiers(seller: Seller, tiers: Sequence[Sequence[str | None]], owed: str) -> None:
    tenant = seller.sell(tiered("graduated", *tiers) | {"meter": "egress_gib"})
    seller.use(tenant, 1, egress_bytes=100 * 2**30)
    assert seller.bill(tenant)["total"] == owed
