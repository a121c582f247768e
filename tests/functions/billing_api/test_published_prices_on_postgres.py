"""What billing systems publish that prices come to: tiers, packages, limits, seats, months and currencies.

From plan and usage to the bill over the API. The figures are their publishers' unless a comment says
otherwise. A call, or a second of CPU, stands for one unit of theirs."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.functions.billing_api.published import (
    amounts,
    customer,
    per_unit,
    quantities,
    seller_with_catalogue,
    tiered,
)
from tests.functions.billing_api.seller import MONTH, Seller

FROM_THE_TENTH = "2025-10-10T00:00:00Z"


@pytest.fixture(scope="module")
def seller(module_database_url: str) -> Iterator[Seller]:
    with seller_with_catalogue(module_database_url) as seller:
        yield seller


def check_totals(seller: Seller, price: Mapping[str, Any], totals: Mapping[str, str]) -> None:
    """That so many seconds of CPU, sent bit by bit, come to so much."""
    tenant, used = seller.sell(price), Decimal(0)
    for number, (quantity, owed) in enumerate(totals.items(), start=1):
        if Decimal(quantity) > used:
            seller.use(tenant, 1, day=number, cpu_seconds=float(Decimal(quantity) - used))
        used = Decimal(quantity)
        assert seller.bill(tenant)["total"] == owed, quantity


SEATS = (("5", "7"), ("10", "6.50"), (None, "6"))
FIVES = (("5", "5"), ("10", "4"), ("15", "3"), ("20", "2"), (None, "1"))
GRADUATED_FEES = (("5", "0", "100"), ("10", "0", "50"), ("15", "10"), (None, "5"))
VOLUME_FEES = (("5", "0", "100"), ("10", "0", "150"), ("15", "10"), (None, "5"))


@pytest.mark.parametrize(
    ("kind", "tiers", "totals"),
    [
        ("volume", SEATS, {"1": "7.00", "5": "35.00", "6": "39.00", "20": "120.00", "25": "150.00"}),
        # Stripe prints what 5 come to; the others are by its table.
        ("graduated", SEATS, {"1": "7.00", "5": "35.00", "6": "41.50", "20": "127.50", "25": "157.50"}),
    ],
    ids=["volume", "graduated"],
)
def test_c18_stripe_tiers_of_seats(
    seller: Seller, kind: str, tiers: Sequence[Sequence[str | None]], totals: Mapping[str, str]
) -> None:
    check_totals(seller, tiered(kind, *tiers, meter="cpu_seconds"), totals)


@pytest.mark.parametrize(
    ("kind", "totals"),
    [
        ("volume", {"1": "5.00", "5": "25.00", "6": "24.00", "20": "40.00", "25": "25.00"}),
        # Stripe prints what 6 come to; the others are by its table.
        ("graduated", {"6": "29.00", "20": "70.00", "25": "75.00"}),
    ],
)
def test_c19_stripe_tiers_of_which_more_may_cost_less(
    seller: Seller, kind: str, totals: Mapping[str, str]
) -> None:
    check_totals(seller, tiered(kind, *FIVES, meter="cpu_seconds"), totals)


def test_c19_stripe_upgrade_halfway_through_a_month(seller: Seller) -> None:
    tenant, dearer = (seller.sell({"kind": "flat", "amount": amount}) for amount in ("10", "20"))
    november = "2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z"
    before = seller.bill(tenant, *november)
    change = {"plan": dearer, "starts_at": "2025-11-16T00:00:00Z", "applies": "immediately"}
    assert seller.api.put(f"/tenants/{tenant}/pricing-plan", change).status_code == 200
    after = seller.bill(tenant, *november)
    # Of the 10 before, 5 are given back, and half of 20 is due.
    assert (amounts(before), amounts(after)) == (["10.00"], ["5.00", "10.00"])
    assert Decimal(after["total"]) - Decimal(before["total"]) == Decimal("5.00")


@pytest.mark.parametrize(
    ("kind", "tiers", "totals"),
    [
        (
            "graduated",
            GRADUATED_FEES,
            {
                "0": "100.00",
                "3": "100.00",
                "5": "100.00",
                "5.001": "150.00",
                "7": "150.00",
                "12": "170.00",
                "22": "235.00",
            },
        ),
        (
            "volume",
            VOLUME_FEES,
            {"0": "100.00", "14": "140.00", "15": "150.00", "16": "80.00", "100": "500.00"},
        ),
    ],
    ids=["graduated", "volume"],
)
def test_c20_openmeter_tiers_with_fees(
    seller: Seller, kind: str, tiers: Sequence[Sequence[str | None]], totals: Mapping[str, str]
) -> None:
    check_totals(seller, tiered(kind, *tiers, meter="cpu_seconds"), totals)


def test_c20_openmeter_minimum_spend(seller: Seller) -> None:
    tenant = seller.sell(tiered("volume", *VOLUME_FEES), {"kind": "minimum_spend", "minimum": "150"})
    seller.use(tenant, 5)
    bill = seller.bill(tenant)
    assert (amounts(bill)[0], amounts(bill)[-1], bill["total"]) == ("100.00", "50.00", "150.00")


def test_c20_openmeter_maximum_spend(seller: Seller) -> None:
    tenant = seller.sell(
        per_unit("invocations", "5"),
        per_unit("cpu_seconds", "1"),
        {"kind": "maximum_spend", "maximum": "170"},
    )
    seller.use(tenant, 32, day=1)
    seller.use(tenant, 3, day=2)
    seller.use(tenant, 0, day=3, cpu_seconds=7)
    days = [
        seller.bill(tenant, f"2025-10-0{day}T00:00:00Z", f"2025-10-0{day + 1}T00:00:00Z") for day in (1, 2, 3)
    ]
    assert [amounts(day) for day in days] == [
        ["160.00", "0.00", "0.00"],
        ["15.00", "0.00", "-5.00"],
        ["0.00", "7.00", "-7.00"],
    ]
    assert [day["total"] for day in days] == ["160.00", "10.00", "0.00"]


def test_c20_openmeter_packages_are_those_of_the_month(seller: Seller) -> None:
    tenant = seller.sell({"kind": "package", "meter": "invocations", "amount": "15", "size": "10"})
    seller.use(tenant, 17, day=1)
    seller.use(tenant, 5, day=20)
    assert seller.bill(tenant, end=FROM_THE_TENTH)["total"] == "30.00"
    assert seller.bill(tenant, start=FROM_THE_TENTH)["total"] == "15.00"


def test_c22_lago_volume_with_a_fee(seller: Seller) -> None:
    check_totals(seller, tiered("volume", (None, "0.0006", "10"), meter="cpu_seconds"), {"65000": "49.00"})


def test_c22_lago_package_after_free_units(seller: Seller) -> None:
    package = {"kind": "package", "meter": "cpu_seconds", "amount": "5", "size": "100", "included": "100"}
    check_totals(seller, package, {"100": "0.00", "101": "5.00", "200": "5.00", "201": "10.00"})


def test_c22_lago_percentage_with_a_fee_of_which_events_are_free(seller: Seller) -> None:
    meter = {"name": "payments", "unit": "USD", "aggregation": "sum", "value": "quantities.amount"}
    assert seller.api.post("/meters", meter | {"ledger": True}).status_code == 201
    price = {"kind": "per_event", "meter": "custom.payments", "percent": "1.2", "fixed": "0.10"}
    tenant = seller.sell(price | {"free_events": "3", "free_amount": "500"})
    totals = []
    for day, amount in enumerate(("200", "100", "100", "50"), start=1):
        seller.use(tenant, 1, day=day, quantities={"amount": amount})
        totals.append(seller.bill(tenant)["total"])
    assert totals == ["0.00", "0.00", "0.00", "0.70"]


def test_c22_lago_graduated_percentage_with_fees(seller: Seller) -> None:
    tenant = seller.sell(
        tiered("graduated", ("1000", "0.01", "200"), (None, "0.02", "300"), meter="cpu_seconds")
    )
    for day, worth in ((1, 500), (2, 550), (3, 4_000)):
        seller.use(tenant, 1, day=day, cpu_seconds=worth)
    days = [
        seller.bill(tenant, f"2025-10-0{day}T00:00:00Z", f"2025-10-0{day + 1}T00:00:00Z") for day in (1, 2, 3)
    ]
    assert [day["total"] for day in days] == ["205.00", "306.00", "80.00"]


def test_c22_lago_dynamic_amounts_come_with_the_events(seller: Seller) -> None:
    # The page's prose says 3.435, its events and its table 3.45. A second of CPU is a cent; the 22 units, of
    # which the page prints a price for display, cost nothing by themselves.
    tenant = seller.sell(per_unit("cpu_seconds", "0.01"), per_unit("invocations", "0"))
    for day, units, cents in ((1, 10, 70), (2, 5, 55), (3, 7, 220)):
        seller.use(tenant, units, day=day, cpu_seconds=cents)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (["3.45", "0.00"], "3.45")
    assert round(Decimal(bill["total"]) / Decimal(quantities(bill)[1]), 6) == Decimal("0.156818")


def test_c22_lago_weighted_sum_is_by_how_long_a_quantity_is_held(seller: Seller) -> None:
    meter = {"name": "stored", "unit": "GB", "aggregation": "weighted_sum", "value": "quantities.stored"}
    assert seller.api.post("/meters", meter | {"less": "quantities.deleted"}).status_code == 201
    tenant = seller.sell(per_unit("custom.stored", "1"))
    seller.use(tenant, 1, day=1, quantities={"stored": "20"})
    seller.use(tenant, 1, day=2, quantities={"stored": "10"})
    seller.use(tenant, 1, day=17, quantities={"deleted": "30"})
    (line,) = seller.bill(tenant)["lines"]
    assert round(Decimal(line["quantity"]), 10) == Decimal("15.1612903226")
    assert line["amount"] == "15.16"


@pytest.mark.parametrize(
    ("precision", "step", "quantity"),
    [("p0", "1", "123"), ("p2", "0.01", "123.46"), ("p_minus_1", "10", "120")],
)
@pytest.mark.parametrize("rounding", ["record", "total"])
def test_c22_lago_rounding_to_a_precision(
    seller: Seller, rounding: str, precision: str, step: str, quantity: str
) -> None:
    name = f"{rounding}_{precision}"
    meter = {"name": name, "unit": "unit", "aggregation": "sum", "value": "quantities.amount"}
    nearest = {"rounding": rounding, "step": step, "towards": "nearest"}
    assert seller.api.post("/meters", meter | nearest).status_code == 201
    tenant = seller.sell(per_unit(f"custom.{name}", "1"))
    seller.use(tenant, 1, quantities={"amount": "123.4567"})
    assert quantities(seller.bill(tenant)) == [quantity]


@pytest.mark.parametrize(
    ("prorated_by", "owed"),
    [
        # Lago prints 7.33, which is 22 of 30 days, for a month of 31; elsewhere it goes by actual days.
        ("fixed_30", "7.33"),
        ("days", "7.10"),
        ("seconds", "7.10"),
    ],
)
def test_c22_lago_seat_from_the_tenth_of_a_month_of_31_days(
    seller: Seller, prorated_by: str, owed: str
) -> None:
    seat = {"kind": "licensed", "quantity": "1", "amount": "10", "prorated_by": prorated_by}
    tenant = seller.sell(seat)
    assert seller.bill(tenant, start=FROM_THE_TENTH)["total"] == owed
    assert seller.bill(tenant)["total"] == "10.00"


@pytest.mark.parametrize(
    ("timezone", "start", "end", "length_s"),
    [
        ("America/New_York", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z", "2674800"),
        ("Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", "2674800"),
        ("Europe/Berlin", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "2682000"),
        ("Europe/Moscow", "2026-02-28T21:00:00Z", "2026-03-31T21:00:00Z", "2678400"),
        ("Australia/Lord_Howe", "2026-03-31T13:00:00Z", "2026-04-30T13:30:00Z", "2593800"),
    ],
    ids=["new-york", "berlin", "berlin-october", "moscow", "lord-howe"],
)
def test_c26_months_are_as_long_as_they_are_where_the_tenant_is(
    seller: Seller, timezone: str, start: str, end: str, length_s: str
) -> None:
    plan = seller.sell({"kind": "licensed", "quantity": "1", "amount": "10"})
    name = f"{timezone}-{start[:7]}".lower().replace("/", "-").replace("_", "-")
    (line,) = seller.bill(customer(seller, name, plan, timezone=timezone), start, end)["lines"]
    assert line["counting_period"] == {"start": start, "end": end}
    assert (line["quantity"], line["per"], line["amount"]) == (length_s, length_s, "10.00")


def test_c26_a_call_at_the_first_instant_of_a_month_is_of_that_month(seller: Seller) -> None:
    # Published for 2026, which this seller has not reached; Moscow's clock did not change since.
    tenant = customer(seller, "midnight", seller.sell(per_unit("invocations", "1")), timezone="Europe/Moscow")
    for at, calls in (("2025-03-31T20:59:59.999Z", 1), ("2025-03-31T21:00:00Z", 10)):
        record = {"tenant_id": tenant, "service_name": "f", "timestamp": at, "invocations": calls}
        assert seller.api.post("/metrics/ingest", record).get_json()["accepted"] == 1
    bounds = ["2025-02-28T21:00:00Z", "2025-03-31T21:00:00Z", "2025-04-30T21:00:00Z"]
    assert quantities(seller.bill(tenant, *bounds[:2])) == ["1"]
    assert quantities(seller.bill(tenant, *bounds[1:])) == ["10"]


@pytest.mark.parametrize(
    ("currency", "amount", "owed"),
    [
        # That Stripe charges three-decimal currencies to the nearest ten is its own business.
        ("JPY", "100.5", "101"),
        ("KWD", "1.2345", "1.235"),
        ("RUB", "0.005", "0.01"),
        ("RWF", "23188", "23188"),
        # By ISO 4217.
        ("CLF", "0.00005", "0.0001"),
        ("BHD", "0.0005", "0.001"),
        ("ISK", "0.5", "1"),
    ],
)
def test_c30_amounts_are_rounded_half_up_to_the_digits_of_the_currency(
    seller: Seller, currency: str, amount: str, owed: str
) -> None:
    for price in (per_unit("invocations", amount), {"kind": "flat", "amount": amount}):
        tenant = seller.sell(price, currency=currency)
        seller.use(tenant, 1)
        bill = seller.bill(tenant)
        assert (amounts(bill), bill["total"], bill["currency"]) == ([owed], owed, currency)


def test_c24_what_is_rounded_is_the_line_and_not_the_unit(seller: Seller) -> None:
    tenant = seller.sell(per_unit("invocations", "8.165"))
    seller.use(tenant, 2)
    assert seller.bill(tenant)["total"] == "16.33"


def test_flexprice_reserved_hours_are_paid_for_used_or_not(seller: Seller) -> None:
    # 500 vCPU-hours at 2, and 1.5 times as much beyond; what 300 and 600 come to is arithmetic.
    reserved = {"kind": "reserved", "meter": "cpu_seconds", "quantity": "1800000", "per": "3600"}
    totals = {"0": "1000.00", "1080000": "1000.00", "2160000": "1300.00"}
    check_totals(seller, reserved | {"amount": "2", "overage": "3"}, totals)
    tenant = seller.sell(reserved | {"amount": "2", "overage": "3"})
    assert seller.bill(tenant, MONTH[0], "2025-10-16T12:00:00Z")["total"] == "500.00"
