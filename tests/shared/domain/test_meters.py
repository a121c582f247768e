from datetime import UTC, datetime
from fractions import Fraction

from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.meters import METERS, quantities
from shared.domain.usage import UsageRecord

AT = datetime(2026, 3, 1, tzinfo=UTC)


def facts_of(**record: int) -> WindowFacts:
    facts = WindowFacts()
    facts.add_record(UsageRecord("waiter", AT, **record))  # type: ignore[arg-type]
    return facts


def test_every_meter_reads_a_fact_that_windows_hold() -> None:
    assert {meter.fact for meter in METERS.values()} <= set(NUMBERS)
    assert all(meter.name == name and meter.divisor > 0 for name, meter in METERS.items())


def test_no_usage_is_zero_of_everything() -> None:
    assert set(quantities(WindowFacts()).values()) == {Fraction(0)}


def test_quantities_are_exact_in_the_unit_of_the_price_lists() -> None:
    # 27.4 ms are billed as 28 ms or 100 ms; 160 MB are charged as 256 MB where memory counts in steps.
    facts = facts_of(
        invocations=1_000,
        duration_ns=1_000 * 27_400_000,
        memory_bytes=160 * 2**20,
        cold_starts=3,
        errors=2,
        cpu_ns=1_234_567,
        egress_bytes=3 * 2**29,
    )
    expected = {
        "invocations": Fraction(1_000),
        "errors": Fraction(2),
        "cold_starts": Fraction(3),
        "cpu_ms": Fraction("1.234567"),
        "cpu_seconds": Fraction("0.001234567"),
        "duration_ms": Fraction(27_400),
        "duration_seconds": Fraction("27.4"),
        "duration_ms_1ms": Fraction(28_000),
        "duration_ms_100ms": Fraction(100_000),
        "mb_ms": Fraction(27_400 * 160),
        "gb_seconds": Fraction("27.4") * 160 / 1024,
        "gb_seconds_1ms": Fraction(28 * 160, 1024),
        "gb_seconds_100ms": Fraction(100 * 160, 1024),
        "gb_seconds_1ms_128mb": Fraction(28 * 256, 1024),
        "gb_seconds_100ms_128mb": Fraction(100 * 256, 1024),
        "gb_hours": Fraction("27.4") * 160 / 1024 / 3600,
        "gb_hours_1ms": Fraction(28 * 160, 1024 * 3600),
        "gb_hours_100ms": Fraction(100 * 160, 1024 * 3600),
        "egress_gib": Fraction(3, 2),
        "egress_gb": Fraction("1.610612736"),
        "provisioned_seconds": Fraction(0),
    }
    assert quantities(facts) == expected


def test_azure_counts_memory_in_steps_of_128_mb() -> None:
    half_a_gb = facts_of(invocations=1, duration_ns=3 * 10**9, memory_bytes=512 * 2**20)
    assert METERS["gb_seconds_1ms_128mb"].quantity(half_a_gb) == Fraction("1.5")
    mb_ms = WindowFacts(mb128_ms_1ms=1_110_000_000)
    assert METERS["gb_seconds_1ms_128mb"].quantity(mb_ms) == Fraction("1083.984375")


def test_a_yandex_day_of_provisioned_capacity_is_counted_in_seconds() -> None:
    assert METERS["provisioned_seconds"].quantity(WindowFacts(provisioned_ms=86_400_500)) == Fraction(
        "86400.5"
    )
