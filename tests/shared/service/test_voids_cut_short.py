"""A void whose process or connection ends between any two statements: nothing half done, and done again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Unavailable
from shared.service.ingest import Outcome
from tests.shared.service.pipeline import until
from tests.shared.service.voiding import Voiding

STOP = 4711
STOPS_SQL = f"""
    CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock({STOP});
        RETURN NULL;
    END $$;
"""
STOPPED = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
STATEMENTS = (
    "fold_shard AFTER UPDATE",
    "usage_void AFTER INSERT",
    "usage_inbox AFTER INSERT",
    "usage_delta_aside AFTER DELETE",
    "usage_delta AFTER DELETE",
    "usage_void AFTER UPDATE",
    "usage_window AFTER DELETE",
    "usage_window AFTER INSERT",
    "tenant_usage AFTER UPDATE",
    "usage_change AFTER INSERT",
)


@pytest.fixture
def product(database_url: str) -> Iterator[Voiding]:
    database = Database(database_url, pool_size_max=16)
    yield Voiding(database)
    database.close()


def stop_after(product: Voiding, where: str) -> None:
    table, when = where.split(" ", 1)
    with product.database.statement() as connection:
        connection.execute(STOPS_SQL.encode())
        connection.execute(
            f"CREATE TRIGGER stop {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION stop()".encode()
        )


def cut_short(product: Voiding, url: str, work: Callable[[], object]) -> None:
    """The connection of the work ends while it is at the stop, as it does when its process is killed."""
    with psycopg.connect(url, autocommit=True) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT pg_advisory_lock(%s)", (STOP,))
        working = pool.submit(work)
        until(lambda: len(product.rows(STOPPED)) == 1)
        holder.execute("SELECT pg_terminate_backend(pid) FROM (" + STOPPED + ") stopped")
        with pytest.raises(Unavailable):
            working.result()
        holder.execute("DROP FUNCTION stop() CASCADE")


@pytest.mark.parametrize("where", STATEMENTS)
def test_a_void_cut_short_anywhere_is_not_begun_and_is_done_when_it_is_repeated(
    product: Voiding, database_url: str, where: str
) -> None:
    tenant = product.tenant()
    product.send("kept", "waiter 0 5")
    product.fold.run()
    expected = product.stored(tenant.id)
    product.send("wrong", "waiter 0 9\nwaiter 86400 9")
    product.fold.run()
    before = product.stored(tenant.id)
    product.send("waits", "waiter 0 11")
    stop_after(product, where)

    cut_short(product, database_url, lambda: product.void("wrong", "waits", "never"))

    assert product.listed() == []
    assert product.stored(tenant.id) == before
    assert [one.is_new for one in product.void("wrong", "waits", "never")] == [True] * 3
    product.fold.run()
    assert product.stored(tenant.id) == expected
    assert not product.changed_by_rebuild(tenant)


def test_what_was_committed_is_announced_though_nobody_was_told(product: Voiding) -> None:
    product.tenant()
    product.send("wrong", "waiter 0 9")
    product.fold.run()
    product.taken_facts()
    product.void("wrong")
    product.now += timedelta(minutes=1)
    product.fold.run()
    assert [fact.sequence for fact in product.taken_facts()] == [2]


@pytest.mark.parametrize(
    "where", ["usage_inbox AFTER UPDATE", "payload AFTER INSERT", "usage_void AFTER UPDATE"]
)
def test_an_original_that_is_kept_as_void_is_kept_whole_or_not_at_all(
    product: Voiding, database_url: str, where: str
) -> None:
    tenant = product.tenant()
    product.void("late")
    assert product.send("first", "waiter 0 5") == Outcome(accepted=1)
    stop_after(product, where)

    cut_short(product, database_url, lambda: product.send("late", "waiter 0 5"))

    assert product.listed()[0].received_at is None
    assert product.rows("SELECT count(*) FROM payload") == [(1,)]
    assert product.send("late", "waiter 0 5") == Outcome(duplicate=1)
    assert product.listed()[0].received_at == product.now
    assert product.counted(tenant.id) == 1
