from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.domain.errors import NotFound, Rejected
from shared.domain.plan import Plan
from shared.service.catalogue import catalogue
from shared.service.plans import Plans, TenantPlan
from tests.shared.service.rating_fakes import FakePlans, FakeTenants, tenant_in

BASIC = replace(catalogue()["faas-billing-rub"], id=UUID(int=11), name="basic")
OTHER = replace(BASIC, id=UUID(int=12), name="other")
THIRD = replace(BASIC, id=UUID(int=13), name="third")
OWN = replace(BASIC, id=UUID(int=14), name="own", tenant_id=UUID(int=1))
FOREIGN = replace(BASIC, id=UUID(int=15), name="foreign", tenant_id=UUID(int=2))
RETIRED = replace(BASIC, id=UUID(int=16), name="retired", active=False)
DOLLARS = replace(BASIC, id=UUID(int=17), name="dollars", currency="USD")
ALL = (BASIC, OTHER, THIRD, OWN, FOREIGN, RETIRED, DOLLARS)


class Office:
    """Plans for a tenant in Moscow, at a time that can be moved."""

    def __init__(self) -> None:
        self.now = datetime(2025, 10, 31, 20, 59, tzinfo=UTC)
        self.store = FakePlans(*ALL)
        tenants = FakeTenants(tenant_in("Europe/Moscow"), tenant_in(slug="second", number=2))
        self.plans = Plans(plans=self.store, tenants=tenants, clock=lambda: self.now)

    def assign(self, plan: Plan) -> TenantPlan:
        return self.plans.assign("demo", str(plan.id))

    def history(self) -> list[tuple[datetime | None, str]]:
        return [(s.starts_at, s.plan.name) for s in self.store.book.history()]


NOVEMBER = datetime(2025, 10, 31, 21, tzinfo=UTC)
DECEMBER = datetime(2025, 11, 30, 21, tzinfo=UTC)


def test_the_first_plan_applies_from_the_beginning() -> None:
    office = Office()
    given = office.assign(BASIC)
    assert office.history() == [(None, "basic")]
    assert given.current is not None
    assert (given.current.plan, given.upcoming) == (BASIC, None)


def test_a_later_plan_starts_with_the_next_month_of_the_tenants_zone() -> None:
    office = Office()
    office.assign(BASIC)
    given = office.assign(OTHER)
    assert office.history() == [(None, "basic"), (NOVEMBER, "other")]
    assert given.current is not None
    assert given.upcoming is not None
    assert (given.current.plan, given.upcoming.plan) == (BASIC, OTHER)


def test_on_the_first_instant_of_a_month_the_next_month_is_the_following_one() -> None:
    office = Office()
    office.assign(BASIC)
    office.now = NOVEMBER
    office.assign(OTHER)
    assert office.history() == [(None, "basic"), (DECEMBER, "other")]


def test_a_change_scheduled_before_is_replaced() -> None:
    office = Office()
    for plan in (BASIC, OTHER, THIRD):
        office.assign(plan)
    assert office.history() == [(None, "basic"), (NOVEMBER, "third")]


def test_the_same_plan_again_changes_nothing() -> None:
    office = Office()
    for plan in (BASIC, BASIC):
        office.assign(plan)
    assert office.history() == [(None, "basic")]
    for plan in (OTHER, OTHER):
        office.assign(plan)
    assert office.history() == [(None, "basic"), (NOVEMBER, "other")]


def test_the_plan_in_force_again_takes_back_a_scheduled_change() -> None:
    office = Office()
    for plan in (BASIC, OTHER, BASIC):
        office.assign(plan)
    assert office.history() == [(None, "basic")]


def test_a_plan_that_has_started_stays_in_the_history() -> None:
    office = Office()
    office.assign(BASIC)
    office.assign(OTHER)
    office.now = NOVEMBER
    current = office.plans.of_tenant("demo").current
    assert current is not None
    assert current.plan == OTHER
    office.assign(BASIC)
    assert office.history() == [(None, "basic"), (NOVEMBER, "other"), (DECEMBER, "basic")]


def test_a_tenant_without_a_plan_has_none() -> None:
    found = Office().plans.of_tenant("demo")
    assert (found.current, found.upcoming) == (None, None)


@pytest.mark.parametrize(
    ("plan", "message"),
    [(RETIRED, "plan 'retired' is not active"), (DOLLARS, "plan 'dollars' is in USD, the tenant in RUB")],
)
def test_an_unfit_plan_is_refused(plan: Plan, message: str) -> None:
    office = Office()
    with pytest.raises(Rejected, match=message):
        office.assign(plan)
    assert office.history() == []


def test_another_tenants_plan_is_not_found() -> None:
    with pytest.raises(NotFound):
        Office().assign(FOREIGN)


@pytest.mark.parametrize("ref", ["nobody", str(UUID(int=99)), ""])
def test_unknown_tenants_and_plans_are_not_found(ref: str) -> None:
    plans = Office().plans
    for call in (
        lambda: plans.of_tenant(ref),
        lambda: plans.assign(ref, "basic"),
        lambda: plans.assign("demo", ref),
        lambda: plans.get(ref),
        lambda: plans.list(ref, limit=1),
    ):
        with pytest.raises(NotFound):
            call()


def test_plans_are_listed_shared_ones_and_the_tenants_own() -> None:
    plans = Office().plans
    shared = [BASIC, OTHER, THIRD, RETIRED, DOLLARS]
    assert list(plans.list(None, limit=100)) == shared
    assert list(plans.list("demo", limit=100)) == sorted([*shared, OWN], key=lambda plan: plan.id)
    assert list(plans.list("second", limit=2, after=THIRD.id)) == [FOREIGN, RETIRED]


def test_a_plan_is_found_by_id_or_name() -> None:
    plans = Office().plans
    assert plans.get(str(BASIC.id)) == plans.get("basic") == BASIC
    assert plans.get("own", "demo") == OWN
    with pytest.raises(NotFound):
        plans.get("own")
