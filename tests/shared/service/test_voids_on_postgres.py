"""Voiding usage on a real PostgreSQL: taken back whole, and never counted again."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Rejected
from shared.domain.voids import Void
from shared.domain.windows import WindowSize
from tests.shared.service.pipeline import DAY, NOON
from tests.shared.service.voiding import Voiding, named


@pytest.fixture
def product(database_url: str) -> Iterator[Voiding]:
    database = Database(database_url, pool_size_max=16)
    yield Voiding(database)
    database.close()


def test_what_a_part_added_is_taken_back_to_the_byte(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("kept", "waiter 0 5\nhello 400 7\nwaiter 86400 9")
    product.fold.run()
    expected = product.stored(tenant.id)
    # Of the greatest memory and the percentiles no subtraction would be right.
    product.send("wrong", "waiter 10 999\nhello 7200 999\nwaiter -90000 999\nwaiter 86399 5 86400")
    product.fold.run()
    assert product.stored(tenant.id) != expected

    (voided,) = product.void("wrong")

    assert product.stored(tenant.id) == expected
    assert voided.is_new
    void = voided.void
    assert (void.tenant_id, void.tenant, void.source, void.event_id) == (tenant.id, "acme", "/test", "wrong")
    assert (void.reason, void.voided_by, void.voided_at) == ("a load test", "ann", product.now)
    assert (void.counted, void.records, void.invocations, void.received_at) == (True, 4, 4, product.now)
    assert not product.changed_by_rebuild(tenant)


def test_what_is_voided_is_announced_for_its_days_alone(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("kept", "waiter 0 5\nwaiter -90000 5")
    product.send("wrong", "waiter 600 5")
    product.fold.run()
    product.taken_facts()
    before = product.rows("SELECT day, sequence FROM usage_change ORDER BY day")
    product.now += timedelta(minutes=1)

    product.void("wrong")
    product.fold.run()

    (fact,) = product.taken_facts()
    assert fact.tenant_id == tenant.id
    assert (fact.changed_from, fact.changed_until) == (DAY, DAY + timedelta(days=1))
    after = product.rows("SELECT day, sequence FROM usage_change ORDER BY day")
    assert [row[0] for row in after if row not in before] == [date(2025, 10, 15)]


def test_a_delta_that_waits_for_its_fold_is_not_folded_any_more(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.send("2", "waiter 0 7")
    (voided,) = product.void("1")
    assert (voided.void.counted, voided.void.invocations) == (True, 1)
    product.fold.run()
    assert [facts.duration_ns for facts in product.stored(tenant.id).values()] == [7, 7, 7]
    assert not product.changed_by_rebuild(tenant)


def test_voiding_again_changes_nothing(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.fold.run()
    first = product.void("1", "1", "never")
    assert [voided.is_new for voided in first] == [True, False, True]
    product.now += timedelta(days=1)
    sequence = product.rows("SELECT sequence FROM tenant_usage")

    again = product.voids.void([named("1"), named("never")], by="bob")

    assert [voided.is_new for voided in again] == [False, False]
    assert [voided.void for voided in again] == [first[0].void, first[2].void]
    assert product.rows("SELECT sequence FROM tenant_usage") == sequence
    assert product.stored(tenant.id) == {}


def test_days_of_which_usage_is_gone_cannot_change_and_the_first_that_can_is_named(
    product: Voiding,
) -> None:
    tenant = product.tenant()
    product.send("gone", "waiter 0 5")
    product.send("old", "waiter 60 5")
    product.fold.run()
    product.rows("DELETE FROM payload WHERE event_id = 'gone' RETURNING 1")
    product.now += timedelta(days=2)
    product.send("new", "waiter 172800 5")
    product.send("both", "waiter 120 5\nwaiter 172860 5")
    product.fold.run()
    before = product.stored(tenant.id)

    with pytest.raises(Rejected) as refusal:
        product.voids.void(
            [named(id, place=f"voids[{n}]") for n, id in enumerate(("new", "gone", "old", "both", "never"))],
            by="ann",
        )

    assert sorted(fault.field for fault in refusal.value.faults) == [
        "voids[1].id",
        "voids[2].id",
        "voids[3].id",
    ]
    assert all("2025-10-16" in fault.message for fault in refusal.value.faults)
    assert product.stored(tenant.id) == before
    assert product.listed() == []
    assert product.void("new", "never")[0].void.counted
    assert product.counted(tenant.id) == 4

    product.send("waits", "waiter 180 5")
    product.void("waits")
    assert product.counted(tenant.id) == 4


def test_the_voids_of_several_tenants_are_made_together_or_not_at_all(product: Voiding) -> None:
    acme, globex = product.tenant(), product.tenant("globex")
    for tenant in ("acme", "globex"):
        product.send("1", "waiter 0 5", tenant=tenant)
        product.send("2", "waiter 0 5", tenant=tenant)
    product.fold.run()
    product.rows("DELETE FROM payload WHERE tenant_id = %s AND event_id = '1' RETURNING 1", globex.id)

    for tenants in (("acme", "globex"), ("globex", "acme")):
        with pytest.raises(Rejected, match="not all usage is kept"):
            product.voids.void([named("1", tenant=tenant) for tenant in tenants], by="ann")
        with pytest.raises(Rejected, match="tenant_id: no tenant 'nobody'"):
            product.voids.void([named("1", tenant=tenants[0]), named("1", tenant="nobody")], by="ann")
    assert product.listed() == []
    assert product.counted(acme.id) == product.counted(globex.id) == 2
    both = [named("1"), named("never", tenant="globex")]
    assert [one.is_new for one in product.voids.void(both, by="ann")] == [True, True]
    assert (product.counted(acme.id), product.counted(globex.id)) == (1, 2)


def test_a_void_is_of_one_source_and_one_tenant(product: Voiding) -> None:
    acme, globex = product.tenant(), product.tenant("globex")
    product.send("1", "waiter 0 5")
    product.send("1", "waiter 0 5", source="/other")
    product.send("1", "waiter 0 5", tenant="globex")
    product.void("1")
    assert (product.counted(acme.id), product.counted(globex.id)) == (1, 1)


def test_a_part_whose_delta_was_put_aside_can_be_voided(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.rows("UPDATE usage_delta SET delta = 'torn' RETURNING 1")
    product.send("2", "waiter 0 7")
    product.fold.run()
    assert product.void("1")[0].void.counted
    assert product.rows("SELECT count(*) FROM usage_delta_aside") == [(0,)]
    assert [facts.duration_ns for facts in product.stored(tenant.id).values()] == [7, 7, 7]


def test_a_void_of_a_torn_delta_needs_not_read_it(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.rows("UPDATE usage_delta SET delta = 'torn' RETURNING 1")
    product.void("1")
    product.fold.run()
    assert product.stored(tenant.id) == {}
    assert product.rows("SELECT count(*) FROM usage_delta_aside") == [(0,)]


def test_voids_are_listed_the_newest_first_a_page_at_a_time(product: Voiding) -> None:
    acme, globex = product.tenant(), product.tenant("globex")
    for n in range(3):
        product.now += timedelta(seconds=n % 2)
        product.void(f"{n}", f"{n}+")
        product.void(f"{n}", tenant="globex")
    everything = product.listed()
    assert [void.voided_at for void in everything] == sorted((v.voided_at for v in everything), reverse=True)
    assert len(everything) == 9
    assert {void.tenant for void in product.listed(globex)} == {"globex"}
    paged: list[Void] = []
    after = None
    while page := product.voids.list(None, limit=2, after=after):
        paged += page
        after = page[-1].position
    assert paged == everything
    assert len(product.listed(acme)) == 6


def test_void_usage_is_not_shown_as_raw_usage(product: Voiding) -> None:
    product.tenant()
    for id in ("kept", "wrong"):
        record = '{"service_name": "waiter", "revision": "r1", "timestamp": "2025-10-15T12:00:00Z"}'
        product.send(id, "waiter 0 5")
        product.rows("UPDATE payload SET body = %s WHERE event_id = %s RETURNING 1", record, id)
    product.fold.run()
    raw = "SELECT count(*) FROM usage_raw WHERE metric_name = 'invocations' AND timestamp = %s"
    assert product.rows("UPDATE service SET name = 'waiter' RETURNING 1") == [(1,)]
    assert product.rows(raw, NOON) == [(2,)]
    product.rows(
        "INSERT INTO usage_void (tenant_id, event_key, source, event_id, reason, voided_at, voided_by)"
        " SELECT tenant_id, event_key, source, event_id, 'a test', now(), 'ann' FROM payload"
        " WHERE event_id = 'wrong' RETURNING 1"
    )
    assert product.rows(raw, NOON) == [(1,)]
    assert set(product.invocations(product.tenants.get("acme").id)) == set(WindowSize)
