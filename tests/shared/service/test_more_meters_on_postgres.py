"""Percentiles, levels that are held, and ledgers: from usage to what is billed, over PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Rejected
from shared.domain.metering.quantity import Uncomputed
from tests.shared.service.metered import END, NOON, START, MeteredProduct, record, tokens

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NOVEMBER = END, datetime(2025, 12, 1, tzinfo=UTC)


@pytest.fixture
def product(database_url: str) -> Iterator[MeteredProduct]:
    database = Database(database_url)
    yield MeteredProduct(database)
    database.close()


def percentiles(product: MeteredProduct, *wanted: str, **fields: object) -> None:
    for percentile in wanted:
        name = f"p{percentile.replace('.', '_')}"
        product.meter(name, aggregation="percentile", percentile=percentile, **fields)


def test_a_percentile_is_interpolated_between_two_values_of_records(product: MeteredProduct) -> None:
    acme = product.tenant()
    percentiles(product, "0", "50", "90", "99.5", "100")
    for n, value in enumerate(("4", "1", "3", "10", "3")):
        product.send(str(n), tokens(value, NOON + n * timedelta(hours=8)))
        product.fold_all()
    # 1, 3, 3, 4, 10: rank p(n - 1)
    got = [product.quantity(acme.id, f"p{name}") for name in ("0", "50", "90", "99_5", "100")]
    assert got == [1, 3, Fraction("7.6"), Fraction("9.88"), 10]
    assert product.quantity(acme.id, "p50", NOON, NOON + timedelta(hours=16)) == Fraction("2.5")
    assert product.quantity(acme.id, "p50", START, NOON) == 0


def test_a_percentile_of_invocations_weighs_each_of_them(product: MeteredProduct) -> None:
    acme = product.tenant()
    percentiles(product, "50", value="duration_ms", rounding="invocation", step="1")
    product.send("1", record(invocations=999_999, duration_ns=999_999 * 10**6))
    product.send("2", record(invocations=2, durations_ns=[500 * 10**6, 10**9]))
    product.fold_all()
    assert product.quantity(acme.id, "p50") == 1
    product.send("3", record(invocations=10**6, duration_ns=10**6 * 7 * 10**6))
    product.fold_all()
    assert product.quantity(acme.id, "p50") == 7


def test_a_percentile_of_windows_counts_those_without_anything_as_nothing(product: MeteredProduct) -> None:
    acme = product.tenant()
    percentiles(product, "50", "95", value="egress_bytes", of="window")
    # An hour has 12 windows: 5 of them carry 100, 200 … 500, by two services and in pieces.
    for n in range(5):
        at = NOON + n * 10 * MINUTE
        product.send(f"{n}a", record(at, egress_bytes=60 * (n + 1)))
        product.send(f"{n}b", {**record(at + 4 * MINUTE, egress_bytes=40 * (n + 1)), "service_name": "g"})
    product.fold_all()
    hour = NOON, NOON + timedelta(hours=1)
    assert product.quantity(acme.id, "p95", *hour) == Fraction("445")
    assert product.quantity(acme.id, "p50", *hour) == 0
    busy = NOON, NOON + 45 * MINUTE
    assert product.quantity(acme.id, "p50", *busy) == 100
    assert product.quantity(acme.id, "p95", END, END + DAY) == 0


def test_a_level_is_held_from_each_change_until_the_next_and_carried_into_the_next_month(
    product: MeteredProduct,
) -> None:
    acme = product.tenant()
    product.now = NOVEMBER[1]
    product.meter("level", aggregation="weighted_sum", less="quantities.freed")
    seconds = 31 * 86_400
    product.send("1", tokens(20, START), tokens(10, START + DAY))
    product.send("2", record(START + 16 * DAY, quantities={"freed": "30"}))
    product.fold_all()
    assert product.quantity(acme.id, "level") == Fraction(20 + 30 * 15, 31)
    assert product.quantity(acme.id, "level", *NOVEMBER) == 0
    product.send("3", tokens("0.5", END - timedelta(microseconds=1)))
    product.fold_all()
    late = Fraction("0.5") / (seconds * 10**6)
    assert product.quantity(acme.id, "level") == Fraction(470, 31) + late
    assert product.quantity(acme.id, "level", *NOVEMBER) == Fraction("0.5")
    assert product.quantity(acme.id, "level", END, END + 15 * DAY) == Fraction("0.25")
    product.void("1")
    assert product.quantity(acme.id, "level", *NOVEMBER) == 0


def test_parts_of_a_month_hold_together_what_the_month_holds(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter("level", aggregation="weighted_sum")
    for n in range(7):
        product.send(str(n), tokens(n, START + n * timedelta(hours=53, seconds=7, microseconds=n)))
    product.fold_all()
    whole = product.quantity(acme.id, "level")
    bounds = [START, START + 5 * MINUTE, START + timedelta(hours=53), NOON + 35 * MINUTE, END]
    parts = [product.quantity(acme.id, "level", *span) for span in pairwise(bounds)]
    assert sum(parts) == whole > 0


def test_a_level_is_not_known_while_changes_of_before_are_being_computed(product: MeteredProduct) -> None:
    behind = MeteredProduct(product.database, refresh_s=3600)
    acme = product.tenant()
    behind.send("1", tokens(1, datetime(2025, 9, 1, tzinfo=UTC)))
    product.fold_all()
    product.meter("level", aggregation="weighted_sum")
    product.meter("total")
    while product.backfill.run():
        pass
    behind.send("2", tokens(5, datetime(2025, 9, 3, tzinfo=UTC)))
    product.fold_all()
    assert product.quantity(acme.id, "total", *NOVEMBER) == 0
    with pytest.raises(Uncomputed, match="usage of 2025-09-03 is being computed anew"):
        product.quantity(acme.id, "level", *NOVEMBER)
    product.backfill.freshen(acme.id)
    assert product.quantity(acme.id, "level", *NOVEMBER) == 6


def test_a_level_goes_on_where_another_version_of_the_meter_begins(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter("level", aggregation="weighted_sum")
    product.send("1", tokens(3, START))
    product.meters.add_version(
        "level",
        None,
        {
            "effective_from": "2025-10-16T00:00:00Z",
            "aggregation": "weighted_sum",
            "value": ["quantities.tokens", "invocations"],
        },
    )
    product.send("2", tokens(2, datetime(2025, 10, 17, tzinfo=UTC), invocations=4))
    product.fold_all()
    while product.backfill.run():
        pass
    assert product.quantity(acme.id, "level") == Fraction(3 * 31 + 8 * 15, 31)


def test_a_ledger_is_in_order_of_time_whatever_came_first(product: MeteredProduct) -> None:
    acme, other = product.tenant(), product.tenant("other")
    product.meter(ledger=True)
    late, early = NOON + timedelta(microseconds=1), NOON
    product.send("b", tokens(3, late), tokens(4, late), record(late))
    product.send("b", tokens(9), tenant="other")
    product.fold_all()
    assert product.ledger(acme.id) == [3, 4]
    product.send("a", tokens(1, early), tokens("0.5", NOON - DAY))
    product.fold_all()
    assert product.ledger(acme.id) == [Fraction("0.5"), 1, 3, 4]
    assert product.ledger(acme.id, start=NOON) == [1, 3, 4]
    assert product.ledger(acme.id, end=NOON) == [Fraction("0.5")]
    assert product.ledger(other.id) == [9]
    assert product.quantity(acme.id) == Fraction("8.5")
    product.void("b")
    assert product.ledger(acme.id) == [Fraction("0.5"), 1]


def test_usage_of_before_comes_into_percentiles_levels_and_ledgers(product: MeteredProduct) -> None:
    acme = product.tenant()
    for day in range(3):
        product.send(str(day), tokens(10**day, NOON - day * DAY), tokens(1, NOON - day * DAY))
    product.fold_all()
    percentiles(product, "100")
    product.meter("level", aggregation="weighted_sum")
    product.meter(ledger=True)
    while product.backfill.run():
        pass
    stored = product.stored()
    assert product.quantity(acme.id, "p100") == 100
    assert product.ledger(acme.id) == [100, 1, 10, 1, 1, 1]
    assert product.quantity(acme.id, "level", *NOVEMBER) == 114
    product.rebuild.run(acme.id, START, END)
    assert product.stored() == stored


def test_usage_accepted_by_who_did_not_know_a_ledger_comes_into_it(product: MeteredProduct) -> None:
    behind = MeteredProduct(product.database, refresh_s=3600)
    acme = product.tenant()
    behind.send("before", tokens(1))
    product.meter(ledger=True)
    behind.send("meanwhile", tokens(10, NOON + MINUTE))
    product.fold_all()
    with pytest.raises(Uncomputed, match="is being computed anew"):
        product.ledger(acme.id)
    product.backfill.freshen(acme.id)
    while product.backfill.run():
        pass
    assert product.ledger(acme.id) == [1, 10]


def test_without_a_ledger_none_is_read(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter()
    with pytest.raises(Rejected, match=r"custom\.tokens keeps no ledger"):
        product.ledger(acme.id)
    with pytest.raises(Rejected, match="no meter 'nothing' is defined"):
        product.ledger(acme.id, "nothing")
