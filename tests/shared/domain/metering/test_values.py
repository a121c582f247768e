"""What one record counts for, and where it is put."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from eventing.usage.metered import read_metered
from shared.domain.meter_definition import MeterDefinition, MeterVersion
from shared.domain.metering.quantity import MeterTotal, VersionTotal, quantity
from shared.domain.metering.record import MeteredRecord
from shared.domain.metering.values import is_counted, values
from shared.domain.metering.windows import Origin, admitted, measure

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ORIGIN = Origin(UUID(int=9), 1)


def record(members: str = "") -> MeteredRecord:
    body = f'{{"service_name":"waiter","timestamp":"2025-10-15T12:01:00Z"{members and "," + members}}}'
    [only] = read_metered(body, recorded_at=NOON, received_at=NOON + DAY)
    return only


def found(of: MeterVersion, sent: MeteredRecord) -> list[tuple[int, int]]:
    """Where they are whole numbers."""
    assert all(value.denominator == 1 for value, _ in values(of, sent))
    return [(int(value), times) for value, times in values(of, sent)]


def version(*fields: str, number: int = 1, **given: Any) -> MeterVersion:
    given.setdefault("aggregation", "sum")
    return MeterVersion(number, given.pop("effective_from", None), NOON, fields=fields, **given)


def meter(*versions: MeterVersion) -> MeterDefinition:
    return MeterDefinition(UUID(int=1), "m", "u", "us", None, NOON, versions)


@pytest.mark.parametrize(
    ("fields", "sent", "expected"),
    [
        (("invocations",), "", 1),
        (("invocations",), '"invocations":7', 7),
        (("duration_ns",), '"duration_seconds":0.0274', 27_400_000),
        (("duration_ms",), '"duration_ns":27400001', Fraction(27_400_001, 10**6)),
        (("duration_seconds",), '"durations_ns":[5],"invocations":1', Fraction(5, 10**9)),
        (("cpu_seconds",), '"cpu_seconds":0.25', Fraction(1, 4)),
        (("memory_mb",), '"memory_mb":64.5,"invocations":3', Fraction(129, 2)),
        (("egress_bytes",), '"egress_bytes":9', 9),
        (
            ("provisioned_seconds",),
            '"started_at":"2025-10-15T12:00:00Z","provisioned_seconds":60',
            60,
        ),
        (("errors",), "", 0),
        (("cold_starts",), '"cold_start":true', 1),
        (("quantities.tokens",), '"quantities":{"tokens":"0.000000000000000001"}', Fraction(1, 10**18)),
        (
            ("memory_mb", "duration_seconds"),
            '"memory_mb":512,"invocations":2,"duration_ns":3000000000',
            1_536,
        ),
    ],
)
def test_a_value_is_a_field_or_the_product_of_two(
    fields: tuple[str, ...], sent: str, expected: Fraction
) -> None:
    assert values(version(*fields), record(sent)) == [(expected, 1)]


@pytest.mark.parametrize("field", ["duration_ms", "cpu_seconds", "memory_mb", "egress_bytes", "quantities.a"])
def test_a_field_that_was_not_sent_has_no_value(field: str) -> None:
    assert values(version(field), record('"quantities":{"b":"1"}')) == []
    assert values(version("invocations", field), record()) == []


def test_a_record_of_several_invocations_is_rounded_as_so_many_equal_ones_or_each_by_itself() -> None:
    per_call = version("duration_ms", rounding="invocation", step=Decimal(1))
    assert found(per_call, record('"invocations":3,"duration_ns":82200000')) == [(28, 3)]
    assert found(per_call, record('"invocations":2,"durations_ns":[1,1000001]')) == [(1, 1), (2, 1)]
    assert values(per_call, record('"invocations":0,"duration_ns":0')) == []
    per_record = version("duration_ms", step=Decimal(100), minimum=Decimal(250))
    assert found(per_record, record('"invocations":3,"duration_ns":82200000')) == [(300, 1)]


def test_only_records_that_equal_every_filter_count() -> None:
    where = (("cold_start", "true"), ("labels.region", "eu"), ("service_name", "waiter"))
    chosen = version("invocations", where=where)
    assert is_counted(chosen, record('"cold_start":true,"labels":{"region":"eu"}'))
    assert not is_counted(chosen, record('"cold_start":true,"labels":{"region":"us"}'))
    assert not is_counted(chosen, record('"labels":{"region":"eu"}'))
    assert not is_counted(chosen, record('"cold_start":true'))


def test_the_version_in_force_when_a_record_ended_counts_it() -> None:
    first, second = (
        version("invocations"),
        version("errors", number=2, effective_from=NOON - NOON.hour * DAY / 24),
    )
    of = meter(first, second)
    [at_noon] = measure([record('"errors":1')], [of], ORIGIN)
    assert (at_noon.version, at_noon.start) == (second, NOON)
    before = record().usage._replace(ended_at=NOON - DAY)
    [earlier] = measure([record()._replace(usage=before)], [of], ORIGIN)
    assert earlier.version == first
    assert (
        measure(
            [record()._replace(usage=before)],
            [meter(version("errors", effective_from=NOON + DAY / 2))],
            ORIGIN,
        )
        == []
    )


def test_a_repeated_request_counts_once() -> None:
    one = '{"service_name":"f","request_id":"q"}'
    body = f'{{"records":[{one},{one},{{"service_name":"f"}},{{"service_name":"f"}}]}}'
    assert len(read_metered(body, recorded_at=NOON, received_at=NOON)) == 3


def total(number: int, amount: int, count: int = 1, at: datetime = NOON) -> VersionTotal:
    return VersionTotal(number, Fraction(amount), count, Fraction(amount), at, Fraction(amount))


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("sum", 10 + 8), ("count", 10 + 8), ("max", 10), ("latest", 10)],
)
def test_rounding_on_the_total_is_that_of_each_version_as_it_is_read(aggregation: str, expected: int) -> None:
    of = meter(
        version("invocations", aggregation=aggregation, rounding="total", step=Decimal(10)),
        version(
            "invocations",
            number=2,
            aggregation=aggregation,
            rounding="total",
            step=Decimal(4),
            effective_from=datetime(2025, 10, 1, tzinfo=UTC),
        ),
    )
    assert quantity(of, MeterTotal([total(1, 9, 9, NOON + DAY), total(2, 5, 5)])) == expected
    assert quantity(of, MeterTotal([])) == 0


def test_unique_values_are_those_of_all_versions_together() -> None:
    of = meter(version(aggregation="unique", of="labels.user"))
    assert quantity(of, MeterTotal([total(1, 0, 9)], unique=3)) == 3


def test_what_is_not_kept_apart_is_other() -> None:
    kept: Mapping[str, str] = admitted({"a"}, ["a", "b"])
    assert kept == {"a": "a", "b": "__other__"}
