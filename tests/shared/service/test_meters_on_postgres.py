"""Custom meters from usage that is sent to the quantity that is billed, over PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from shared.adapters.postgres.meter_book import PostgresUsageMeters
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.domain.errors import Conflict, Rejected
from shared.domain.metering.quantity import Uncomputed
from shared.domain.windows import WindowSize
from tests.shared.service.metered import END, NOON, START, MeteredProduct, record, tokens

DAY = timedelta(days=1)


@pytest.fixture
def product(database_url: str) -> Iterator[MeteredProduct]:
    database = Database(database_url)
    yield MeteredProduct(database)
    database.close()


def test_a_quantity_that_is_sent_is_summed_in_windows_of_every_size(product: MeteredProduct) -> None:
    acme, other = product.tenant(), product.tenant("other")
    meter = product.meter()
    product.send("1", tokens("1.5"), tokens("2", NOON + DAY), record())
    product.send("2", tokens("0.000000000000000001"))
    product.send("1", tokens("7"), tenant="other")
    product.fold_all()

    assert product.quantity(acme.id) == Fraction("3.500000000000000001")
    assert product.quantity(acme.id, start=NOON, end=NOON + DAY) == Fraction("1.500000000000000001")
    assert product.quantity(acme.id, start=NOON + DAY) == 2
    assert product.quantity(other.id) == 7
    sizes = product.rows(
        "SELECT window_size, sum(sum), count(*) FROM usage_meter_window"
        " WHERE (tenant_id, meter_id) = (%s, %s) GROUP BY 1",
        acme.id,
        meter.id,
    )
    assert {size for size, _, _ in sizes} == {size.value for size in WindowSize}
    assert len({row[1:] for row in sizes}) == 1


def test_the_greatest_the_latest_and_the_number_of_values_are_those_up_to_an_instant(
    product: MeteredProduct,
) -> None:
    acme = product.tenant()
    for aggregation in ("max", "latest", "count"):
        product.meter(aggregation, aggregation=aggregation)
    for minutes, count in ((0, 5), (10, 9), (20, 3), (20, 2), (300, 4)):
        product.send(f"{minutes} {count}", tokens(count, NOON + timedelta(minutes=minutes)))
        product.fold_all()

    def at(name: str, minutes: int) -> Fraction:
        return product.quantity(acme.id, name, START, NOON + timedelta(minutes=minutes))

    assert [at("max", minutes) for minutes in (0, 5, 15, 25, 305)] == [0, 5, 9, 9, 9]
    assert [at("latest", minutes) for minutes in (0, 5, 15, 25, 305)] == [0, 5, 9, 3, 4]
    assert [at("count", minutes) for minutes in (0, 5, 15, 25, 305)] == [0, 1, 2, 4, 5]


def test_unique_values_are_counted_exactly_whatever_repeats_them(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter("users", aggregation="unique", value=None, of="labels.user", dimensions=["region"])
    product.meter("requests", aggregation="unique", value=None, of="request_id")
    for n in range(3):
        product.send(
            f"{n}",
            *(
                record(
                    NOON + timedelta(hours=hour),
                    request_id=f"r{hour}",
                    labels={"user": f'u{hour % 4} "\\,({chr(10)}é', "region": f"eu{hour % 2}"},
                )
                for hour in range(24)
            ),
            record(labels={"region": "eu0"}),
        )
    product.send("same user, other region", record(labels={"user": 'u0 "\\,(\né', "region": "us"}))
    product.fold_all()

    assert product.quantity(acme.id, "users") == 4
    assert product.quantity(acme.id, "users", NOON, NOON + timedelta(hours=2)) == 2
    assert product.quantity(acme.id, "requests") == 24


def kept_apart(product: MeteredProduct) -> dict[object, object]:
    rows = product.rows("SELECT dimensions, sum FROM usage_meter_window WHERE window_size = '1d'")
    return {dimensions: total for dimensions, total in rows}


def test_values_of_a_dimension_beyond_the_most_count_under_other(product: MeteredProduct) -> None:
    few = MeteredProduct(product.database, values_max=2)
    acme = few.tenant()
    few.meter(dimensions=["region"])
    for n, region in enumerate(("a", "b", "c", "d", "a", "c")):
        few.send(str(n), tokens(1, labels={"region": region}))
    few.send("none", tokens(1))
    few.fold_all()

    kept = {'["a"]': 2, '["b"]': 1, '["__other__"]': 3, "[null]": 1}
    assert kept_apart(few) == kept
    stored = few.stored()
    few.rebuild.run(acme.id, START, END)
    assert few.stored() == stored
    another = MeteredProduct(product.database, values_max=2)
    another.send("late", tokens(1, labels={"region": "d"}), tokens(1, labels={"region": "b"}))
    another.fold_all()
    assert kept_apart(few) == kept | {'["b"]': 2, '["__other__"]': 4}


def test_what_is_voided_is_taken_back_from_meters_too(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter()
    product.meter("most", aggregation="max")
    product.meter("users", aggregation="unique", value=None, of="labels.user")
    product.send("1", tokens(1, labels={"user": "a"}))
    product.send("2", tokens(5, labels={"user": "b"}))
    product.fold_all()
    assert [product.quantity(acme.id, name) for name in ("tokens", "most", "users")] == [6, 5, 2]
    product.void("2")
    assert [product.quantity(acme.id, name) for name in ("tokens", "most", "users")] == [1, 1, 1]


def test_windows_that_are_lost_are_rebuilt_as_they_were_folded(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter(dimensions=["region", "user"])
    product.meter("users", aggregation="unique", value=None, of="labels.user", dimensions=["region"])
    product.meter("p95", aggregation="percentile", percentile="95", dimensions=["user"])
    product.meter("level", aggregation="weighted_sum")
    product.meter("payments", ledger=True)
    for n in range(9):
        labels = {"region": f"r{n % 2}", "user": f"u{n % 3}"}
        product.send(str(n), tokens(n, NOON + n * timedelta(hours=7), labels=labels))
    product.fold_all()
    stored = product.stored()
    assert all(stored)
    product.rebuild.run(acme.id, START, END)
    assert product.stored() == stored
    for loss in (
        "DELETE FROM usage_meter_unique",
        "UPDATE usage_meter_window SET sum = 0",
        "UPDATE usage_meter_window SET held_ns = held_ns + 1",
        "UPDATE usage_meter_value SET count = count + 1",
        "DELETE FROM usage_meter_ledger",
    ):
        assert product.rows(f"{loss} RETURNING 1")
        product.rebuild.run(acme.id, START, END)
        assert product.stored() == stored, loss


def test_a_meter_made_later_counts_what_came_before_it(product: MeteredProduct) -> None:
    acme, idle = product.tenant(), product.tenant("idle")
    for day in range(4):
        product.send(str(day), tokens(10**day, NOON - day * DAY))
    product.fold_all()
    product.meter(effective_from="2025-10-13T00:00:00Z")
    with pytest.raises(Uncomputed, match="usage from 2025-10-13 on is still being computed"):
        product.quantity(acme.id)
    assert product.quantity(acme.id, end=datetime(2025, 10, 13, tzinfo=UTC)) == 0
    assert product.quantity(idle.id) == 0
    while product.backfill.run():
        pass
    assert product.quantity(acme.id) == 111


def test_a_backfill_goes_on_where_it_was_cut_off(product: MeteredProduct) -> None:
    acme = product.tenant()
    for day in range(3):
        product.send(str(day), tokens(10**day, NOON - day * DAY))
    product.fold_all()
    meter = product.meter()
    done = []
    while product.backfill.run(limit_s=-1):
        [progress] = product.meters.progress(meter)
        done.append((str(progress.next_day), progress.done))
        product = MeteredProduct(product.database)
    assert done[:3] == [("2025-10-14", 0), ("2025-10-15", 0), ("2025-10-16", 0)]
    assert product.quantity(acme.id) == 111
    [progress] = product.meters.progress(meter)
    assert (progress.tenants, progress.done, progress.next_day) == (1, 1, None)


def test_usage_accepted_by_who_did_not_know_the_meter_is_counted_all_the_same(
    product: MeteredProduct,
) -> None:
    behind = MeteredProduct(product.database, refresh_s=3600)
    acme = product.tenant()
    behind.send("before", tokens(1))
    product.meter()
    behind.send("meanwhile", tokens(10))
    product.send("after", tokens(100))
    product.fold_all()
    with pytest.raises(Uncomputed, match="usage of 2025-10-15 is being computed anew"):
        product.quantity(acme.id)
    product.backfill.freshen(acme.id)
    while product.backfill.run():
        pass
    assert product.quantity(acme.id) == 111
    assert product.rows("SELECT FROM meter_stale_day") == []


def test_a_version_counts_from_its_day_on_and_what_was_before_stays(product: MeteredProduct) -> None:
    acme = product.tenant()
    meter = product.meter(aggregation="sum", rounding="record", step="10")
    for day in range(4):
        product.send(str(day), tokens(1, NOON + day * DAY))
    product.fold_all()
    assert product.quantity(acme.id) == 40
    product.meters.add_version(
        "tokens",
        None,
        {"effective_from": "2025-10-17T00:00:00Z", "aggregation": "sum", "value": ["quantities.tokens"]},
    )
    while product.backfill.run():
        pass
    assert product.quantity(acme.id) == 22
    assert product.quantity(acme.id, end=datetime(2025, 10, 17, tzinfo=UTC)) == 20
    product.send("late", tokens(1), tokens(1, NOON + 2 * DAY))
    product.fold_all()
    assert product.quantity(acme.id) == 33
    stored = product.stored()
    product.rebuild.run(acme.id, START, END)
    assert product.stored() == stored
    assert [version.number for version in product.meters.get("tokens").versions] == [1, 2]
    assert meter.versions[0].effective_from is None


def test_a_meter_that_reaches_usage_which_is_gone_is_refused_with_the_first_day_that_can_be(
    product: MeteredProduct,
) -> None:
    acme = product.tenant()
    product.now = NOON
    product.send("1", tokens(1, NOON - DAY))
    product.now = NOON + 2 * DAY
    product.send("2", tokens(1, NOON + DAY))
    product.fold_all()
    product.rows("DELETE FROM payload WHERE event_id = '1' RETURNING 1")
    with pytest.raises(Rejected, match="the first day that can be computed is 2025-10-16"):
        product.meter()
    assert product.meters.list(None, limit=9) == []
    product.meter(effective_from="2025-10-16T00:00:00Z")
    while product.backfill.run():
        pass
    assert product.quantity(acme.id) == 1


def test_a_tenant_never_has_two_meters_of_one_name(product: MeteredProduct) -> None:
    for slug in ("acme", "other"):
        product.tenant(slug)
    product.meter("own", tenant_id="acme")
    product.meter("own", tenant_id="other")
    product.meter("shared")
    for name, tenant in (("own", None), ("own", "acme"), ("shared", "acme"), ("shared", None)):
        with pytest.raises(Conflict):
            product.meter(name, tenant_id=tenant)
    assert [meter.name for meter in product.meters.list("acme", limit=9)] == ["own", "shared"]
    assert [meter.name for meter in product.meters.list(None, limit=9)] == ["shared"]


def test_without_meters_a_delta_holds_nothing_for_them(product: MeteredProduct) -> None:
    product.tenant()
    product.send("1", tokens(1))
    assert product.rows("SELECT meters, meters_known FROM usage_delta") == [(None, 0)]
    assert not product.book.are_any


def test_usage_is_accepted_although_its_meters_cannot_be_computed(product: MeteredProduct) -> None:
    acme = product.tenant()
    product.meter()
    always = Registry(product.database, refresh_s=0)
    broken = PostgresUsageMeters(product.database, always, lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    working = product.book
    product.use_meters(broken)
    product.send("1", tokens(5))
    product.use_meters(working)
    product.fold_all()
    with pytest.raises(Uncomputed):
        product.quantity(acme.id)
    product.backfill.freshen(acme.id)
    assert product.quantity(acme.id) == 5
