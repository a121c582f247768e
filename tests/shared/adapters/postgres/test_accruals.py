import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event
from typing import Any

import pytest

from shared.adapters.postgres.accruals import PostgresAccruals
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id
from shared.domain.errors import Unavailable
from shared.domain.events import CostAccrued
from shared.domain.plan import Subscription
from shared.service.accrual import AccrueCost
from shared.service.catalogue import catalogue, install_catalogue
from tests.shared.adapters.postgres.rating_rows import add_tenant, fold, record

NOW = datetime(2025, 11, 2, tzinfo=UTC)
OCTOBER = datetime(2025, 10, 1, tzinfo=UTC)


class Product:
    """A tenant on FaaS Billing's plan, and its accrual."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tenant = add_tenant(database)
        plans = PostgresPlans(database)
        install_catalogue(plans)
        with plans.changing(self.tenant.id) as book:
            book.add(Subscription(None, catalogue()["faas-billing-rub"]))
        self.store = PostgresAccruals(database, new_id)
        self.service = AccrueCost(tenants=PostgresTenants(database), accruals=self.store, clock=lambda: NOW)
        self.accrue = self.service.accrue

    def use(self, at: str, invocations: int) -> None:
        fold(self.database, self.tenant.id, record(at, invocations))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode()).fetchall()

    def accrued(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT period_start, amount, usage_sequence FROM accrued_cost ORDER BY 1")

    def announced(self) -> list[tuple[str, str, int]]:
        with PostgresOutbox(self.database).take(100) as facts:
            return [
                (f"{fact.period_start:%Y-%m}", str(fact.amount), fact.sequence)
                for _, fact in facts
                if isinstance(fact, CostAccrued)
            ]

    def cursor(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT usage_sequence FROM accrual_cursor")


@pytest.fixture
def product(database: Database) -> Product:
    return Product(database)


def test_cost_accrues_with_its_lines_and_its_announcement(product: Product) -> None:
    product.use("2025-10-15T12:00", 12_000_000)
    (cost,) = product.accrue("demo")
    assert cost.amount == Decimal("190.08")
    ((period_end, currency, plan_id, lines, as_of),) = product.rows(
        "SELECT period_end, currency, plan_id, lines, as_of FROM accrued_cost"
    )
    assert (period_end, currency, as_of) == (datetime(2025, 11, 1, tzinfo=UTC), "RUB", NOW)
    assert plan_id == catalogue()["faas-billing-rub"].id
    assert [(line["meter"], line["quantity_after"], line["amount"]) for line in lines] == [
        ("invocations", "12000000", "190.08"),
        ("gb_hours", "0", "0.00"),
        ("egress_gib", "0", "0.00"),
    ]
    assert product.accrued() == [(OCTOBER, Decimal("190.08"), 1)]
    assert product.announced() == [("2025-10", "190.08", 1)]
    assert product.cursor() == [(1,)]


def test_accruing_again_changes_nothing(product: Product) -> None:
    product.use("2025-10-15T12:00", 12_000_000)
    product.accrue("demo")
    assert product.accrue("demo") == []
    assert product.announced() == [("2025-10", "190.08", 1)]


def test_a_state_takes_the_place_of_the_one_before(product: Product) -> None:
    product.use("2025-10-15T12:00", 2_000_000)
    product.accrue("demo")
    product.use("2025-10-16T12:00", 1_000_000)
    product.use("2025-11-01T00:00", 1_500_000)
    product.accrue("demo")
    assert product.accrued() == [
        (OCTOBER, Decimal("34.56"), 2),
        (datetime(2025, 11, 1, tzinfo=UTC), Decimal("8.64"), 3),
    ]
    assert product.announced() == [("2025-10", "17.28", 1), ("2025-10", "34.56", 2), ("2025-11", "8.64", 3)]


def test_what_fails_midway_leaves_nothing(product: Product) -> None:
    product.use("2025-10-15T12:00", 2_000_000)

    def fail() -> None:
        with product.store.locked(product.tenant.id) as accrual:
            accrual.move_cursor(1)
            raise RuntimeError("crashed")

    with pytest.raises(RuntimeError):
        fail()
    assert product.cursor() == []
    product.accrue("demo")
    assert product.announced() == [("2025-10", "17.28", 1)]


def test_many_notices_at_once_accrue_once(product: Product) -> None:
    product.use("2025-10-15T12:00", 2_000_000)
    with ThreadPoolExecutor(8) as threads:
        recomputed = list(threads.map(lambda _: product.accrue("demo"), range(24)))
    assert sum(map(len, recomputed)) == 1
    assert product.announced() == [("2025-10", "17.28", 1)]
    assert product.cursor() == [(1,)]


def test_an_accrual_that_waited_sees_what_came_meanwhile(product: Product) -> None:
    product.use("2025-10-15T12:00", 2_000_000)
    product.accrue("demo")
    product.use("2025-10-16T12:00", 1_000_000)
    waiting = Event()

    def late() -> int:
        waiting.set()
        return len(product.accrue("demo"))

    with ThreadPoolExecutor(1) as threads:
        with product.store.locked(product.tenant.id) as accrual:
            assert [sequence for _, sequence in accrual.changed_days()] == [2]
            second = threads.submit(late)
            assert waiting.wait(10)
            _wait_for_a_lock(product)
            accrual.move_cursor(2)
            product.use("2025-10-17T12:00", 1_000_000)
        assert second.result(30) == 1
    assert product.accrued() == [(OCTOBER, Decimal("51.84"), 3)]
    assert product.cursor() == [(3,)]


def test_behind_are_the_tenants_whose_usage_is_ahead_and_has_a_plan(product: Product) -> None:
    unrated, quiet = (add_tenant(product.database, slug) for slug in ("unrated", "quiet"))
    assert product.store.behind() == []
    product.use("2025-10-15T12:00", 2_000_000)
    fold(product.database, unrated.id, record("2025-10-15T12:00"))
    assert product.store.behind() == [product.tenant.id]
    product.accrue("demo")
    assert product.store.behind() == []
    product.use("2025-10-15T12:00", 1_000_000)
    assert product.store.behind() == [product.tenant.id]
    with PostgresPlans(product.database).changing(unrated.id) as book:
        book.add(Subscription(None, catalogue()["faas-billing-rub"]))
    assert set(product.store.behind()) == {product.tenant.id, unrated.id}
    assert quiet.id not in product.store.behind()


def test_who_is_behind_is_asked_without_a_look_at_any_window(product: Product) -> None:
    with ThreadPoolExecutor(1) as threads, product.database.transaction() as connection:
        connection.execute("LOCK TABLE usage_aggregate, usage_change, accrued_cost IN ACCESS EXCLUSIVE MODE")
        assert threads.submit(product.store.behind).result(10) == []


def test_a_sweep_accrues_in_a_transaction_for_each_tenant(product: Product) -> None:
    other = add_tenant(product.database, "other")
    with PostgresPlans(product.database).changing(other.id) as book:
        book.add(Subscription(None, catalogue()["faas-billing-rub"]))
    for tenant in (product.tenant, other):
        fold(product.database, tenant.id, record("2025-10-15T12:00", 2_000_000))
    with product.database.statement() as connection:
        # Of the tenant that comes first, no cost can be stored.
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.tenant_id = '{product.tenant.id}' THEN RAISE 'refused'; END IF; RETURN NEW; END $$;"
            " CREATE TRIGGER refuse BEFORE INSERT ON accrued_cost"
            " FOR EACH ROW EXECUTE FUNCTION refuse()".encode()
        )
    assert product.tenant.id < other.id
    assert product.service.accrue_behind() == 2
    assert product.rows("SELECT tenant_id FROM accrued_cost") == [(other.id,)]
    assert product.store.behind() == [product.tenant.id]


def test_a_cursor_that_somebody_holds_costs_a_sweep_seconds_not_the_other_tenants(product: Product) -> None:
    other = add_tenant(product.database, "other")
    with PostgresPlans(product.database).changing(other.id) as book:
        book.add(Subscription(None, catalogue()["faas-billing-rub"]))
    for tenant in (product.tenant, other):
        fold(product.database, tenant.id, record("2025-10-15T12:00", 2_000_000))
    product.accrue("demo")
    product.use("2025-10-16T12:00", 1)
    with ThreadPoolExecutor(1) as threads, product.database.transaction() as holder:
        holder.execute("SELECT FROM accrual_cursor WHERE tenant_id = %s FOR UPDATE", (product.tenant.id,))
        sweep = threads.submit(product.service.accrue_behind)
        with pytest.raises(Unavailable, match="1 of 2 tenants"):
            sweep.result(30)
    assert product.store.behind() == [product.tenant.id]
    assert product.service.accrue_behind() == 1


def _wait_for_a_lock(product: Product) -> None:
    """Until somebody waits for the cursor."""
    limit = time.monotonic() + 20
    while not product.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert time.monotonic() < limit, "nobody waits"
