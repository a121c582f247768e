"""What senders number, and what they use twice, against a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict
from shared.service.ingest import Examination
from shared.service.oversight import GapPosition, MeteringGap
from tests.shared.service.numbered import NOON, RECORD, Numbered


@pytest.fixture
def product(database_url: str) -> Iterator[Numbered]:
    database = Database(database_url, pool_size_max=12)
    product = Numbered(database)
    product.tenant("acme")
    yield product
    database.close()


def test_a_hole_is_a_gap_until_it_is_filled(product: Numbered) -> None:
    for number in (1, 2, 6):
        product.send(number)
    product.fold.run()
    assert product.gaps() == [("acme", "/s", 3, 5, NOON)]

    product.now = NOON + timedelta(hours=1)
    product.send(4)
    product.send(8)
    product.fold.run()
    later = product.now
    assert product.gaps() == [
        ("acme", "/s", 3, 3, NOON),
        ("acme", "/s", 5, 5, NOON),
        ("acme", "/s", 7, 7, later),
    ]
    for number in (7, 3, 5, 3):
        product.send(number)
    product.fold.run()
    assert product.gaps() == []
    assert product.counts == (4, 4)


def test_sources_and_tenants_have_numbers_of_their_own(product: Numbered) -> None:
    globex = product.tenant("globex")
    product.send(2, source="/a")
    product.send(1, source="/b")
    product.send(3, source="/a", tenant="globex")
    product.send(None, source="/c")
    product.fold.run()
    assert sorted(product.gaps()) == [("acme", "/a", 1, 1, NOON), ("globex", "/a", 1, 2, NOON)]
    assert product.gaps(globex.id) == [("globex", "/a", 1, 2, NOON)]
    assert product.rows("SELECT source, highest FROM usage_source ORDER BY 1, 2") == [
        ("/a", 2),
        ("/a", 3),
        ("/b", 1),
    ]


def test_a_duplicate_fills_nothing_and_a_sender_that_starts_late_has_a_gap(product: Numbered) -> None:
    for _ in range(3):
        product.send(5)
        product.fold.run()
    assert product.gaps() == [("acme", "/s", 1, 4, NOON)]


def test_a_rebuild_changes_no_gap_and_forgets_none(product: Numbered) -> None:
    tenant = product.directory.find("acme")
    assert tenant is not None
    for number in (1, 4):
        product.send(number)
    product.fold.run()
    before = product.gaps()
    for _ in range(2):
        product.rebuild.run(tenant.id, NOON - timedelta(days=1), NOON + timedelta(days=1))
        assert product.gaps() == before
    product.send(2)
    with product.windows.locked_snapshot(product.windows.shard_of(tenant.id)) as transaction:
        assert transaction.fold_of(tenant.id).deltas == 1
    assert product.gaps() == [("acme", "/s", 3, 3, NOON)]


def test_a_batch_whose_delta_was_put_aside_has_come(product: Numbered) -> None:
    for number in (1, 2, 3):
        product.send(number)
    product.rows("UPDATE usage_delta SET delta = 'torn' WHERE batch_number = 2 RETURNING 1")
    product.fold.run()
    assert product.rows("SELECT count(*) FROM usage_delta_aside") == [(1,)]
    assert product.gaps() == []


def test_a_fold_that_fails_notes_nothing(product: Numbered) -> None:
    tenant = product.directory.find("acme")
    assert tenant is not None
    product.send(3)
    with (
        suppress(ZeroDivisionError),
        product.windows.locked([product.windows.shard_of(tenant.id)], wait=True) as transaction,
    ):
        assert transaction is not None
        assert transaction.fold().deltas == 1
        raise ZeroDivisionError
    assert (product.gaps(), product.counts) == ([], (0, 0))
    product.fold.run()
    assert product.gaps() == [("acme", "/s", 1, 2, NOON)]


def test_senders_in_any_order_beside_folds_leave_no_gap(product: Numbered) -> None:
    numbers = [n for n in range(1, 201) if n % 2] + [n for n in range(200, 0, -1) if n % 2 == 0]
    with ThreadPoolExecutor(8) as pool:
        folds = [pool.submit(product.fold.run) for _ in range(20)]
        list(pool.map(product.send, numbers))
        for fold in folds:
            fold.result()
    product.fold.run()
    assert product.gaps() == []
    assert product.rows("SELECT highest FROM usage_source") == [(200,)]
    missed, found = product.counts
    assert missed == found


def test_gaps_are_listed_a_page_at_a_time(product: Numbered) -> None:
    for number in range(2, 20, 2):
        product.send(number, source=f"/{number % 4}")
    product.fold.run()
    everything = product.oversight.gaps(None, limit=100)
    assert len(everything) == 9
    paged: list[MeteringGap] = []
    after: GapPosition | None = None
    while page := product.oversight.gaps(None, limit=4, after=after):
        paged += page
        after = page[-1].position
    assert paged == everything


def test_an_identity_used_again_is_a_conflict_counted_by_what_was_refused(product: Numbered) -> None:
    product.send(1)
    product.send(1)
    assert product.oversight.conflicts(None, limit=9) == []
    for calls, minutes in ((2, 0), (2, 5), (3, 7)):
        product.now = NOON + timedelta(minutes=minutes)
        with pytest.raises(Conflict):
            product.send(1, calls=calls)
    newest, first = product.oversight.conflicts(None, limit=9)
    assert (newest.tenant, newest.source, newest.event_id, newest.count) == ("acme", "/s", "1", 1)
    assert (first.count, first.first_seen_at) == (2, NOON)
    assert first.last_seen_at == NOON + timedelta(minutes=5)
    assert first.kept_digest == newest.kept_digest != first.refused_digest != newest.refused_digest
    assert product.conflicts == 3
    assert product.oversight.conflicts(None, limit=9, after=newest.position) == [first]
    assert product.oversight.conflicts(product.tenant("globex").id, limit=9) == []


def test_an_examination_says_all_and_stores_nothing(product: Numbered) -> None:
    product.send(1)

    def examine(id: str, data: bytes, tenant: str | None = "acme") -> Examination:
        return product.ingest.examine_event(source="/s", id=id, tenant_ref=tenant, time=None, data=data)

    assert examine("1", RECORD % 1) == Examination(is_counted=True)
    assert examine("2", RECORD % 1) == Examination()
    assert "used before" in str(examine("1", RECORD % 2).faults[0])
    bad = examine("3", b'{"memory_mb": -1, "duration_seconds": "1"}', tenant="nobody")
    assert {fault.field for fault in bad.faults} == {
        "memory_mb",
        "duration_seconds",
        "service_name",
        "tenantid",
    }
    assert [fault.field for fault in examine("3", RECORD % 1, tenant=None).faults] == ["tenantid"]
    assert product.rows("SELECT count(*) FROM usage_inbox") == [(1,)]
    assert product.rows("SELECT count(*) FROM usage_conflict") == [(0,)]


def test_without_the_database_an_examination_says_what_it_can() -> None:
    away = Numbered(Database(""))
    found = away.ingest.examine_event(
        source="/s", id="1", tenant_ref="acme", time=None, data=b'{"memory_mb": -1}'
    )
    assert {fault.field for fault in found.faults} == {"memory_mb", "service_name"}
    assert (found.is_complete, found.is_counted) == (False, False)
