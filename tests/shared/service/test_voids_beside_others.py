"""Voids beside other voids, senders, folds and rebuilds on a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.system import new_id
from shared.domain.errors import Unavailable
from shared.service.fold import Fold
from shared.service.rebuild import Rebuild
from tests.shared.service.pipeline import DAY, WAITING_FOR_LOCKS, decode, until
from tests.shared.service.voiding import Voiding


@pytest.fixture
def product(database_url: str) -> Iterator[Voiding]:
    database = Database(database_url, pool_size_max=16)
    yield Voiding(database)
    database.close()


def test_fifty_copies_at_once_void_once(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.send("2", "waiter 0 7")
    product.fold.run()
    with ThreadPoolExecutor(16) as pool:
        voided = [one for (one,) in pool.map(lambda _: product.void("1"), range(50))]
    assert sum(one.is_new for one in voided) == 1
    assert len({one.void for one in voided}) == 1
    assert [facts.duration_ns for facts in product.stored(tenant.id).values()] == [7, 7, 7]


def test_voids_beside_senders_folds_and_rebuilds_end_with_what_is_not_void(product: Voiding) -> None:
    tenant = product.tenant()

    def send(sender: int) -> None:
        for n in range(20):
            product.send(f"{sender}-{n}", f"waiter {n * 60} 5\nhello {n * 60} 5")

    def void(sender: int) -> None:
        for n in range(0, 20, 2):
            product.void(f"{sender}-{n}")

    def rebuild(_: int) -> None:
        with suppress(Unavailable):
            product.rebuild.run(tenant.id, DAY, DAY + timedelta(days=1))

    def fold(_: int) -> None:
        product.fold.run()

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(work, n) for n in range(4) for work in (send, void, rebuild, fold)]
        for job in jobs:
            job.result()

    assert product.counted(tenant.id) == 4 * 10 * 2
    assert len(product.listed()) == 40
    assert not product.changed_by_rebuild(tenant)


class NoFold(Fold):
    """Nothing to wait for before the snapshot is taken."""

    def run_for(self, tenant_id: UUID) -> None:
        pass


def test_a_rebuild_that_waited_with_an_older_view_does_not_bring_a_void_back(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    product.rows("UPDATE usage_delta SET delta = 'torn' RETURNING 1")
    product.fold.run()
    product.rows("INSERT INTO usage_change VALUES (%s, %s, 1) RETURNING 1", tenant.id, DAY.date())
    series = PostgresSeries(product.database, new_id)
    rebuild = Rebuild(product.windows, NoFold(product.windows, product.clock), series, decode)
    with ThreadPoolExecutor(2) as pool:
        with product.windows.locked([product.windows.shard_of(tenant.id)], wait=True):
            void = pool.submit(product.void, "1")
            until(lambda: product.rows(WAITING_FOR_LOCKS) == [(1,)])
            rebuilding = pool.submit(rebuild.run, tenant.id, DAY, DAY + timedelta(days=1))
            until(lambda: product.rows(WAITING_FOR_LOCKS) == [(2,)])
        void.result()
        rebuilding.result()
    assert product.stored(tenant.id) == {}


def test_usage_that_waits_for_its_fold_while_another_part_is_voided_counts_once(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("wrong", "waiter 0 5")
    product.fold.run()
    product.send("waits", "waiter 0 7")
    product.void("wrong")
    assert product.rows("SELECT count(*) FROM usage_delta") == [(1,)]
    product.fold.run()
    assert [facts.duration_ns for facts in product.stored(tenant.id).values()] == [7, 7, 7]
