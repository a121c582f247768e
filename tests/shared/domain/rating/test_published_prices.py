"""Prices and answers that their publishers print; each figure is theirs unless a comment says otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from shared.domain.facts import WindowFacts
from shared.domain.meters import quantities
from shared.domain.money import exact_text
from shared.domain.period import Period
from shared.domain.plan import Plan
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import LineItem, exact_total, total
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.rate import rate
from shared.domain.usage import UsageRecord

MONTH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
MIB = 2**20
MS = 10**6


def per_unit(meter: str, amount: str, per: int = 1, included: int = 0) -> PerUnit:
    return PerUnit(meter, Decimal(amount), Decimal(per), Decimal(included))


def plan_of(currency: str, *prices: PerUnit) -> Plan:
    return Plan(UUID(int=1), "published", currency, prices, MONTH.start)


def facts_of(invocations: int, ms: str = "0", mb: int = 0, egress_bytes: int = 0) -> WindowFacts:
    """`invocations` of `ms` and `mb` each."""
    facts = WindowFacts()
    facts.add_record(
        UsageRecord(
            "waiter",
            MONTH.start,
            invocations=invocations,
            duration_ns=invocations * int(Fraction(ms) * MS),
            memory_bytes=mb * MIB,
            egress_bytes=egress_bytes,
        )
    )
    return facts


def bill(plan: Plan, *facts: WindowFacts) -> tuple[LineItem, ...]:
    """The month's lines for all of `facts`."""
    used = WindowFacts()
    for some in facts:
        used.add(some)
    return rate(
        plan,
        Cumulative(MONTH, MONTH.start, quantities(WindowFacts())),
        Cumulative(MONTH, MONTH.end, quantities(used)),
    )


def amounts(lines: Sequence[LineItem]) -> list[str]:
    return [f"{line.amount:f}" for line in lines]


AWS_FREE_TIER = plan_of(
    "USD",
    per_unit("gb_seconds_1ms", "0.0000166667", included=400_000),
    per_unit("invocations", "0.20", 1_000_000, 1_000_000),
)
AWS_2018 = plan_of(
    "USD",
    per_unit("gb_seconds_1ms", "0.00001667", included=400_000),
    per_unit("invocations", "0.20", 1_000_000, 1_000_000),
)
FAAS_BILLING = plan_of(
    "RUB",
    per_unit("invocations", "17.28", 1_000_000, 1_000_000),
    per_unit("gb_hours", "5.9076", included=10),
    per_unit("egress_gib", "1.6524", included=100),
)


def test_c1_lambda_three_million_requests() -> None:
    lines = bill(AWS_FREE_TIER, facts_of(3_000_000, "120", 1536))
    assert lines[0].quantity_after == 540_000
    assert lines[0].billable_quantity == 140_000
    assert amounts(lines) == ["2.33", "0.40"]
    assert total(lines, "USD") == Decimal("2.73")


def test_c2_lambda_without_free_tier() -> None:
    plan = plan_of(
        "USD", per_unit("invocations", "0.20", 1_000_000), per_unit("gb_seconds_1ms", "0.0000166667")
    )
    lines = bill(plan, facts_of(10_000 * 24 * 31, "2000", 1024))
    # The page prints "14.88 GB-s" for 14.88 million.
    assert lines[1].quantity_after == 14_880_000
    assert lines[0].exact_amount == Fraction("1.488")
    assert amounts(lines) == ["1.49", "248.00"]
    assert total(lines, "USD") == Decimal("249.49")


@pytest.mark.parametrize(
    ("facts", "expected", "sum_"),
    [
        (facts_of(3_000_000, "1000", 512), ["18.34", "0.40"], "18.74"),
        (facts_of(30_000_000, "200", 128), ["5.83", "5.80"], "11.63"),
    ],
)
def test_c6_lambda_older_page(facts: WindowFacts, expected: list[str], sum_: str) -> None:
    lines = bill(AWS_2018, facts)
    assert amounts(lines) == expected
    assert total(lines, "USD") == Decimal(sum_)


def test_c6_lambda_at_edge_bills_each_50_ms_of_128_mb() -> None:
    plan = plan_of(
        "USD",
        PerUnit("gb_seconds_1ms", Decimal("0.00000625125"), per=Decimal("0.125")),
        per_unit("invocations", "0.60", 1_000_000),
    )
    lines = bill(plan, facts_of(10_000_000, "50", 128))
    assert lines[0].exact_amount == Fraction("3.125625")
    assert amounts(lines) == ["3.13", "6.00"]
    assert total(lines, "USD") == Decimal("9.13")


