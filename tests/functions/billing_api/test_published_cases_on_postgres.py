"""What clouds publish that usage costs, by the ready plans (older pages by plans of their own).

From usage to the bill over the API. The figures are their publishers' unless a comment says otherwise."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.functions.billing_api.published import (
    amounts,
    call,
    customer,
    keep_warm,
    per_unit,
    quantities,
    seller_with_catalogue,
)
from tests.functions.billing_api.seller import Seller

MILLION = 1_000_000


@pytest.fixture(scope="module")
def seller(module_database_url: str) -> Iterator[Seller]:
    with seller_with_catalogue(module_database_url) as seller:
        yield seller


def test_c1_lambda_with_its_free_tier(seller: Seller) -> None:
    tenant = customer(seller, "c1", "aws-lambda-x86")
    call(seller, tenant, 3 * MILLION, "120", 1536)
    bill = seller.bill(tenant)
    assert quantities(bill)[1] == "540000"
    assert (amounts(bill), bill["total"]) == (["0.40", "0.00", "2.33", "0.00", "0.00"], "2.73")


def test_c1_lambda_on_arm_costs_a_fifth_less(seller: Seller) -> None:
    # The prices are AWS's, their sum is arithmetic.
    tenant = customer(seller, "c1-arm", "aws-lambda-arm")
    call(seller, tenant, 3 * MILLION, "120", 1536)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (["0.40", "0.00", "1.87", "0.00", "0.00"], "2.27")


@pytest.mark.parametrize(
    ("plan", "owed"),
    [
        ("aws-lambda-x86", ["99993.53", "135000.00", "66667.00"]),
        ("aws-lambda-arm", ["99995.17", "135001.13", "13333.38"]),
    ],
)
def test_lambda_costs_less_for_billions_of_gb_seconds(seller: Seller, plan: str, owed: list[str]) -> None:
    # AWS prints the tiers, at 6 and 15 billion GB-seconds (7.5 and 18.75 on ARM); the sums are arithmetic.
    tenant = customer(seller, f"billions-{plan}", plan)
    for day in range(1, 21):
        call(seller, tenant, 1_000 * MILLION, "1000", 1024, day=day)
    bill = seller.bill(tenant)
    assert amounts(bill)[2:] == owed


def test_c2_lambda_without_its_free_tier(seller: Seller) -> None:
    # The page prints "14.88 GB-s" for 14.88 million.
    tenant = customer(seller, "c2", "aws-lambda-x86-no-free-tier")
    call(seller, tenant, 10_000 * 24 * 31, "2000", 1024)
    bill = seller.bill(tenant)
    assert (bill["lines"][0]["amount_exact"], quantities(bill)[1]) == ("1.488", "14880000")
    assert (amounts(bill), bill["total"]) == (["1.49", "248.00"], "249.49")


def test_c4_lambda_with_provisioned_concurrency(seller: Seller) -> None:
    # What runs on provisioned instances has prices of its own, so such functions are a tenant of their own.
    # Its instances have 1.5 GB each: a second of one is 1.5 times the 0.0000041667 of a GB-second.
    provisioned = seller.sell(
        per_unit("provisioned_seconds", "0.00000625005"),
        per_unit("gb_seconds_1ms", "0.0000097222"),
        per_unit("invocations", "0.20", "1000000"),
    )
    keep_warm(seller, provisioned, ["2025-10-15T08:00:00Z"] * 100, hours=8)
    call(seller, provisioned, 500_000, "100", 1536)
    on_demand = customer(seller, "c4", "aws-lambda-x86")
    call(seller, on_demand, 2_500_000, "120", 1536)
    bills = seller.bill(provisioned), seller.bill(on_demand)
    assert amounts(bills[0]) == ["18.00", "0.73", "0.10"]
    assert amounts(bills[1]) == ["0.30", "0.00", "0.83", "0.00", "0.00"]
    assert sum(Decimal(bill["total"]) for bill in bills) == Decimal("19.96")
    assert sum(Decimal(bill["total_exact"]) for bill in bills) == Decimal("19.962644")


@pytest.mark.parametrize(
    ("calls", "ms", "mb", "owed", "total"),
    [
        (3 * MILLION, "1000", 512, ["18.34", "0.40"], "18.74"),
        (30 * MILLION, "200", 128, ["5.83", "5.80"], "11.63"),
    ],
)
def test_c6_lambda_by_its_older_page(
    seller: Seller, calls: int, ms: str, mb: int, owed: list[str], total: str
) -> None:
    tenant = seller.sell(
        per_unit("gb_seconds_100ms", "0.00001667", included="400000"),
        per_unit("invocations", "0.20", "1000000", "1000000"),
    )
    call(seller, tenant, calls, ms, mb)
    bill = seller.bill(tenant)
    assert (amounts(bill), bill["total"]) == (owed, total)


def test_c6_lambda_at_the_edge_by_the_second_of_128_mb(seller: Seller) -> None:
    tenant = seller.sell(
        per_unit("gb_seconds_1ms", "0.00000625125", "0.125"), per_unit("invocations", "0.60", "1000000")
    )
    call(seller, tenant, 10 * MILLION, "50", 128)
    bill = seller.bill(tenant)
    assert bill["lines"][0]["amount_exact"] == "3.125625"
    assert (amounts(bill), bill["total"]) == (["3.13", "6.00"], "9.13")


@pytest.mark.parametrize(
    ("meter", "ms", "billed"),
    [
        ("duration_ms_1ms", "27.40", "28"),
        ("duration_ms_1ms", "27.55", "28"),
        # Huawei's page of billing items.
        ("duration_ms_1ms", "0.5", "1"),
        ("duration_ms_1ms", "2.3", "3"),
        # Google's page.
        ("duration_ms_100ms", "260", "300"),
    ],
)
def test_c7_c9_the_duration_of_each_call_is_rounded_up(
    seller: Seller, meter: str, ms: str, billed: str
) -> None:
    tenant = seller.sell(per_unit(meter, "1"))
    call(seller, tenant, 1, ms)
    assert quantities(seller.bill(tenant)) == [billed]


@pytest.mark.parametrize("ms", ["27.40", "27.55"])
def test_c7_lambda_by_the_millisecond_and_by_100(seller: Seller, ms: str) -> None:
    fine = customer(seller, f"c7-{ms[3:]}", "aws-lambda-x86-no-free-tier")
    coarse = seller.sell(per_unit("gb_seconds_100ms", "0.0000166667"))
    for tenant in (fine, coarse):
        call(seller, tenant, 60 * MILLION, ms, 1024)
    assert amounts(seller.bill(fine)) == ["12.00", "28.00"]
    assert amounts(seller.bill(coarse)) == ["100.00"]


def test_c9_google_gives_its_free_tiers_by_value_and_each_for_itself(seller: Seller) -> None:
    # The copies of the page that there are end before its total; it is derived from the same prices. A
    # GHz-second is 0.625 GB-seconds where memory is up to 512 MB (128 MB come with 200 MHz).
    tenant = customer(seller, "c9", "google-cloud-functions-gen1-up-to-512-mb")
    call(seller, tenant, 10 * MILLION, "300", 128)
    bill = seller.bill(tenant)
    assert Decimal(quantities(bill)[4]) / Decimal("0.625") == 600_000
    assert amounts(bill) == ["4.00", "-0.80", "0.94", "-0.94", "6.00", "-2.00"]
    assert bill["total"] == "7.20"


def test_c9_google_beyond_every_free_tier(seller: Seller) -> None:
    # The prices are Google's, their sum is arithmetic.
    tenant = customer(seller, "c9-more", "google-cloud-functions-gen1-up-to-512-mb")
    call(seller, tenant, 10 * MILLION, "300", 512)
    bill = seller.bill(tenant)
    assert amounts(bill) == ["4.00", "-0.80", "3.75", "-1.00", "24.00", "-2.00"]
    assert bill["total"] == "27.95"


@pytest.mark.parametrize(
    ("name", "ms", "mb", "billed"),
    [
        ("half-a-gb", "3000", 512, "1.5"),
        # 160 MB are charged as 256.
        ("steps", "1000", 160, "0.25"),
        # 1,110,000,000 MB-ms, of which the page prints two digits: 1083.98.
        ("mb-ms", "8671875", 128, "1083.984375"),
    ],
)
def test_c10_azure_counts_memory_in_steps_of_128_mb(
    seller: Seller, name: str, ms: str, mb: int, billed: str
) -> None:
    tenant = customer(seller, f"c10-{name}", "azure-functions-consumption")
    call(seller, tenant, 1, ms, mb)
    assert quantities(seller.bill(tenant)) == ["1", billed]


def test_c10_azure_charges_calls_that_fail_once_they_have_started(seller: Seller) -> None:
    tenant = customer(seller, "c10-errors", "azure-functions-consumption")
    call(seller, tenant, 3 * MILLION, "1000", 512, errors=3 * MILLION)
    bill = seller.bill(tenant)
    # What is turned away before code runs is no invocation.
    seller.use(tenant, 0, day=16)
    assert (amounts(bill), seller.bill(tenant)["total"]) == (["0.40", "17.60"], "18.00")


@pytest.mark.parametrize(
    ("currency", "exact", "by_lines"),
    [
        # The page prints the exact sum, to 6 digits in USD and to 2 else; lines are rounded each for itself,
        # which is a cent less in USD.
        ("usd", "49.336622", "49.33"),
        ("rub", "6167.077778", "6167.08"),
        ("kzt", "30835.388889", "30835.39"),
    ],
)
def test_c11_yandex_cloud_functions(seller: Seller, currency: str, exact: str, by_lines: str) -> None:
    tenant = customer(seller, f"c11-{currency}", f"yandex-cloud-functions-{currency}")
    call(seller, tenant, 10 * MILLION, "800", 512)
    bill = seller.bill(tenant)
    assert (f"{Decimal(bill['total_exact']):.6f}", bill["total"]) == (exact, by_lines)


@pytest.mark.parametrize("currency", ["usd", "rub", "kzt"])
def test_yandex_cloud_functions_counts_each_call_by_100_ms(seller: Seller, currency: str) -> None:
    # The rule is Yandex's, its example has calls of 800 ms anyway.
    tenant = customer(seller, f"steps-{currency}", f"yandex-cloud-functions-{currency}")
    call(seller, tenant, 3_600_000, "701", 1024)
    assert quantities(seller.bill(tenant))[1] == "800"


@pytest.mark.parametrize(
    ("currency", "gb_hour", "million", "owed"),
    [
        # The page prints 3855.7999 and 23134.7999, cut off from floats. It prints no prices for KZT beside
        # them: these are six times those in RUB, as its total is.
        ("RUB", "3.42", "10", "3855.80"),
        ("KZT", "20.52", "60", "23134.80"),
    ],
)
def test_c12_yandex_cloud_functions_by_its_older_page(
    seller: Seller, currency: str, gb_hour: str, million: str, owed: str
) -> None:
    tenant = seller.sell(
        per_unit("gb_hours_100ms", gb_hour, included="10"),
        per_unit("invocations", million, "1000000", "1000000"),
        currency=currency,
    )
    call(seller, tenant, 10 * MILLION, "800", 512)
    bill = seller.bill(tenant)
    assert (Decimal(bill["total_exact"]), bill["total"]) == (Decimal(owed), owed)


def test_c12_a_thousand_calls_cost_a_kopeck(seller: Seller) -> None:
    tenant = seller.sell(per_unit("invocations", "10", "1000000"), currency="RUB")
    seller.use(tenant, 1_000)
    assert seller.bill(tenant)["total"] == "0.01"


def test_c14_scaleway(seller: Seller) -> None:
    tenant = customer(seller, "c14", "scaleway-functions")
    call(seller, tenant, 30 * MILLION, "1000", 128)
    bill = seller.bill(tenant)
    assert bill["lines"][1]["billable_quantity"] == "3350000"
    assert (amounts(bill), bill["total"]) == (["4.35", "40.20"], "44.55")


def test_c14_scaleway_with_a_warm_instance(seller: Seller) -> None:
    tenant = customer(seller, "c14-warm", "scaleway-functions-warm-128-mb")
    call(seller, tenant, 30 * MILLION, "1000", 128)
    keep_warm(seller, tenant, [f"2025-10-{day:02}T00:00:00Z" for day in range(1, 31)], hours=24)
    bill = seller.bill(tenant)
    assert quantities(bill)[2] == "2592000"
    assert bill["lines"][2]["amount_exact"] == "1.1664"
    assert (amounts(bill), bill["total"]) == (["4.35", "40.20", "1.17"], "45.72")
