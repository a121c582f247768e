"""Meters as they are entered, with every fault named, and as they are kept."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.domain.errors import Rejected
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.document import read_meter, read_version, version_of, version_to_dict

NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)
TOKENS = {"name": "llm_tokens", "unit": "token", "aggregation": "sum", "value": "quantities.tokens"}
NEXT = {"effective_from": "2025-11-01T00:00:00Z", "aggregation": "sum", "value": "quantities.tokens"}


def read(**fields: object) -> MeterDefinition:
    return read_meter({**TOKENS, **fields}, id=UUID(int=1), created_at=NOW, find_tenant=lambda _: None)


def faults_of(refused: pytest.ExceptionInfo[Rejected]) -> Mapping[str, str]:
    return {fault.field: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"value": ["memory_mb", "duration_seconds"], "step": "0.1", "minimum": 2, "rounding": "invocation"},
        {"aggregation": "unique", "value": None, "of": "labels.user", "dimensions": ["region", "zone"]},
        {"aggregation": "count", "value": None, "where": {"labels.region": "eu", "cold_start": True}},
        {"effective_from": "2025-10-01T02:00:00+02:00", "rounding": "total", "units": "Token"},
    ],
)
def test_a_version_is_kept_as_it_was_entered(fields: dict[str, object]) -> None:
    [version] = read(**fields).versions
    assert version_of(version_to_dict(version), 1, version.effective_from, NOW) == version


def test_a_meter_counts_from_the_beginning_in_one_unit_unless_it_says_otherwise() -> None:
    meter = read()
    assert (meter.unit, meter.units, meter.price_name) == ("token", "tokens", "custom.llm_tokens")
    assert meter.versions[0].effective_from is None
    assert read(aggregation="count", value=None).versions[0].fields == ("invocations",)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"name": "invocations"}, {"name"}),
        ({"name": "Tokens"}, {"name"}),
        ({"name": "a__b"}, {"name"}),
        ({"name": "a" * 65}, {"name"}),
        ({"unit": ""}, {"unit"}),
        ({"tenant_id": "nobody"}, {"tenant_id"}),
        ({"aggregation": "median"}, {"aggregation"}),
        ({"value": "labels.x"}, {"value"}),
        ({"value": None}, {"value"}),
        ({"value": ["errors"] * 3}, {"value"}),
        ({"value": "quantities."}, {"value"}),
        ({"of": "request_id"}, {"of"}),
        ({"aggregation": "unique"}, {"value", "of"}),
        ({"aggregation": "unique", "value": None, "of": "service_name"}, {"of"}),
        ({"step": "0"}, {"step"}),
        ({"step": "-1", "minimum": "x"}, {"step", "minimum"}),
        ({"rounding": "invocation"}, {"step"}),
        ({"rounding": "month"}, {"rounding"}),
        ({"where": {"revision": "r1", "cold_start": "maybe"}}, {"where.revision", "where.cold_start"}),
        ({"where": {"labels.a": 1}}, {"where.labels.a"}),
        ({"where": ["labels.a"]}, {"where"}),
        ({"dimensions": ["a", "a"]}, {"dimensions[1]"}),
        ({"dimensions": ["a", "b", "c"]}, {"dimensions"}),
        ({"effective_from": "2025-10-15T00:05:00Z"}, {"effective_from"}),
        ({"effective_from": "1999-01-01T00:00:00Z"}, {"effective_from"}),
        ({"effective_from": "today"}, {"effective_from"}),
        ({"name": "x y", "rounding": "?", "colour": "red"}, {"name", "rounding", "colour"}),
    ],
)
def test_every_fault_is_named(fields: dict[str, object], faulty: set[str]) -> None:
    with pytest.raises(Rejected) as refused:
        read(**fields)
    assert faults_of(refused).keys() == faulty


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"effective_from": None}, {"effective_from"}),
        ({"effective_from": "2025-10-01T00:00:00Z"}, {"effective_from"}),
        ({"aggregation": "max"}, {"aggregation"}),
        ({"name": "other"}, {"name"}),
        ({"step": "0", "where": {"x": "y"}}, {"step", "where.x"}),
    ],
)
def test_a_further_version_comes_later_and_aggregates_alike(
    fields: dict[str, object], faulty: set[str]
) -> None:
    meter = read(effective_from="2025-10-01T00:00:00Z")
    with pytest.raises(Rejected) as refused:
        read_version({**NEXT, **fields}, meter, created_at=NOW)
    assert faults_of(refused).keys() == faulty


def test_a_meter_has_its_version_at_any_instant() -> None:
    meter = read(effective_from="2025-10-01T00:00:00Z")
    meter = meter.with_version(read_version(NEXT, meter, created_at=NOW))
    first, second = meter.versions
    instants = [datetime(2025, 9, 30, 23, tzinfo=UTC), NOW, datetime(2025, 11, 1, tzinfo=UTC)]
    assert [meter.version_at(at) for at in instants] == [None, first, second]
    assert (meter.end_of(first), meter.end_of(second)) == (second.effective_from, None)