@pytest.mark.parametrize("ms", ["27.40", "27.55"])
def test_c7_lambda_bills_28_ms_for_27_and_a_bit(ms: str) -> None:
    fine = plan_of(
        "USD", per_unit("gb_seconds_1ms", "0.00001667"), per_unit("invocations", "0.20", 1_000_000)
    )
    coarse = plan_of("USD", per_unit("gb_seconds_100ms", "0.00001667"))
    usage = facts_of(60_000_000, ms, 1024)
    lines = bill(fine, usage)
    assert lines[0].quantity_after == 60_000_000 * 28 // 1000
    # The blog post rounds 28.0056 and 100.02 to whole dollars.
    assert amounts(lines) == ["28.01", "12.00"]
    assert amounts(bill(coarse, usage)) == ["100.02"]


@pytest.mark.parametrize(
    ("currency", "per_gb_hour", "per_million", "exact", "by_lines"),
    [
        # The pages print the exact sums to 6 or 2 digits; lines round each for itself.
        ("USD", "0.043760", "0.128", "49.336622", "49.33"),
        ("RUB", "5.47", "16", "6167.077778", "6167.08"),
        ("KZT", "27.35", "80", "30835.388889", "30835.39"),
        # Here the page truncated floats: it prints 3855.7999.
        ("RUB", "3.42", "10", "3855.800000", "3855.80"),
    ],
)
def test_c11_c12_yandex_cloud_functions(
    currency: str, per_gb_hour: str, per_million: str, exact: str, by_lines: str
) -> None:
    plan = plan_of(
        currency,
        per_unit("gb_hours_100ms", per_gb_hour, included=10),
        per_unit("invocations", per_million, 1_000_000, 1_000_000),
    )
    lines = bill(plan, facts_of(10_000_000, "800", 512))
    assert lines[0].quantity_after == Fraction(10_000, 9)
    assert f"{Decimal(round(exact_total(lines) * 10**6)) / 10**6:.6f}" == exact
    assert total(lines, currency) == Decimal(by_lines)


def test_c12_a_thousand_calls_cost_a_kopeck() -> None:
    lines = bill(plan_of("RUB", per_unit("invocations", "10", 1_000_000)), facts_of(1_000))
    assert amounts(lines) == ["0.01"]


def test_c14_scaleway() -> None:
    plan = plan_of(
        "EUR",
        per_unit("gb_seconds_1ms", "0.000012", included=400_000),
        per_unit("invocations", "0.15", 1_000_000, 1_000_000),
    )
    lines = bill(plan, facts_of(30_000_000, "1000", 128))
    assert lines[0].billable_quantity == 3_350_000
    assert amounts(lines) == ["40.20", "4.35"]
    assert total(lines, "EUR") == Decimal("44.55")


def test_c31_faas_billing_plan() -> None:
    lines = bill(FAAS_BILLING, facts_of(10_000_000, "800", 512))
    assert amounts(lines) == ["155.52", "6504.92", "0.00"]
    assert total(lines, "RUB") == Decimal("6660.44")


def test_c31_egress_beyond_the_free_gibibytes() -> None:
    lines = bill(FAAS_BILLING, facts_of(0, egress_bytes=250 * 2**30))
    assert amounts(lines) == ["0.00", "0.00", "247.86"]


def test_c32_twelve_million_invocations() -> None:
    lines = bill(FAAS_BILLING, facts_of(12_000_000))
    assert amounts(lines) == ["190.08", "0.00", "0.00"]


def test_a_fraction_of_a_cent_is_shown_exact_and_billed_rounded() -> None:
    # What the bundled trace comes to: 199 invocations of 256 MB, billed for 10,599,170 ms.
    plan = plan_of(
        "USD", per_unit("invocations", "0.20", 1_000_000), per_unit("gb_seconds_1ms", "0.0000166667")
    )
    lines = bill(plan, WindowFacts(invocations=199, byte_ms_1ms=10_599_170 * 256 * MIB))
    assert exact_text(exact_total(lines)) == "0.04420309665975"
    assert amounts(lines) == ["0.00", "0.04"]


def test_a_free_tier_of_one_meter_does_not_spill_into_another() -> None:
    lines = bill(FAAS_BILLING, facts_of(1, "3600000", 20 * 1024))
    assert [line.billable_quantity for line in lines] == [0, 10, 0]


def test_a_line_can_be_checked_by_hand() -> None:
    (line, *_) = bill(FAAS_BILLING, facts_of(12_345_678))
    assert line.to_dict() == {
        "counting_period_start": "2026-03-01T00:00:00Z",
        "counting_period_end": "2026-04-01T00:00:00Z",
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-04-01T00:00:00Z",
        "plan_id": str(UUID(int=1)),
        "plan": "published",
        "plan_version": 1,
        "price": "",
        "meter": "invocations",
        "unit": "invocation",
        "part": "",
        "description": "17.28 per 1,000,000 invocations, after 1,000,000 included per month",
        "quantity_before": "0",
        "quantity_after": "12345678",
        "included": "1000000",
        "billable_quantity": "11345678",
        "unit_amount": "17.28",
        "per": "1000000",
        "flat_amount": "0",
        "exact_before": "0",
        "exact_after": "196.05331584",
        "exact_amount": "196.05331584",
        "amount": "196.05",
        "currency": "RUB",
    }
