from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest

from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.domain.errors import Conflict
from shared.domain.plan import Plan, Subscription
from shared.domain.rating.per_unit import PerUnit
from shared.service.catalogue import catalogue, install_catalogue
from shared.service.plans import Plans
from tests.shared.adapters.postgres.rating_rows import add_tenant

AT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BASIC = Plan(
    UUID(int=11),
    "basic",
    "RUB",
    (
        PerUnit("invocations", Decimal("0.00000020"), included=Decimal(1_000_000)),
        PerUnit("mb_ms", Decimal("0.000000000000000001"), included=Decimal(10) ** 19),
        PerUnit("cpu_ms", Decimal("99999999999999999999")),
        PerUnit("gb_hours", Decimal("5.90760"), included=Decimal("0.5")),
    ),
    AT,
)
OTHER = replace(BASIC, id=UUID(int=12), name="other")
THIRD = replace(BASIC, id=UUID(int=13), name="third")


@pytest.fixture
def plans(database: Database) -> PostgresPlans:
    return PostgresPlans(database)


def test_a_plan_is_read_back_as_it_was_added(plans: PostgresPlans) -> None:
    plans.add(BASIC)
    assert plans.find("basic", tenant_id=None) == BASIC
    assert plans.find(str(BASIC.id), tenant_id=None) == BASIC


def test_the_short_form_fills_the_flat_columns(plans: PostgresPlans, database_url: str) -> None:
    plans.add(BASIC)
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT price_per_invocation, free_tier_invocations, price_per_mb_ms, free_tier_mb_ms,"
            " price_per_cold_start, price_per_cpu_ms, prices FROM pricing_plan"
        ).fetchone()
    assert row == (
        Decimal("0.0000002"),
        1_000_000,
        Decimal("0.000000000000000001"),
        10**19,
        None,
        Decimal("99999999999999999999"),
        [{"kind": "per_unit", "meter": "gb_hours", "amount": "5.90760", "per": "1", "included": "0.5"}],
    )


def test_a_plan_written_in_the_flat_columns_alone_is_a_plan(plans: PostgresPlans, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO pricing_plan (id, name, currency, price_per_mb_ms, created_at)"
            " VALUES (%s, 'flat', 'RUB', 0.0000000016, %s)",
            (BASIC.id, AT),
        )
    plan = plans.find("flat", tenant_id=None)
    assert plan == Plan(BASIC.id, "flat", "RUB", (PerUnit("mb_ms", Decimal("0.0000000016")),), AT)


def test_adding_a_plan_again_changes_nothing(plans: PostgresPlans) -> None:
    plans.add(BASIC)
    plans.add(replace(BASIC, name="renamed", active=False))
    assert list(plans.list(tenant_id=None, limit=10, after=None)) == [BASIC]


def test_a_name_is_taken_once_among_shared_plans_and_once_per_tenant(
    plans: PostgresPlans, database: Database
) -> None:
    one, two = add_tenant(database, "one"), add_tenant(database, "two")
    plans.add(BASIC)
    for number, tenant in enumerate((one, two), start=20):
        plans.add(replace(BASIC, id=UUID(int=number), tenant_id=tenant.id))
    for tenant_id in (None, one.id):
        with pytest.raises(Conflict, match="there is a plan 'basic' already"):
            plans.add(replace(BASIC, id=UUID(int=30), tenant_id=tenant_id))
    found = [plans.find("basic", tenant_id=tenant_id) for tenant_id in (None, one.id, two.id)]
    assert [plan and plan.id for plan in found] == [BASIC.id, UUID(int=20), UUID(int=21)]
    assert plans.find(str(UUID(int=21)), tenant_id=one.id) is None
    assert plans.find(str(BASIC.id), tenant_id=one.id) == BASIC


@pytest.mark.parametrize("ref", ["", "nothing", str(UUID(int=99)), "a\0b", "x" * 10_000, "\ud800"])
def test_what_is_no_plan_is_not_found(plans: PostgresPlans, ref: str) -> None:
    plans.add(BASIC)
    assert plans.find(ref, tenant_id=None) is None


def test_plans_are_listed_page_by_page(plans: PostgresPlans, database: Database) -> None:
    tenant = add_tenant(database)
    own = replace(BASIC, id=UUID(int=14), name="own", tenant_id=tenant.id)
    for plan in (OTHER, own, BASIC, THIRD):
        plans.add(plan)
    assert list(plans.list(tenant_id=None, limit=10, after=None)) == [BASIC, OTHER, THIRD]
    assert list(plans.list(tenant_id=tenant.id, limit=2, after=None)) == [BASIC, OTHER]
    assert list(plans.list(tenant_id=tenant.id, limit=2, after=OTHER.id)) == [THIRD, own]


def test_subscriptions_are_kept_in_order_of_time(plans: PostgresPlans, database: Database) -> None:
    tenant, bystander = add_tenant(database), add_tenant(database, "bystander")
    for plan in (BASIC, OTHER, THIRD):
        plans.add(plan)
    assert list(plans.subscriptions(tenant.id)) == []
    with plans.changing(tenant.id) as book:
        book.add(Subscription(NOON, OTHER))
        book.add(Subscription(None, BASIC))
        assert list(book.history()) == [Subscription(None, BASIC), Subscription(NOON, OTHER)]
    with plans.changing(tenant.id) as book:
        book.cancel_from(NOON + timedelta(minutes=5))
        book.add(Subscription(NOON + timedelta(days=1), THIRD))
        book.cancel_from(NOON + timedelta(minutes=5))
    assert list(plans.subscriptions(tenant.id)) == [Subscription(None, BASIC), Subscription(NOON, OTHER)]
    assert list(plans.subscriptions(bystander.id)) == []


def test_a_change_that_fails_leaves_nothing(plans: PostgresPlans, database: Database) -> None:
    tenant = add_tenant(database)
    plans.add(BASIC)

    def give_up() -> None:
        with plans.changing(tenant.id) as book:
            book.add(Subscription(None, BASIC))
            raise RuntimeError("given up")

    with pytest.raises(RuntimeError):
        give_up()
    assert list(plans.subscriptions(tenant.id)) == []


def test_plans_assigned_at_once_are_assigned_one_after_the_other(
    plans: PostgresPlans, database: Database
) -> None:
    tenant = add_tenant(database, zone="Asia/Kathmandu")
    choices = [BASIC, OTHER, THIRD] * 4
    for plan in choices[:3]:
        plans.add(plan)
    service = Plans(plans=plans, tenants=PostgresTenants(database), clock=lambda: AT)
    with ThreadPoolExecutor(len(choices)) as threads:
        list(threads.map(lambda plan: service.assign("demo", plan.name), choices))
    first, *later = plans.subscriptions(tenant.id)
    assert first.starts_at is None
    assert [s.starts_at for s in later] in ([], [datetime(2026, 1, 31, 18, 15, tzinfo=UTC)])
    assert first.plan.id not in [s.plan.id for s in later]


def test_the_catalogue_is_installed_once(plans: PostgresPlans) -> None:
    install_catalogue(plans)
    install_catalogue(plans)
    stored = {plan.name: plan for plan in plans.list(tenant_id=None, limit=100, after=None)}
    assert stored == catalogue()
