"""Voids before their originals, redeliveries after them, and events given up for their corrections."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict
from shared.service.ingest import Outcome
from tests.shared.service.voiding import Voiding, named


@pytest.fixture
def product(database_url: str) -> Iterator[Voiding]:
    database = Database(database_url, pool_size_max=16)
    yield Voiding(database)
    database.close()


def test_a_redelivery_of_the_original_stays_void(product: Voiding) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5\nwaiter 1 5")
    product.fold.run()
    product.void("1")
    for _ in range(2):
        assert product.send("1", "waiter 0 5\nwaiter 1 5") == Outcome(duplicate=2)
        product.fold.run()
        assert product.stored(tenant.id) == {}
    with pytest.raises(Conflict, match="used before"):
        product.send("1", "waiter 0 6")
    assert not product.changed_by_rebuild(tenant)


def test_a_void_that_comes_before_its_original_holds(product: Voiding) -> None:
    tenant = product.tenant()
    (voided,) = product.void("late")
    assert (voided.void.counted, voided.void.received_at) == (False, None)
    product.now += timedelta(days=3)

    assert product.send("late", "waiter 0 5\nwaiter 1 5") == Outcome(duplicate=2)
    assert product.send("late", "waiter 0 5\nwaiter 1 5") == Outcome(duplicate=2)
    product.send("other", "waiter 0 7")
    product.fold.run()

    assert product.counted(tenant.id) == 1
    assert not product.changed_by_rebuild(tenant)
    (void,) = product.listed()
    assert (void.counted, void.records, void.received_at) == (False, 0, product.now)
    assert product.rows("SELECT body FROM payload WHERE event_id = 'late'") == [("waiter 0 5\nwaiter 1 5",)]
    with pytest.raises(Conflict, match="used before"):
        product.send("late", "waiter 0 6")


def test_fifty_copies_of_a_voided_original_at_once_are_stored_once(product: Voiding) -> None:
    tenant = product.tenant()
    product.void("late")
    with ThreadPoolExecutor(16) as senders:
        outcomes = list(senders.map(lambda _: product.send("late", "waiter 0 5"), range(50)))
    assert set(outcomes) == {Outcome(duplicate=1)}
    assert product.rows("SELECT count(*) FROM payload") == [(1,)]
    assert product.rows("SELECT count(*) FROM usage_delta") == [(0,)]
    product.fold.run()
    assert product.stored(tenant.id) == {}


def test_what_was_never_sent_is_kept_as_such(product: Voiding) -> None:
    product.tenant()
    product.void("never")
    (void,) = product.listed()
    assert (void.event_id, void.received_at, void.counted, void.records) == ("never", None, False, 0)


def test_what_is_void_may_be_corrected_and_what_counts_may_not(product: Voiding) -> None:
    product.tenant()
    product.send("1", "waiter 0 5")

    def is_counted() -> bool:
        return product.ingest.examine_event(
            source="/test", id="1", tenant_ref="acme", time=None, data=b"waiter 0 5"
        ).is_counted

    assert is_counted()
    with pytest.raises(Conflict):
        product.ingest.give_up_event(source="/test", id="1", tenant_ref="acme")
    product.void("1")
    assert not is_counted()
    product.ingest.give_up_event(source="/test", id="1", tenant_ref="acme")


def test_an_event_given_up_for_its_correction_is_a_void_once_voided(product: Voiding) -> None:
    tenant = product.tenant()
    product.ingest.give_up_event(source="/test", id="1", tenant_ref="acme")
    assert not product.void("1")[0].void.counted
    assert product.send("1", "waiter 0 5") == Outcome(duplicate=1)
    product.fold.run()
    assert product.stored(tenant.id) == {}


def test_the_numbers_of_void_batches_leave_no_gap(product: Voiding) -> None:
    tenant = product.tenant()

    def send(number: int) -> None:
        product.ingest.accept_event(
            source="/spool",
            id=f"{number}",
            tenant_ref="acme",
            time=None,
            data=b"waiter 0 5",
            sequence=number,
        )

    def void(number: int) -> None:
        product.voids.void([named(f"{number}", source="/spool")], by="ann")

    void(1)
    for number in (3, 4):
        send(number)
    void(3)
    product.fold.run()
    gaps = "SELECT first, last FROM metering_gap ORDER BY first"
    assert product.rows(gaps) == [(1, 2)]
    send(1)
    assert product.rows(gaps) == [(2, 2)]
    send(2)
    product.fold.run()
    assert product.rows(gaps) == []
    assert product.counted(tenant.id) == 2
