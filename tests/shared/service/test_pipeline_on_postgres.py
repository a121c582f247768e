"""Append, fold and rebuild against a real PostgreSQL: nothing lost, nothing twice."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from uuid import UUID

import pytest

from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.aggregate import Windows
from shared.domain.errors import Conflict, Rejected, Unavailable
from shared.domain.events import UsageAggregated
from shared.domain.tenant import Tenant
from shared.domain.usage import DecodedUsage, Part, UsageRecord
from shared.domain.windows import WindowSize
from shared.service.fold import ANNOUNCE_EVERY, RETRY_S, Fold, fold_deltas
from shared.service.ingest import IngestUsage, Outcome
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
DAY = datetime(2025, 10, 15, tzinfo=UTC)


def decode(data: bytes, *, recorded_at: datetime, received_at: datetime) -> DecodedUsage:
    """The simplest usage data there can be, a record a line: `name seconds-after-noon duration_ns`, and
    then, perhaps, the seconds of capacity held from that instant on."""
    lines = [line.split() for line in data.decode().splitlines()]
    return DecodedUsage(
        records=tuple(_record(*line) for line in lines),
        digest=sha256(data).digest(),
    )


def _record(name: str, after_noon_s: str, duration_ns: str, provisioned_s: str = "0") -> UsageRecord:
    instant = NOON + timedelta(seconds=int(after_noon_s))
    return UsageRecord(
        name,
        instant,
        revision="r1",
        duration_ns=int(duration_ns),
        started_at=instant,
        provisioned_ns=int(provisioned_s) * 10**9,
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


WAITING_FOR_LOCKS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


class Product:
    """The services over one database, with a clock of the test's own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = datetime(2025, 10, 15, 18, tzinfo=UTC)
        directory = PostgresTenants(database)
        self.tenants = Tenants(directory, self.clock, new_id)
        series = PostgresSeries(database, new_id)
        self.windows = PostgresWindows(database, new_id)
        self.fold = Fold(self.windows, self.clock)
        self.rebuild = Rebuild(self.windows, self.fold, series, decode)
        self.outbox = PostgresOutbox(database)
        self.ingest = IngestUsage(
            decode=decode, tenants=directory, series=series, log=PostgresUsageLog(database), clock=self.clock
        )

    def clock(self) -> datetime:
        return self.now

    def tenant(self, slug: str = "acme") -> Tenant:
        return self.tenants.create(name=slug, currency="EUR")

    def send(self, id: str, data: str, *, tenant: str = "acme", source: str = "/test") -> Outcome:
        return self.ingest.accept_event(
            source=source, id=id, tenant_ref=tenant, time=None, data=data.encode()
        )

    def stored(self, tenant_id: UUID) -> Windows:
        with self.windows.locked_snapshot(self.windows.shard_of(tenant_id)) as transaction:
            return transaction.load_between(tenant_id, DAY - timedelta(days=9), DAY + timedelta(days=9))

    def invocations(self, tenant_id: UUID) -> dict[WindowSize, int]:
        sums = dict.fromkeys(WindowSize, 0)
        for key, facts in self.stored(tenant_id).items():
            sums[key.size] += facts.invocations
        return sums

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def taken_facts(self) -> Sequence[UsageAggregated]:
        with self.outbox.take(1000) as facts:
            self.outbox.done(id for id, _ in facts)
        return [fact for _, fact in facts if isinstance(fact, UsageAggregated)]


@pytest.fixture
def product(database_url: str) -> Iterator[Product]:
    database = Database(database_url, pool_size_max=16)
    yield Product(database)
    database.close()


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


def test_a_shard_is_folded_by_one_at_a_time_and_what_came_meanwhile_is_not_forgotten(
    product: Product,
) -> None:
    tenant = product.tenant()
    product.send("1", "waiter 0 5")
    shard = product.windows.shard_of(tenant.id)
    with ThreadPoolExecutor(2) as pool:
        with product.windows.locked(shard, wait=False) as holder:
            assert holder is not None
            deltas = holder.take_deltas()
            product.send("2", "waiter 0 5")
            assert product.fold.run() == RETRY_S
            bill = pool.submit(product.fold.run_for, tenant.id)
            rebuild = pool.submit(product.rebuild.run, tenant.id, DAY, DAY + timedelta(days=1))
            until(lambda: product.rows(WAITING_FOR_LOCKS) == [(2,)])
            fold_deltas(holder, deltas)
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
    one_of_two = "UPDATE usage_delta SET delta = replace(delta, '[1,1,', '[1,1e60,') WHERE ctid = ("
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


def test_large_deltas_are_taken_a_few_at_a_time(product: Product) -> None:
    tenant = product.tenant()
    for n in range(5):
        product.send(str(n), "waiter 0 5")
    product.rows("UPDATE usage_delta SET delta = delta || repeat(' ', 900000) RETURNING 1")
    with product.windows.locked(product.windows.shard_of(tenant.id), wait=True) as transaction:
        assert transaction is not None
        assert [len(transaction.take_deltas()) for _ in range(4)] == [2, 2, 1, 0]


def test_only_the_days_of_changed_windows_are_noted(product: Product) -> None:
    product.tenant()
    product.send("1", f"waiter 0 5\nwaiter {-3 * 86_400} 5")
    product.fold.run()
    assert product.rows("SELECT day::text FROM usage_change ORDER BY 1") == [("2025-10-12",), ("2025-10-15",)]


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
