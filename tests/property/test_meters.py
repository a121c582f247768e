"""Random meters over random usage, through PostgreSQL, equal what is recomputed from the records sent."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from shared.domain.meter_definition import AGGREGATIONS, FIELDS, ROUNDINGS
from shared.domain.windows import GRID
from tests.property.meter_truth import counted
from tests.shared.service.metered import MeteredProduct

Json = dict[str, Any]
START = datetime(2025, 10, 14, 22, tzinfo=UTC)
SPAN = timedelta(hours=30)
QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)

labels = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["x", "y", 'q"\\,()\n', "", "é"]), max_size=2)
quantities = st.dictionaries(
    st.sampled_from(("tokens", "bytes")),
    st.decimals("0", "99999", places=6).map(lambda number: f"{number:f}"),
    max_size=2,
)
fields = st.sampled_from((*FIELDS, "quantities.tokens", "quantities.bytes"))
filters = st.sampled_from(("labels.a", "labels.b", "service_name"))
instants = st.integers(0, int(SPAN.total_seconds()) - 1).map(lambda s: START + timedelta(seconds=s))
steps = st.sampled_from(("1", "0.5", "3", "0.000000000000000001", "1000"))


@st.composite
def meters(draw: st.DrawFn) -> Json:
    aggregation, rounding = draw(st.sampled_from(AGGREGATIONS)), draw(st.sampled_from(ROUNDINGS))
    meter: Json = {"aggregation": aggregation, "rounding": rounding}
    if aggregation == "unique":
        meter["of"] = draw(st.sampled_from(("request_id", "labels.a", "labels.b")))
        meter["rounding"] = "total" if rounding == "invocation" else rounding
    else:
        meter["value"] = draw(st.lists(fields, min_size=1, max_size=2))
    if rounding == "invocation" or draw(st.booleans()):
        meter["step"] = draw(steps)
    if draw(st.booleans()):
        meter["minimum"] = draw(st.sampled_from(("0.25", "7")))
    if draw(st.booleans()):
        meter["where"] = draw(st.dictionaries(filters, st.sampled_from(("x", "y", "f")), max_size=1))
    meter["dimensions"] = draw(st.lists(st.sampled_from("ab"), max_size=2, unique=True))
    return meter


@st.composite
def records(draw: st.DrawFn) -> Json:
    n = draw(st.integers(0, 3))
    record: Json = {
        "service_name": draw(st.sampled_from(("f", "g"))),
        "timestamp": (
            START + timedelta(seconds=draw(st.integers(0, int(SPAN.total_seconds()) - 1)))
        ).isoformat(),
        "invocations": n,
    }
    optional = {
        "labels": labels,
        "quantities": quantities,
        "memory_mb": st.sampled_from((128, 1024, 3)),
        "egress_bytes": st.integers(0, 10**12),
        "cpu_seconds": st.integers(0, 100),
        "cold_starts": st.integers(0, n),
        "errors": st.integers(0, n),
        "request_id": st.text("rq", min_size=1, max_size=9),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            record[name] = draw(values)
    durations = st.lists(st.integers(0, 10**10), min_size=n, max_size=n)
    match draw(st.integers(0, 2)):
        case 1:
            record["duration_ns"] = sum(draw(durations))
        case 2:
            record["durations_ns"] = draw(durations)
    return record


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    database = Database(module_database_url)
    yield database
    database.close()


@QUICK
@given(
    st.lists(meters(), min_size=1, max_size=6),
    st.lists(records(), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_a_meter_comes_to_what_its_records_say_however_they_are_sent(
    database: Database, defined: list[Json], sent: list[Json], chance: random.Random, is_late: bool
) -> None:
    product = MeteredProduct(database)
    product.now = START + SPAN
    slug = f"t{product.rows('SELECT count(*) FROM tenant')[0][0]}"
    tenant = product.tenant(slug)
    # A request counts once in a part; what these tests send twice is to be two records.
    for number, record in enumerate(sent):
        if "request_id" in record:
            record["request_id"] += f"-{number}"

    def define() -> None:
        for number, meter in enumerate(defined):
            product.meter(f"m{number}", **{"value": None, **meter}, tenant_id=slug)

    if not is_late:
        define()
    _send(product, slug, sent, chance)
    product.fold_all()
    if is_late:
        define()
        while product.backfill.run():
            pass

    bounds = sorted(START + chance.randrange(SPAN // GRID + 1) * GRID for _ in range(2))
    for start, end in ((START, START + SPAN), (bounds[0], bounds[1])):
        for number, meter in enumerate(defined):
            got = product.quantity(tenant.id, f"m{number}", start, end) if start < end else Fraction(0)
            assert got == Fraction(counted(meter, sent, start, end)), meter
    stored = product.stored()
    product.rebuild.run(tenant.id, START, START + SPAN)
    assert product.stored() == stored


def _send(product: MeteredProduct, tenant: str, sent: list[Json], chance: random.Random) -> None:
    """In parts of any size, in any order, some of them twice, folded in between."""
    left = list(sent)
    chance.shuffle(left)
    number = 0
    while left:
        size = chance.randrange(1, 9)
        part, left = left[:size], left[size:]
        number += 1
        for _ in range(chance.randrange(1, 3)):
            product.send(str(number), *part, tenant=tenant)
        if chance.random() < 0.5:
            product.fold_all()


def test_the_recomputation_is_right_about_what_is_known() -> None:
    at = START.isoformat()
    record: Json = {"service_name": "f", "timestamp": at, "invocations": 3, "duration_ns": 82_200_000}
    record["memory_mb"] = 512
    meter: Json = {
        "aggregation": "sum",
        "rounding": "invocation",
        "value": ["memory_mb", "duration_ms"],
        "step": "1",
    }
    # 27.4 ms × 512 MB is 14,028.8, three times
    assert counted(meter, [record], START, START + SPAN) == 3 * 14_029
    assert counted({**meter, "step": "0.1"}, [record], START, START + SPAN) == Decimal("42086.4")
    assert counted({**meter, "rounding": "record"}, [record], START, START + SPAN) == 42_087
