"""Random meters over random usage, through PostgreSQL, equal what is recomputed from the records sent."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from shared.domain.meter_definition import AGGREGATIONS, FIELDS, ROUNDINGS
from shared.domain.windows import GRID
from tests.property.meter_truth import counted, ledger, percentile, weighted_sum
from tests.shared.service.metered import MeteredProduct

Json = dict[str, Any]
START = datetime(2025, 10, 14, 22, tzinfo=UTC)
SPAN = timedelta(hours=30)
OCTOBER = timedelta(days=31)
QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)

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
    if aggregation == "percentile":
        meter["percentile"] = draw(st.sampled_from(("0", "50", "95", "99.9", "100")))
        meter["of"] = draw(st.sampled_from((None, "window")))
    if aggregation == "weighted_sum":
        meter["less"] = draw(st.none() | st.lists(fields, min_size=1, max_size=2))
    if aggregation == "sum" and rounding == "record":
        meter["ledger"] = draw(st.booleans())
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

    bounds = sorted(START + number * GRID for number in chance.sample(range(SPAN // GRID + 1), 2))
    for start, end in ((START, START + SPAN), (bounds[0], bounds[1])):
        for number, meter in enumerate(defined):
            check(product, tenant.id, f"m{number}", meter, sent, (start, end))
    stored = product.stored()
    product.rebuild.run(tenant.id, START, START + SPAN)
    assert product.stored() == stored


@QUICK
@given(
    st.lists(meters(), min_size=1, max_size=6),
    st.lists(records(), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_nothing_is_left_of_what_is_voided_and_nothing_is_missing_of_what_came_by_who_knew_no_meter(
    database: Database, defined: list[Json], sent: list[Json], chance: random.Random
) -> None:
    product, behind = MeteredProduct(database), MeteredProduct(database, refresh_s=3600)
    product.now = behind.now = START + SPAN
    slug = f"t{product.rows('SELECT count(*) FROM tenant')[0][0]}"
    tenant = product.tenant(slug)
    behind.send("0", sent[0], tenant=slug)
    for number, meter in enumerate(defined):
        product.meter(f"m{number}", **{"value": None, **meter}, tenant_id=slug)
    for number, record in enumerate(sent[1:], start=1):
        chance.choice((product, behind)).send(str(number), record, tenant=slug)
        if chance.random() < 0.3:
            product.fold_all()
    product.fold_all()
    product.backfill.freshen(tenant.id)
    while product.backfill.run():
        pass
    gone = set(chance.sample(range(len(sent)), chance.randrange(len(sent))))
    for number in gone:
        product.void(str(number), slug)
    left = [record for number, record in enumerate(sent) if number not in gone]
    for number, meter in enumerate(defined):
        check(product, tenant.id, f"m{number}", meter, left, (START, START + SPAN))


def check(
    product: MeteredProduct,
    tenant_id: UUID,
    name: str,
    meter: Json,
    sent: list[Json],
    span: tuple[datetime, datetime],
) -> None:
    got = product.quantity(tenant_id, name, *span)
    match meter["aggregation"]:
        case "percentile":
            assert got == percentile(meter, sent, *span), meter
        case "weighted_sum":
            assert got == weighted_sum(meter, sent, *span, OCTOBER), meter
        case _:
            assert got == Fraction(counted(meter, sent, *span)), meter
    if meter.get("ledger"):
        entries = iter(product.ledger(tenant_id, name, *span))
        for of_instant in ledger(meter, sent, *span):
            assert sorted(next(entries) for _ in of_instant) == of_instant
        assert not [*entries]


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
