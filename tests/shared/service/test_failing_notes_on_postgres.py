"""Numbers that the database does not take hold up nothing that is billed; it is made to refuse them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Unavailable
from tests.shared.service.numbered import NOON, Numbered

REFUSE = """
    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no such number' USING ERRCODE = TG_ARGV[0]; END $$;
    CREATE TRIGGER refuse_{code} BEFORE {change} ON {table} FOR EACH ROW WHEN ({when})
    EXECUTE FUNCTION refuse('{code}')
"""
CHECKED, PASSES = "23514", "40001"
"""A row that breaks a rule; a transaction that is to be repeated."""


@pytest.fixture
def product(database_url: str) -> Iterator[Numbered]:
    database = Database(database_url)
    product = Numbered(database)
    product.tenant("acme")
    yield product
    database.close()


def refuse(product: Numbered, table: str, when: str, change: str = "INSERT", code: str = CHECKED) -> None:
    with product.database.statement() as connection:
        connection.execute(REFUSE.format(table=table, when=when, change=change, code=code).encode())


def relent(product: Numbered) -> None:
    with product.database.statement() as connection:
        connection.execute("DROP FUNCTION refuse CASCADE")


def billed(product: Numbered) -> int:
    ((calls,),) = product.rows("SELECT sum(invocations) FROM usage_aggregate WHERE window_size = '1d'")
    assert product.rows("SELECT count(*) FROM usage_delta") == [(0,)]
    assert product.rows("SELECT count(*) FROM usage_delta_aside") == [(0,)]
    return int(calls)


def gaps(product: Numbered, source: str = "/s") -> list[tuple[int, int]]:
    return [(first, last) for _, name, first, last, _ in product.gaps() if name == source]


def test_a_gap_that_cannot_be_listed_holds_up_no_fold_and_no_other_gap(
    product: Numbered, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(product, "metering_gap", "NEW.first = 3")
    for number in (1, 2, 6, 9):
        product.send(number)
    product.send(3, source="/other")
    product.fold.run()
    assert billed(product) == 5
    assert (gaps(product), gaps(product, "/other")) == ([(7, 8)], [(1, 2)])
    assert "batches 3, 5 of source '/s'" in caplog.text
    assert product.counts == (4, 0)

    relent(product)
    for number in (4, 7, 8, 10):
        product.send(number)
    product.fold.run()
    assert (billed(product), gaps(product)) == (9, [])
    assert product.counts == (4, 2)


def test_what_came_late_is_listed_no_more_though_the_rest_of_its_gap_cannot_be(product: Numbered) -> None:
    for number in (1, 9):
        product.send(number)
    product.fold.run()
    refuse(product, "metering_gap", "NEW.first = 2")
    product.send(5)
    product.fold.run()
    assert (billed(product), gaps(product)) == (3, [(6, 8)])


def test_a_gap_that_cannot_be_deleted_stays_as_it_was(
    product: Numbered, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 9):
        product.send(number)
    product.fold.run()
    refuse(product, "metering_gap", "OLD.first = 2", change="DELETE")
    for number in (5, 11):
        product.send(number)
    product.fold.run()
    assert (billed(product), gaps(product)) == (4, [(2, 8), (10, 10)])
    assert "batches 5 of source '/s'" in caplog.text
    relent(product)
    product.send(7)
    product.fold.run()
    assert gaps(product) == [(2, 6), (8, 8), (10, 10)]


def test_a_source_that_cannot_be_written_holds_up_nothing_and_is_in_the_log(
    product: Numbered, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(product, "usage_source", "NEW.source = '/s'")
    for number in (1, 3):
        product.send(number)
        product.send(number, source="/other")
    product.fold.run()
    assert billed(product) == 4
    assert (gaps(product), gaps(product, "/other")) == ([], [(2, 2)])
    assert "batches 1, 3 of source '/s' of tenant" in caplog.text


def test_rebuilding_and_putting_aside_are_not_held_up_either(product: Numbered) -> None:
    tenant = product.directory.find("acme")
    assert tenant is not None
    refuse(product, "metering_gap", "NEW.first = 2")
    for number in (1, 4, 5):
        product.send(number)
    with product.windows.locked_snapshot(product.windows.shard_of(tenant.id)) as transaction:
        assert transaction.fold_of(tenant.id).deltas == 3
    for number in (7, 9):
        product.send(number)
    product.rows("UPDATE usage_delta SET delta = 'torn' WHERE batch_number = 9 RETURNING 1")
    product.fold.run()
    assert product.rows("SELECT count(*) FROM usage_delta_aside") == [(1,)]
    assert gaps(product) == [(6, 6), (8, 8)]
    product.rebuild.run(tenant.id, NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert product.rows("SELECT sum(invocations) FROM usage_aggregate WHERE window_size = '1d'") == [(5,)]


def test_what_may_pass_is_done_again_and_nothing_is_taken(
    product: Numbered, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(product, "usage_source", "true", code=PASSES)
    product.send(3)
    with pytest.raises(Unavailable):
        product.fold.run()
    assert product.rows("SELECT count(*) FROM usage_delta") == [(1,)]
    assert "cannot be noted" not in caplog.text
    relent(product)
    product.fold.run()
    assert (billed(product), gaps(product)) == (1, [(1, 2)])


def test_what_may_pass_is_done_again_also_where_rows_are_stored_one_by_one(product: Numbered) -> None:
    refuse(product, "metering_gap", "NEW.first = 1")
    refuse(product, "metering_gap", "NEW.first = 3", code=PASSES)
    for number in (2, 4):
        product.send(number)
    with pytest.raises(Unavailable):
        product.fold.run()
    assert product.rows("SELECT count(*) FROM usage_delta") == [(2,)]
    relent(product)
    product.fold.run()
    assert (billed(product), gaps(product)) == (2, [(1, 1), (3, 3)])
