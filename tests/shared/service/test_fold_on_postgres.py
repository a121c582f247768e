"""Folding and announcing on a real PostgreSQL: nothing lost, nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest

from shared.adapters.postgres.windows import SHARDS
from shared.domain.windows import WindowSize
from shared.service.fold import ANNOUNCE_EVERY, RETRY_S
from tests.shared.service.pipeline import DAY, NOON, WAITING_FOR_LOCKS, Product, until


def test_eight_senders_on_one_tenant_and_folders_beside_them_lose_nothing(product: Product) -> None:
    tenant = product.tenant()
    ids = count()

    def send(sender: int) -> int:
        lines = "\n".join(f"svc{n % 7} {n} {n}" for n in range(sender, sender + 40))
        return sum(product.send(f"{sender}-{next(ids)}", lines).accepted for _ in range(25))

    with ThreadPoolExecutor(11) as pool:
        folds = [pool.submit(lambda: [product.fold.run() for _ in range(20)]) for _ in range(2)]
        accepted = sum(pool.map(send, range(8)))
        for fold in folds:
            fold.result()
    product.fold.run_for(tenant.id)

    assert accepted == 8 * 25 * 40
    assert set(product.invocations(tenant.id).values()) == {accepted}
    assert product.rows("SELECT count(*) FROM usage_delta") == [(0,)]


def test_a_fold_announces_a_tenant_at_once_and_then_at_most_every_ten_seconds(product: Product) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    assert product.fold.run() is None
    (first,) = product.taken_facts()
    assert (first.tenant_id, first.tenant_slug, first.sequence) == (tenant.id, "acme", 1)
    assert (first.changed_from, first.changed_until) == (NOON, NOON + timedelta(minutes=5))

    product.send("2", "waiter 600 5")
    assert product.fold.run() == ANNOUNCE_EVERY.total_seconds()
    product.send("3", "waiter 1200 5")
    product.now += timedelta(seconds=4)
    assert product.fold.run() == 6.0
    assert product.taken_facts() == []

    product.now += timedelta(seconds=6)
    assert product.fold.run() is None
    (second,) = product.taken_facts()
    assert second.sequence == 3
    assert (second.changed_from, second.changed_until) == (
        NOON + timedelta(minutes=10),
        NOON + timedelta(minutes=25),
    )


def test_a_fact_not_done_stays_in_the_outbox(product: Product) -> None:
    product.tenant()
    product.send("1", "waiter 0 5")
    product.fold.run()
    with product.outbox.take(10) as facts:
        taken = list(facts)
    assert len(taken) == 1
    assert len(product.taken_facts()) == 1
    assert product.taken_facts() == []


def test_a_shard_is_folded_by_one_at_a_time_and_what_came_meanwhile_is_not_forgotten(
    product: Product,
) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    shard = product.windows.shard_of(tenant.id)
    with ThreadPoolExecutor(2) as pool:
        with product.windows.locked([shard], wait=False) as holder:
            assert holder is not None
            assert holder.fold() == (1, False)
            product.send("2", "waiter 0 5")
            assert product.fold.run() == RETRY_S
            bill = pool.submit(product.fold.run_for, tenant.id)
            rebuild = pool.submit(product.rebuild.run, tenant.id, DAY, DAY + timedelta(days=1))
            until(lambda: product.rows(WAITING_FOR_LOCKS) == [(2,)])
        bill.result()
        rebuild.result()
    assert set(product.invocations(tenant.id).values()) == {2}


def test_two_senders_never_take_the_same_fact(product: Product) -> None:
    for n in range(3):
        product.tenant(f"t{n}")
        product.send("1", "waiter 0 5", tenant=f"t{n}")
    product.fold.run()
    with product.outbox.take(2) as first, ThreadPoolExecutor(1) as other:

        def take_all() -> set[UUID]:
            with product.outbox.take(10) as facts:
                return {id for id, _ in facts}

        assert len(first) == 2
        rest = other.submit(take_all).result(10)
        assert len(rest) == 1
        assert rest.isdisjoint({id for id, _ in first})


def test_a_fact_of_a_kind_this_process_does_not_know_holds_up_no_other(product: Product) -> None:
    tenant = product.tenant()
    for kind, data in (("InvoiceDrafted", "{}"), ("UsageAggregated", '{"torn": true}')):
        product.rows(
            "INSERT INTO outbox VALUES (%s, %s, %s, %s::json, now()) RETURNING 1",
            tenant.id,
            UUID(int=len(kind)),
            kind,
            data,
        )
    product.send("1", "waiter 0 5")
    product.fold.run()
    assert len(product.taken_facts()) == 1
    assert product.rows("SELECT count(*) FROM outbox") == [(2,)]


def test_a_delta_that_cannot_be_folded_is_put_aside_and_holds_up_no_other(product: Product) -> None:
    tenants = [product.tenant(f"t{n}") for n in range(20)]
    for tenant in tenants:
        product.send("1", "waiter 0 5", tenant=tenant.slug)
        product.send("2", "waiter 0 5", tenant=tenant.slug)
    product.rows("UPDATE usage_delta SET delta = 'torn' WHERE tenant_id = %s RETURNING 1", tenants[0].id)
    one_of_two = "UPDATE usage_delta SET delta = replace(delta, ',1,1,', ',1,many,') WHERE ctid = ("
    product.rows(
        one_of_two + "SELECT min(ctid) FROM usage_delta WHERE tenant_id = %s) RETURNING 1", tenants[1].id
    )

    product.fold.run()
    product.fold.run()

    assert product.rows("SELECT count(*) FROM usage_delta") == [(0,)]
    assert product.rows("SELECT tenant_id, count(*) FROM usage_delta_aside GROUP BY 1 ORDER BY 1") == sorted(
        [(tenants[0].id, 2), (tenants[1].id, 1)]
    )
    counted = [product.invocations(tenant.id)[WindowSize.D1] for tenant in tenants]
    assert counted == [0, 1] + [2] * 18
    product.rebuild.run(tenants[1].id, DAY, DAY + timedelta(days=1))
    assert set(product.invocations(tenants[1].id).values()) == {2}


@pytest.mark.parametrize(("tenants", "kilobytes"), [(1, 200), (5, 1_500)])
def test_large_deltas_are_taken_a_few_at_a_time_of_one_tenant_fewer(
    product: Product, tenants: int, kilobytes: int
) -> None:
    slugs = [product.tenant(f"t{n}").slug for n in range(tenants)]
    for n in range(5):
        product.send(str(n), "waiter 0 5", tenant=slugs[n % tenants])
    product.rows(
        "UPDATE usage_delta SET delta = delta || repeat(E'\\n' || delta, %s * 1000 / octet_length(delta))"
        " RETURNING 1",
        kilobytes,
    )
    with product.windows.locked(range(SHARDS), wait=True) as transaction:
        assert transaction is not None
        assert [transaction.fold() for _ in range(4)] == [(2, True), (2, True), (1, False), (0, False)]


def test_only_the_days_of_changed_windows_are_noted(product: Product) -> None:
    product.tenant()
    product.send("1", f"waiter 0 5\nwaiter {-3 * 86_400} 5")
    product.fold.run()
    assert product.rows("SELECT day::text FROM usage_change ORDER BY 1") == [("2025-10-12",), ("2025-10-15",)]
