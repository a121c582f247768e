"""Tiers, packages, limits and free tiers that publishers print the answers of; the figures are theirs
unless a comment says otherwise. One call stands for one unit of theirs."""

from decimal import Decimal
from typing import Any

import pytest

from tests.shared.domain.rating.entered import amounts, month, month_total, parts, plan_of, tiered, totals

# https://docs.stripe.com/subscriptions/pricing-models/tiered-pricing
SEATS = (("5", "7"), ("10", "6.50"), (None, "6"))
# https://stripe.com/docs/billing/subscriptions/tiers
FIVES = (("5", "5"), ("10", "4"), ("15", "3"), ("20", "2"), (None, "1"))
# https://github.com/openmeterio/openmeter openmeter/billing/rating/service/rate
METERED_GRADUATED = (("5", "0", "100"), ("10", "0", "50"), ("15", "10"), (None, "5"))
METERED_VOLUME = (("5", "0", "100"), ("10", "0", "150"), ("15", "10"), (None, "5"))


@pytest.mark.parametrize(
    ("kind", "quantity", "owed"),
    [
        ("volume", 1, "7.00"),
        ("volume", 5, "35.00"),
        ("volume", 6, "39.00"),
        ("volume", 20, "120.00"),
        ("volume", 25, "150.00"),
        ("graduated", 5, "35.00"),
        # By their table, not printed:
        ("graduated", 1, "7.00"),
        ("graduated", 6, "41.50"),
        ("graduated", 20, "127.50"),
        ("graduated", 25, "157.50"),
    ],
)
def test_c18_stripe_tiers_of_seats(kind: str, quantity: int, owed: str) -> None:
    assert month_total(plan_of(tiered(kind, *SEATS)), quantity) == Decimal(owed)


@pytest.mark.parametrize(
    ("kind", "quantity", "owed"),
    [
        ("volume", 1, "5.00"),
        ("volume", 5, "25.00"),
        ("volume", 6, "24.00"),
        ("volume", 20, "40.00"),
        ("volume", 25, "25.00"),
        ("graduated", 6, "29.00"),
        # By their table, not printed:
        ("graduated", 20, "70.00"),
        ("graduated", 25, "75.00"),
    ],
)
def test_c19_stripe_tiers_whose_total_may_fall(kind: str, quantity: int, owed: str) -> None:
    assert month_total(plan_of(tiered(kind, *FIVES)), quantity) == Decimal(owed)


@pytest.mark.parametrize(
    ("kind", "quantity", "owed"),
    [
        ("graduated", "0", "100.00"),
        ("graduated", "3", "100.00"),
        ("graduated", "5", "100.00"),
        ("graduated", "5.001", "150.00"),
        ("graduated", "7", "150.00"),
        ("graduated", "12", "170.00"),
        ("graduated", "22", "235.00"),
        ("volume", "0", "100.00"),
        ("volume", "14", "140.00"),
        ("volume", "15", "150.00"),
        ("volume", "16", "80.00"),
        ("volume", "100", "500.00"),
    ],
)
def test_c20_openmeter_tiers_with_flat_fees(kind: str, quantity: str, owed: str) -> None:
    tiers = METERED_GRADUATED if kind == "graduated" else METERED_VOLUME
    assert month_total(plan_of(tiered(kind, *tiers)), quantity) == Decimal(owed)


def test_c20_openmeter_minimum_spend_is_trued_up() -> None:
    lines = month(plan_of(tiered("volume", *METERED_VOLUME), {"kind": "minimum_spend", "minimum": "150"}), 5)
    assert amounts(lines) == ["100.00", "0.00", "0.00", "0.00", "50.00"]


def test_c20_openmeter_maximum_spend_discounts_what_goes_over() -> None:
    plan = plan_of(
        {"kind": "per_unit", "meter": "invocations", "amount": "5"},
        {"kind": "per_unit", "meter": "errors", "amount": "1"},
        {"kind": "maximum_spend", "maximum": "170"},
    )
    billed, fifteen, seven = parts(
        plan, {"invocations": "32"}, {"invocations": "35"}, {"invocations": "35", "errors": "7"}
    )
    assert amounts(billed) == ["160.00", "0.00", "0.00"]
    assert amounts(fifteen) == ["15.00", "0.00", "-5.00"]
    assert amounts(seven) == ["0.00", "7.00", "-7.00"]


