"""Changes of plans and subscriptions in PostgreSQL, and what they do to what has accrued."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import psycopg
import pytest

from shared.adapters.postgres.accruals import PostgresAccruals
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.unrated import PostgresUnrated
from shared.adapters.system import new_id
from shared.domain.errors import Conflict, NotFound
from shared.domain.plan import Plan, PlanVersion, Subscription
from shared.domain.plan_change import plan_created
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.per_unit import PerUnit
from shared.service.accrual import AccrueCost
from shared.service.plan_authoring import PlanAuthoring
from shared.service.plans import Plans
from shared.service.unrated import UnratedPosition, watch
from tests.shared.adapters.postgres.rating_rows import add_tenant, fold, record
from tests.shared.service.pipeline import WAITING_FOR_LOCKS, until

NOW = datetime(2025, 10, 20, 12, tzinfo=UTC)
TEN = datetime(2025, 10, 10, tzinfo=UTC)
CALLS = PerUnit("invocations", Decimal("0.20"))
BASIC = Plan(UUID(int=11), "basic", "RUB", (CALLS, MaximumSpend(Decimal(31))), NOW)
OTHER = replace(BASIC, id=UUID(int=12), name="other")


@pytest.fixture
def plans(database: Database) -> PostgresPlans:
    store = PostgresPlans(database)
    for plan in (BASIC, OTHER):
        store.add(plan)
    return store


def version(number: int, since: datetime = TEN, *, immediate: bool = True) -> PlanVersion:
    return PlanVersion(number, (PerUnit("mb_ms", Decimal("0.100")),), NOW, since, immediate)


def test_versions_are_read_back_as_they_were_added(plans: PostgresPlans, database: Database) -> None:
    tenant = add_tenant(database)
    changed = BASIC.with_version(version(2)).with_version(
        version(3, TEN + timedelta(days=1), immediate=False)
    )
    for number in (0, 1):
        with plans.editing(BASIC.id) as editor:
            assert len(editor.plan.versions) == number + 1
            editor.add_version(changed.changes[number])
    with plans.changing(tenant.id) as book:
        book.add(Subscription(None, BASIC))
    assert plans.get(BASIC.id) == plans.find("basic", tenant_id=None) == changed
    assert list(plans.list(tenant_id=None, limit=9, after=None)) == [changed, OTHER]
    assert list(plans.subscriptions(tenant.id)) == [Subscription(None, changed)]


def test_versions_added_at_once_have_numbers_of_their_own(plans: PostgresPlans, database: Database) -> None:
    authoring = PlanAuthoring(
        plans=plans, tenants=PostgresTenants(database), clock=lambda: NOW, new_id=new_id
    )
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda _: authoring.add_version(BASIC.id, {"price_per_cpu_ms": 1}, who="ann"), range(16)
            )
        )
    plan = plans.get(BASIC.id)
    assert plan is not None
    assert [version.number for version in plan.versions] == list(range(1, 18))
    assert len(plans.changes(BASIC.id, limit=100, before=None)) == 16


def test_a_plan_that_somebody_has_or_had_is_not_deleted(plans: PostgresPlans, database: Database) -> None:
    with plans.changing(add_tenant(database).id) as book:
        book.add(Subscription(None, BASIC))
        book.add(Subscription(TEN, OTHER))
    for plan in (BASIC, OTHER):
        with pytest.raises(Conflict, match="deactivate it"), plans.editing(plan.id) as editor:
            editor.delete()
    assert plans.get(BASIC.id) == BASIC


def test_a_plan_is_deleted_with_its_versions(plans: PostgresPlans) -> None:
    with plans.editing(BASIC.id) as editor:
        editor.add_version(version(2))
    with plans.editing(BASIC.id) as editor:
        editor.delete()
    assert plans.get(BASIC.id) is None
    with pytest.raises(NotFound), plans.editing(BASIC.id):
        pass


def test_a_plan_that_has_just_been_deleted_is_given_to_nobody(
    plans: PostgresPlans, database: Database
) -> None:
    tenant = add_tenant(database)
    with plans.editing(BASIC.id) as editor:
        editor.delete()
    with pytest.raises(NotFound, match="no plan 'basic'"), plans.changing(tenant.id) as book:
        book.add(Subscription(None, BASIC))


def test_a_name_that_is_taken_is_refused_and_nothing_changes(plans: PostgresPlans) -> None:
    with pytest.raises(Conflict, match="there is a plan 'other' already"), plans.editing(BASIC.id) as editor:
        editor.save(replace(BASIC, name="other", active=False))
    assert plans.get(BASIC.id) == BASIC
    with plans.editing(BASIC.id) as editor:
        editor.save(replace(BASIC, name="old", active=False))
    assert plans.find("old", tenant_id=None) == replace(BASIC, name="old", active=False)


def test_ends_are_kept_as_having_no_plan_from_then_on(plans: PostgresPlans, database: Database) -> None:
    tenant = add_tenant(database)
    with plans.changing(tenant.id) as book:
        book.add(Subscription(None, BASIC))
        book.end(TEN)
        book.add(Subscription(NOW, OTHER))
    assert list(plans.subscriptions(tenant.id)) == [Subscription(None, BASIC, TEN), Subscription(NOW, OTHER)]
    with plans.changing(tenant.id) as book:
        book.cancel_at(TEN)
        book.cancel_from(NOW)
    assert list(plans.subscriptions(tenant.id)) == [Subscription(None, BASIC)]
    with plans.changing(tenant.id) as book:
        book.cancel_from(None)
    assert list(plans.subscriptions(tenant.id)) == []


@pytest.mark.parametrize(
    "values", [(TEN + timedelta(minutes=1), BASIC.id), ("-infinity", None), ("infinity", BASIC.id)]
)
def test_the_database_keeps_subscriptions_on_the_grid(
    plans: PostgresPlans, database: Database, values: tuple[object, ...]
) -> None:
    tenant = add_tenant(database)
    with database.statement() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO subscription VALUES (%s, %s, %s)", (tenant.id, *values))


def test_two_subscriptions_never_start_at_once(plans: PostgresPlans, database: Database) -> None:
    tenant = add_tenant(database)
    with plans.changing(tenant.id) as book:
        book.add(Subscription(TEN, BASIC))
    with pytest.raises(psycopg.errors.UniqueViolation), plans.changing(tenant.id) as book:
        book.add(Subscription(TEN, OTHER))


def test_changes_are_kept_with_the_plan_and_never_changed(plans: PostgresPlans, database: Database) -> None:
    new = replace(BASIC, id=UUID(int=20), name="new")
    noted = plan_created(new, NOW, "ann")
    for _ in range(2):
        plans.add(new, noted)
    (kept,) = plans.changes(new.id, limit=10, before=None)
    assert replace(kept, id=None) == noted
    for statement in ("UPDATE plan_change SET who = 'x'", "DELETE FROM plan_change", "TRUNCATE plan_change"):
        with database.statement() as connection, pytest.raises(psycopg.errors.RaiseException):
            connection.execute(statement.encode())
    with pytest.raises(Conflict):
        plans.add(replace(new, id=UUID(int=21)), noted)
    assert list(plans.changes(new.id, limit=10, before=None)) == [kept]


class Office:
    """A tenant on the basic plan, its accrual, and changes of plan at NOW."""

    def __init__(self, database: Database, store: PostgresPlans) -> None:
        self.tenant = add_tenant(database)
        tenants = PostgresTenants(database)
        self.accruals = PostgresAccruals(database, new_id)
        self.accrual = AccrueCost(tenants=tenants, accruals=self.accruals, clock=lambda: NOW)
        self.plans = Plans(plans=store, tenants=tenants, clock=lambda: NOW)
        self.authoring = PlanAuthoring(plans=store, tenants=tenants, clock=lambda: NOW, new_id=new_id)
        self.plans.assign("demo", "basic")
        for day in ("2025-09-15", "2025-10-15"):
            fold(database, self.tenant.id, record(f"{day}T12:00", 1_000))
        self.accrual.accrue("demo")

    def amounts(self) -> list[Decimal]:
        return [cost.amount for cost in self.accrual.accrue("demo")]


def test_an_immediate_change_has_the_month_accrued_again_and_no_other(
    plans: PostgresPlans, database: Database
) -> None:
    office = Office(database, plans)
    assert office.amounts() == []
    halfway = datetime(2025, 10, 21, tzinfo=UTC)
    office.plans.assign("demo", "other", starts_at=halfway, immediately=True)
    assert office.accruals.behind() == [office.tenant.id]
    assert office.amounts() == [Decimal("20.00")]  # of the maximum of 31 there are 20 of 31 days left
    office.plans.cancel("demo", halfway)
    assert office.amounts() == [Decimal("31.00")]


def test_a_change_waits_for_the_first_accrual_of_a_tenant_and_has_it_done_again(
    plans: PostgresPlans, database: Database
) -> None:
    office = Office(database, plans)
    with database.statement() as connection:
        connection.execute("DELETE FROM accrual_cursor")
    halfway = datetime(2025, 10, 21, tzinfo=UTC)
    change = partial(office.plans.assign, "demo", "other", starts_at=halfway, immediately=True)
    with ThreadPoolExecutor(1) as threads:
        with office.accruals.locked(office.tenant.id) as accrual:
            changing = threads.submit(change)
            with database.statement() as connection:
                until(lambda: connection.execute(WAITING_FOR_LOCKS).fetchall() == [(1,)])
            accrual.move_cursor(2)  # all that there is, by the plan of before
        changing.result()
    assert office.amounts() == [Decimal("20.00")]


def test_an_immediate_version_has_the_month_of_its_holders_accrued_again(
    plans: PostgresPlans, database: Database
) -> None:
    office = Office(database, plans)
    at_once = {"price_per_invocation": 0, "effective_from": "2025-10-21T00:00:00Z", "applies": "immediately"}
    office.authoring.add_version(BASIC.id, at_once, who="ann")
    assert office.amounts() == [Decimal("20.00")]
    later = {"price_per_invocation": 1, "effective_from": "2025-11-01T00:00:00Z"}
    office.authoring.add_version(BASIC.id, later, who="ann")
    assert office.amounts() == []


def test_usage_without_a_plan_is_listed_and_counted_until_there_is_one(
    plans: PostgresPlans, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    unrated = PostgresUnrated(database)
    ended, never, late, quiet = (add_tenant(database, slug) for slug in ("ended", "never", "late", "quiet"))
    for tenant, rows in ((ended, [(None, BASIC), (NOW, OTHER)]), (late, [(TEN, BASIC)]), (quiet, [])):
        with plans.changing(tenant.id) as book:
            for starts_at, plan in rows:
                book.add(Subscription(starts_at, plan))
    with plans.changing(ended.id) as book:
        book.end(TEN)
    for tenant in (ended, never, late):
        fold(
            database,
            tenant.id,
            *(record(f"2025-10-{day}T12:03", int(day)) for day in ("05", "11", "12", "25")),
        )
    found = unrated.usage(None, limit=9)
    assert [(u.tenant, u.no_plan_from, u.no_plan_until, u.invocations) for u in found] == [
        ("ended", TEN, NOW, 23),
        ("never", None, None, 53),
        ("late", None, TEN, 5),
    ]
    first = found[0]
    assert (first.used_from.isoformat(), first.used_until.isoformat()) == (
        "2025-10-11T12:00:00+00:00",
        "2025-10-12T12:05:00+00:00",
    )
    assert list(unrated.usage(None, limit=1)) == [first]
    assert list(unrated.usage(None, limit=9, after=first.position)) == list(found[1:])
    assert list(unrated.usage(never.id, limit=9)) == [found[1]]
    assert list(unrated.usage(never.id, limit=9, after=UnratedPosition(late.id, NOW))) == []
    told: list[int] = []
    watch(unrated, told.append)
    with plans.changing(never.id) as book:
        book.add(Subscription(None, BASIC))
    watch(unrated, told.append)
    assert told == [3, 2]
    assert "2 tenants have usage that is unrated" in caplog.text
