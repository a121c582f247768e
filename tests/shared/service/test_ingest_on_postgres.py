"""Accepting usage on a real PostgreSQL: nothing lost, nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.domain.errors import Conflict, Rejected
from shared.domain.tenant import Tenant
from shared.domain.usage import Part
from shared.domain.windows import WindowSize
from shared.service.ingest import Outcome
from tests.shared.service.pipeline import DAY, Product, decode


def test_an_event_is_counted_once_however_often_it_comes(product: Product) -> None:
    tenant = product.tenant()

    assert product.send("1", "waiter 0 5\nwaiter 1 5") == Outcome(accepted=2)
    assert product.send("1", "waiter 0 5\nwaiter 1 5") == Outcome(duplicate=2)
    product.fold.run()
    assert product.send("1", "waiter 0 5\nwaiter 1 5") == Outcome(duplicate=2)
    product.fold.run()

    assert set(product.invocations(tenant.id).values()) == {2}


def test_fifty_copies_at_once_are_counted_once(product: Product) -> None:
    tenant = product.tenant()
    with ThreadPoolExecutor(16) as senders:
        outcomes = list(senders.map(lambda _: product.send("1", "waiter 0 5"), range(50)))

    assert sum(outcome.accepted for outcome in outcomes) == 1
    assert sum(outcome.duplicate for outcome in outcomes) == 49
    product.fold.run()
    assert set(product.invocations(tenant.id).values()) == {1}


def test_the_same_id_from_another_source_or_tenant_is_another_event(product: Product) -> None:
    acme, globex = product.tenant(), product.tenant("globex")
    assert product.send("1", "waiter 0 5").accepted == 1
    assert product.send("1", "waiter 0 5", source="/other").accepted == 1
    assert product.send("1", "waiter 0 5", tenant="globex").accepted == 1
    product.fold.run()
    assert product.invocations(acme.id)[WindowSize.D1] == 2
    assert product.invocations(globex.id)[WindowSize.D1] == 1


def test_an_id_used_before_for_other_records_is_a_conflict_and_leaves_nothing(product: Product) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")

    with pytest.raises(Conflict, match="used before"):
        product.send("1", "waiter 0 6")

    assert product.rows("SELECT count(*) FROM usage_inbox") == [(1,)]
    assert product.rows("SELECT count(*) FROM payload") == [(1,)]
    product.fold.run()
    assert [facts.duration_ns for facts in product.stored(tenant.id).values()] == [5, 5, 5]


def test_an_unknown_tenant_is_refused_and_leaves_nothing(product: Product) -> None:
    with pytest.raises(Rejected, match="tenantid: no tenant 'nobody'"):
        product.send("1", "waiter 0 5", tenant="nobody")
    for table in ("usage_inbox", "payload", "usage_delta", "service", "usage_aggregate"):
        assert product.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_thousand_tenants_in_turn_never_deadlock_and_never_lose(product: Product) -> None:
    tenants = [product.tenant(f"tenant-{n}") for n in range(1000)]

    def send(sender: int) -> int:
        return sum(
            product.send(f"{sender}", "b 0 5\na 400 5", tenant=f"tenant-{n}").accepted
            for n in range(sender, 1000, 2)
        )

    with ThreadPoolExecutor(10) as pool:
        fold = pool.submit(lambda: [product.fold.run() for _ in range(10)])
        assert sum(pool.map(send, [0, 1, 0, 1])) == 2000
        fold.result()
    product.fold.run()

    assert product.rows(
        "SELECT window_size, sum(invocations) FROM usage_aggregate GROUP BY 1 ORDER BY 1"
    ) == [("1d", 2000), ("1h", 2000), ("5m", 2000)]
    assert product.rows("SELECT count(DISTINCT tenant_id) FROM usage_aggregate") == [(len(tenants),)]


def test_parts_posted_together_are_refused_together(product: Product) -> None:
    acme, globex = product.tenant(), product.tenant("globex")
    product.send("1", "waiter 0 5", tenant="globex")

    def part(tenant: Tenant, data: str) -> Part:
        usage = decode(data.encode(), recorded_at=product.now, received_at=product.now)
        return Part("/test", "1", tenant.id, product.now, product.now, usage, (data,))

    with pytest.raises(Conflict):
        product.ingest.accept_all([part(acme, "waiter 0 5"), part(globex, "waiter 0 6")])
    product.fold.run()
    assert product.stored(acme.id) == {}


def test_payloads_are_kept_verbatim_in_the_partition_of_their_arrival_day(product: Product) -> None:
    product.tenant()
    product.send("1", "waiter 0 5")
    product.now += timedelta(days=40)
    product.send("2", "waiter 0 5\nhello 0 6")

    assert product.rows("SELECT tableoid::regclass::text, event_id, body FROM payload ORDER BY 2") == [
        ("payload_20251015", "1", "waiter 0 5"),
        ("payload_20251124", "2", "waiter 0 5\nhello 0 6"),
    ]


def test_an_event_given_up_for_its_correction_is_never_counted_however_late_it_comes(
    product: Product,
) -> None:
    tenant = product.tenant()
    product.ingest.give_up_event(source="/test", id="late", tenant_ref="acme")
    product.ingest.give_up_event(source="/test", id="late", tenant_ref="acme")

    with pytest.raises(Conflict, match="given up"):
        product.send("late", "waiter 0 5")
    product.send("correction", "waiter 0 6")
    product.fold.run()
    product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=1))

    assert [facts.duration_ns for facts in product.stored(tenant.id).values()] == [6, 6, 6]


def test_an_event_that_was_counted_cannot_be_given_up(product: Product) -> None:
    product.tenant()
    product.send("1", "waiter 0 5")
    with pytest.raises(Conflict, match="was counted"):
        product.ingest.give_up_event(source="/test", id="1", tenant_ref="acme")
    product.ingest.give_up_event(source="/test", id="1", tenant_ref="nobody")