def test_c20_openmeter_five_units_after_seventeen_start_one_more_package() -> None:
    package = {"kind": "package", "meter": "invocations", "amount": "15", "size": "10"}
    assert totals(plan_of(package), 17, 22) == ["30.00", "15.00"]


def test_c21_openmeter_late_event_moves_all_units_to_another_tier() -> None:
    plan = plan_of(tiered("volume", ("15", "10"), (None, "5")))
    billed, late = parts(plan, 15, 16)
    assert amounts(billed) == ["150.00", "0.00"]
    assert amounts(late) == ["-150.00", "80.00"]


def test_c22_lago_volume_with_a_flat_fee() -> None:
    plan = plan_of(tiered("volume", (None, "0.0006", "10")))
    assert month_total(plan, 65_000) == Decimal("49.00")


def test_c22_lago_package_after_free_units() -> None:
    package = {"kind": "package", "meter": "invocations", "amount": "5", "size": "100", "included": "100"}
    assert [month_total(plan_of(package), n) for n in (100, 101, 200, 201)] == [0, 5, 5, 10]


def test_c22_lago_graduated_percentage_with_flat_fees() -> None:
    plan = plan_of(tiered("graduated", ("1000", "0.01", "200"), (None, "0.02", "300")))
    assert totals(plan, 500, 1_050, 5_050) == ["205.00", "306.00", "80.00"]


def test_aws_developer_support_is_a_share_of_charges_with_a_minimum() -> None:
    # https://aws.amazon.com/premiumsupport/pricing/: 2,000 of charges. The minimum's figure is arithmetic.
    plan = plan_of(
        {"kind": "per_unit", "meter": "invocations", "amount": "1"},
        {"kind": "percentage", "name": "support", "percent": "3"},
        {"kind": "minimum_spend", "minimum": "29", "of": ["support"]},
    )
    assert amounts(month(plan, 2_000)) == ["2000.00", "60.00", "0.00"]
    assert amounts(month(plan, 100)) == ["100.00", "3.00", "26.00"]


@pytest.mark.parametrize(
    ("plan", "amounts_of_100"),
    [
        ((("5", "0"), ("20", "0.10"), (None, "0.07")), ["0.00", "1.50", "5.60"]),
        ((("10", "0"), ("50", "0.08"), (None, "0.06")), ["0.00", "3.20", "3.00"]),
        ((("20", "0"), ("100", "0.05"), (None, "0.03")), ["0.00", "4.00", "0.00"]),
    ],
)
def test_c34_storacha_egress(plan: tuple[tuple[str | None, str], ...], amounts_of_100: list[str]) -> None:
    # The tiers are published; what 100 GiB cost is by arithmetic.
    lines = month(plan_of(tiered("graduated", *plan, meter="egress_gib")), {"egress_gib": "100"})
    assert amounts(lines) == amounts_of_100


GOOGLE: tuple[dict[str, Any], ...] = (
    {"kind": "per_unit", "name": "requests", "meter": "invocations", "amount": "0.40", "per": "1000000"},
    {"kind": "free_value", "of": ["requests"], "included": "2000000"},
    {"kind": "per_unit", "name": "memory", "meter": "gb_seconds_100ms", "amount": "0.0000025"},
    {"kind": "free_value", "of": ["memory"], "included": "400000"},
)


def test_c9_google_free_tier_of_one_meter_does_not_spill_into_another() -> None:
    # https://cloud.google.com/functions/pricing, without the GHz-seconds, which are no meter yet.
    lines = month(plan_of(*GOOGLE), {"invocations": "10000000", "gb_seconds_100ms": "375000"})
    assert amounts(lines) == ["4.00", "-0.80", "0.94", "-0.94"]
    assert sum(line.amount for line in lines) == Decimal("3.20")


def test_google_free_tier_is_worth_tier_1_prices_in_the_regions_of_tier_2_too() -> None:
    # https://cloud.google.com/run/pricing: "a spending based discount using Tier 1 pricing". Vcpu-seconds
    # and regions are no meters yet: the figures are its prices, the quantities are made up.
    plan = plan_of(
        {"kind": "per_unit", "name": "tier 1", "meter": "cpu_seconds", "amount": "0.000024"},
        {"kind": "per_unit", "name": "tier 2", "meter": "cpu_seconds", "amount": "0.0000336"},
        {"kind": "free_value", "of": ["tier 1", "tier 2"], "included": "180000"},
    )
    assert amounts(month(plan, {"cpu_seconds": "1000000"})) == ["24.00", "33.60", "-4.32"]
