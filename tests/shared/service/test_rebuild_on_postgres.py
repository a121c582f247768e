"""Rebuilding windows on a real PostgreSQL: equal to what folding gives."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from shared.domain.errors import Unavailable
from shared.domain.windows import WindowSize
from tests.shared.service.pipeline import DAY, NOON, Product


def test_a_rebuild_equals_what_is_stored_and_repairs_what_is_not(product: Product) -> None:
    tenant = product.tenant()
    for n in range(30):
        product.send(str(n), f"svc{n % 3} {n * 100} {n * 10**7}\nwaiter {n * 7000} 1")
    product.fold.run()
    folded = product.stored(tenant.id)
    product.send("pending", "waiter 30 7")

    def rebuild() -> int:
        return product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=4)).windows

    rebuilt = rebuild()
    product.fold.run()
    assert len(product.stored(tenant.id)) == rebuilt
    assert sum(f.invocations for f in product.stored(tenant.id).values()) == 3 + sum(
        f.invocations for f in folded.values()
    )
    expected = product.stored(tenant.id)
    assert rebuild() == rebuilt
    assert product.stored(tenant.id) == expected

    product.rows(
        "UPDATE usage_aggregate SET invocations = invocations + 1, duration_ns = 0"
        " WHERE window_size = '1h' RETURNING 1"
    )
    product.rows(
        "DELETE FROM usage_aggregate WHERE window_size = '5m' AND window_start = %s RETURNING 1", NOON
    )
    rebuild()
    assert product.stored(tenant.id) == expected


def test_a_rebuild_leaves_windows_alone_whose_payloads_are_gone(product: Product) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.fold.run()
    product.rows("DELETE FROM payload RETURNING 1")
    product.now += timedelta(days=2)
    product.send("2", "waiter 60 5")
    product.send("3", "waiter 172800 5")

    rebuilt = product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=3))

    assert [(key.size.value, key.start) for key in rebuilt.left_alone] == [
        ("1d", DAY),
        ("1h", NOON),
        ("5m", NOON),
    ]
    assert product.invocations(tenant.id) == dict.fromkeys(WindowSize, 3)


def test_rebuilds_beside_senders_and_folds_end_with_every_record_once(product: Product) -> None:
    tenant = product.tenant()

    def send(sender: int) -> None:
        for n in range(40):
            product.send(f"{sender}-{n}", f"waiter {n * 60} 5")

    def rebuild() -> None:
        with suppress(Unavailable):
            product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=1))

    def fold() -> None:
        product.fold.run()

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(send, sender) for sender in range(3)]
        jobs += [pool.submit(work) for _ in range(8) for work in (rebuild, fold)]
        for job in jobs:
            job.result()
    product.fold.run_for(tenant.id)

    assert set(product.invocations(tenant.id).values()) == {120}
    before = product.stored(tenant.id)
    product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=1))
    assert product.stored(tenant.id) == before


def test_a_rebuild_announces_what_it_repaired_and_only_that(product: Product) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5\nwaiter 86400 5")
    product.fold.run()
    product.taken_facts()
    product.now += timedelta(minutes=1)

    product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=2))
    product.fold.run()
    assert product.taken_facts() == []

    product.rows(
        "UPDATE usage_aggregate SET errors = 7 WHERE window_size = '5m' AND window_start = %s RETURNING 1",
        NOON,
    )
    product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=2))
    product.fold.run()
    (fact,) = product.taken_facts()
    assert (fact.changed_from, fact.changed_until) == (NOON, NOON + timedelta(minutes=5))


def test_a_rebuild_finds_capacity_that_began_on_the_day_before(product: Product) -> None:
    tenant = product.tenant()
    product.send("1", f"waiter {-12 * 3600 - 60} 5 120")
    product.fold.run()
    before = product.stored(tenant.id)
    assert {key.start.day for key in before} == {14, 15}
    product.rows("DELETE FROM usage_aggregate WHERE window_start >= %s RETURNING 1", DAY)
    product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=1))
    assert product.stored(tenant.id) == before


def test_windows_that_a_lost_payload_may_have_touched_are_left_alone(product: Product) -> None:
    """A record may lie five minutes ahead of its arrival."""
    tenant = product.tenant()
    product.now = NOON
    product.send("lost", "waiter 299 5")
    product.rows("DELETE FROM payload RETURNING 1")
    product.send("kept", "waiter 299 5\nwaiter 301 5\nwaiter 601 5")
    product.fold.run()

    rebuilt = product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=1))

    assert [key.start for key in rebuilt.left_alone if key.size is WindowSize.M5] == [
        NOON,
        NOON + timedelta(minutes=5),
    ]
    assert product.invocations(tenant.id) == dict.fromkeys(WindowSize, 4)
