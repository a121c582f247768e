"""Whatever the order, batching and duplication of events: the same windows, percentiles and bills."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventing.usage import decode
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain import sketch
from shared.domain.cost import Bill
from shared.domain.tenant import Tenant
from shared.domain.windows import GRID
from shared.service.billing import CalculateBill
from shared.service.catalogue import install_catalogue
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.plans import Plans
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants

ARRIVAL = datetime(2026, 1, 5, tzinfo=UTC)
MONTH, NEXT_MONTH = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)

Record = dict[str, Any]
Event = list[Record]


@st.composite
def a_record(draw: st.DrawFn) -> Record:
    invocations = draw(st.integers(0, 10**9))
    ended_at = MONTH + timedelta(milliseconds=100 * draw(st.integers(0, 31 * 86_400 * 10 - 1)))
    return {
        "timestamp": ended_at.isoformat(),
        "service_name": draw(st.sampled_from(["waiter", "hello"])),
        "revision": draw(st.sampled_from(["r1", "r2"])),
        "invocations": invocations,
        "duration_ns": invocations * draw(st.integers(0, 60_000 * 10**6)),
        "memory_mb": draw(st.integers(0, 10**7)) / 1000,
        "cold_start": invocations > 0,
        "egress_bytes": draw(st.integers(0, 10**14)),
        "cpu_seconds": draw(st.integers(0, 10**6)),
    }


events = st.lists(st.lists(a_record(), min_size=1, max_size=4), min_size=1, max_size=5)


class Product:
    def __init__(self, database: Database) -> None:
        self.database = database
        directory, store = PostgresTenants(database), PostgresPlans(database)
        self._tenants = Tenants(directory, self.clock, new_id)
        self._plans = Plans(plans=store, tenants=directory, clock=self.clock)
        install_catalogue(store)
        series = PostgresSeries(database, new_id)
        self.windows = PostgresWindows(database, new_id)
        self.fold = Fold(self.windows, self.clock)
        self._rebuild = Rebuild(self.windows, self.fold, series, decode)
        self._ingest = IngestUsage(
            decode=decode, tenants=directory, series=series, log=PostgresUsageLog(database), clock=self.clock
        )
        self._billing = CalculateBill(
            tenants=directory,
            plans=store,
            usage=PostgresUsageReader(database),
            fold=self.fold.run_for,
            clock=self.clock,
        )
        self._numbers = count()

    @staticmethod
    def clock() -> datetime:
        return ARRIVAL

    def tenant(self, timezone: str = "UTC") -> Tenant:
        tenant = self._tenants.create(name=f"t{next(self._numbers)}", currency="RUB", timezone=timezone)
        self._plans.assign(tenant.slug, "faas-billing-rub")
        return tenant

    def send(self, tenant: Tenant, id: str, event: Sequence[Record]) -> None:
        data = json.dumps({"records": event}).encode()
        self._ingest.accept_event(source="/t", id=id, tenant_ref=tenant.slug, time=None, data=data)

    def bill(self, tenant: Tenant, start: datetime = MONTH, end: datetime = NEXT_MONTH) -> Bill:
        return self._billing.calculate(tenant.slug, start, end)

    def rebuild(self, tenant: Tenant) -> None:
        self._rebuild.run(tenant.id, MONTH, NEXT_MONTH)

    def stored(self, tenant: Tenant) -> list[tuple[Any, ...]]:
        """Every column of every window, under names instead of ids, which differ between tenants, sketches
        by what they say."""
        with self.database.statement() as connection:
            cursor = connection.execute(
                "SELECT s.name, r.name, a.* FROM usage_aggregate a"
                " JOIN service s ON s.tenant_id = a.tenant_id AND s.id = a.service_id"
                " JOIN revision r ON r.tenant_id = a.tenant_id AND r.id = a.revision_id"
                " WHERE a.tenant_id = %s ORDER BY window_size, window_start, 1, 2",
                (tenant.id,),
            )
            assert cursor.description is not None
            kept = [n for n, column in enumerate(cursor.description) if column.type_code != _UUID]
            return [
                tuple(sketch.decode(row[n]) if isinstance(row[n], bytes) else row[n] for n in kept)
                for row in cursor
            ]


_UUID = 2950


@pytest.fixture(scope="module")
def product(module_database_url: str) -> Iterator[Product]:
    database = Database(module_database_url)
    yield Product(database)
    database.close()


def amounts(bill: Bill) -> tuple[list[Decimal], Decimal]:
    return [line.amount for line in bill.lines], bill.total


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(sent=events, seed=st.integers(0, 2**32))
def test_order_batching_duplication_and_folds_between_change_nothing(
    product: Product, sent: list[Event], seed: int
) -> None:
    straight, shuffled = product.tenant(), product.tenant()
    for n, event in enumerate(sent):
        product.send(straight, str(n), event)
    expected = product.bill(straight)

    rng = Random(seed)
    one_by_one = [(f"{n}.{m}", [record]) for n, event in enumerate(sent) for m, record in enumerate(event)]
    deliveries = one_by_one + rng.sample(one_by_one, len(one_by_one) // 2)
    rng.shuffle(deliveries)
    for id, event in deliveries:
        product.send(shuffled, id, event)
        if rng.random() < 0.3:
            product.fold.run()

    assert amounts(product.bill(shuffled)) == amounts(expected)
    assert product.stored(shuffled) == product.stored(straight)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(sent=events)
def test_a_rebuild_from_payloads_equals_what_is_stored(product: Product, sent: list[Event]) -> None:
    tenant = product.tenant()
    for n, event in enumerate(sent):
        product.send(tenant, str(n), event)
    product.fold.run_for(tenant.id)
    folded = product.stored(tenant)

    product.rebuild(tenant)
    assert product.stored(tenant) == folded

    with product.database.statement() as connection:
        connection.execute("DELETE FROM usage_aggregate WHERE tenant_id = %s", (tenant.id,))
    product.rebuild(tenant)
    assert product.stored(tenant) == folded


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    sent=events,
    cuts=st.lists(st.integers(1, 31 * 288 - 1), max_size=5),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"]),
)
def test_any_split_of_a_month_sums_to_the_month(
    product: Product, sent: list[Event], cuts: list[int], zone: str
) -> None:
    tenant = product.tenant(zone)
    for n, event in enumerate(sent):
        product.send(tenant, str(n), event)
    instants = [MONTH, *sorted({MONTH + cut * GRID for cut in cuts}), NEXT_MONTH]

    parts = [product.bill(tenant, a, b) for a, b in pairwise(instants)]

    assert sum(part.total for part in parts) == product.bill(tenant).total
