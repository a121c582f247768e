from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.plan import Subscription
from shared.domain.rating.per_unit import PerUnit
from shared.service.catalogue import catalogue
from shared.service.plan_authoring import PlanAuthoring
from tests.shared.service.rating_fakes import FakePlans, FakeTenants, tenant_in

BASIC = replace(catalogue()["faas-billing-rub"], id=UUID(int=11), name="basic")
NOW = datetime(2025, 10, 31, 20, 59, tzinfo=UTC)
CALLS = {"kind": "per_unit", "meter": "invocations", "amount": "2"}
FLOOR = {"kind": "minimum_spend", "minimum": "5"}
CAP_BELOW_IT = {"kind": "maximum_spend", "maximum": "4"}
NOVEMBER = datetime(2025, 11, 1, tzinfo=UTC)


class Desk:
    def __init__(self) -> None:
        self.now = NOW
        self.store = FakePlans(BASIC)
        self.authoring = PlanAuthoring(
            plans=self.store,
            tenants=FakeTenants(tenant_in(), tenant_in(slug="second", number=2)),
            clock=lambda: self.now,
            new_id=lambda: UUID(int=100 + len(self.store.plans)),
        )

    def create(self, **fields: Any) -> Any:
        document = {"name": "new", "currency": "RUB", "prices": [CALLS], **fields}
        return self.authoring.create(document, who="ann")

    def version(self, **fields: Any) -> Any:
        return self.authoring.add_version(BASIC.id, {"prices": [CALLS], **fields}, who="ann")

    def noted(self) -> list[tuple[str, str]]:
        return [(one.who, one.what) for one in self.store.noted]


def refusal(*faults: str) -> Any:
    """Expects exactly these faults, by field."""
    return pytest.raises(Rejected, check=lambda error: [f.field for f in error.faults] == list(faults))


def test_a_plan_has_its_id_and_time_from_the_service() -> None:
    desk = Desk()
    plan = desk.create(price_per_cold_start="0.5")
    assert (plan.id, plan.created_at, plan.tenant_id, plan.active) == (UUID(int=101), NOW, None, True)
    assert plan.prices == (PerUnit("cold_starts", Decimal("0.5")), PerUnit("invocations", Decimal(2)))
    assert desk.authoring.get("new") == desk.authoring.get(str(plan.id)) == plan
    assert desk.noted() == [("ann", "plan.created")]


@pytest.mark.parametrize("ref", ["demo", str(UUID(int=1))])
def test_a_personal_plan_names_its_tenant_by_any_name(ref: str) -> None:
    desk = Desk()
    plan = desk.create(tenant_id=ref)
    assert plan.tenant_id == UUID(int=1)
    assert desk.authoring.get("new", "demo") == desk.authoring.get(str(plan.id)) == plan
    for tenant_ref in (None, "second"):
        with pytest.raises(NotFound):
            desk.authoring.get("new", tenant_ref)


def test_every_fault_of_a_new_plan_is_named_and_nothing_is_stored() -> None:
    desk = Desk()
    tiers = [{"up_to": "5", "amount": "-1"}, {"up_to": "3", "amount": "1"}]
    with refusal(
        "prices[0].tiers[0].amount",
        "prices[0].tiers[1].up_to",
        "prices[1].size",
        "surprise",
        "currency",
        "id",
        "created_at",
        "tenant_id",
    ):
        desk.create(
            currency="RUBLE",
            id=str(UUID(int=1)),
            created_at="2025-01-01T00:00:00Z",
            tenant_id="nobody",
            surprise=1,
            prices=[
                {"kind": "graduated", "meter": "invocations", "tiers": tiers},
                {"kind": "package", "meter": "invocations", "amount": "1", "size": "0"},
            ],
        )
    assert list(desk.store.plans) == [BASIC.id]
    assert desk.noted() == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": str(UUID(int=5))}, "name"),
        ({"name": None}, "name"),
        ({"tenant_id": 5}, "tenant_id"),
        ({"tenant_id": "demo", "currency": "USD"}, "currency"),
        ({"prices": []}, "prices"),
        ({"prices": [CALLS, FLOOR, CAP_BELOW_IT]}, "prices[2].maximum"),
    ],
)
def test_an_impossible_plan_is_refused(fields: dict[str, Any], field: str) -> None:
    with refusal(field):
        Desk().create(**fields)


def test_a_name_is_taken_once() -> None:
    desk = Desk()
    with pytest.raises(Conflict, match="there is a plan 'basic' already"):
        desk.create(name="basic")
    desk.create()
    with pytest.raises(Conflict):
        desk.authoring.change(BASIC.id, name="new", active=None, who="ann")
    assert desk.authoring.get(str(BASIC.id)).name == "basic"


def test_a_plan_is_renamed_and_deactivated_and_that_is_noted_once() -> None:
    desk = Desk()
    for _ in range(2):
        changed = desk.authoring.change(BASIC.id, name="old", active=False, who="ben")
    assert changed == replace(BASIC, name="old", active=False) == desk.authoring.get("old")
    (noted,) = desk.store.noted
    assert (noted.before, noted.after) == (
        {"name": "basic", "active": True},
        {"name": "old", "active": False},
    )
    for name in (str(UUID(int=5)), "a\nb"):
        with refusal("name"):
            desk.authoring.change(BASIC.id, name=name, active=None, who="ben")


def test_a_version_takes_effect_from_now_on_where_it_does_not_say_when() -> None:
    desk = Desk()
    plan = desk.version()
    (first, second) = plan.versions
    assert first.prices == BASIC.prices
    assert second.prices == (PerUnit("invocations", Decimal(2)),)
    assert (second.effective_from, second.immediate) == (datetime(2025, 10, 31, 21, tzinfo=UTC), False)
    assert desk.authoring.get("basic") == plan
    assert desk.noted() == [("ann", "version.added")]


def test_what_accrued_of_the_month_of_an_immediate_version_is_restated() -> None:
    desk = Desk()
    desk.version(effective_from="2025-11-20T03:00:00+03:00", applies="immediately")
    desk.version(effective_from="2025-12-01T00:00:00Z", applies="next_period", currency="RUB")
    assert [version.immediate for version in desk.authoring.get("basic").changes] == [True, False]
    effective = datetime(2025, 11, 20, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)
    assert desk.store.restated == [effective[0] - timedelta(days=32), effective[1]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"effective_from": "2025-10-31T20:55:00Z"}, "the earliest is 2025-10-31T21:00:00Z"),
        ({"effective_from": "2025-11-01T00:01:00Z"}, "the nearest is 2025-11-01T00:00:00Z"),
        ({"effective_from": "2025-11-01T00:00:00"}, "must be a time with an offset"),
        ({"effective_from": "9999-12-31T23:55:00-05:00"}, "between the years 2000 and 9000"),
        ({"effective_from": 5}, "effective_from: must be a time"),
        ({"applies": "now"}, "applies: must be one of next_period, immediately"),
        ({"currency": "USD"}, "currency: never changes: the plan is in RUB"),
        ({"prices": [CALLS | {"amount": 0.5}]}, r"prices\[0\].amount: must be a decimal"),
        ({"prices": []}, "prices: a plan has at least one price"),
        ({"number": 7}, "number: unknown field"),
    ],
)
def test_an_impossible_version_is_refused(fields: dict[str, Any], message: str) -> None:
    desk = Desk()
    with pytest.raises(Rejected, match=message) as refusal:
        desk.version(**fields)
    assert len(refusal.value.faults) == 1
    assert desk.authoring.get("basic") == BASIC
    assert desk.noted() == []


def test_a_version_does_not_come_before_the_last_one_but_may_take_its_place() -> None:
    desk = Desk()
    for _ in range(2):
        desk.version(effective_from="2025-12-01T00:00:00Z")
    with pytest.raises(Rejected, match="before 2025-12-01T00:00:00Z, that of version 3"):
        desk.version(effective_from="2025-11-01T00:00:00Z")


def test_a_plan_is_deleted_only_if_nobody_ever_had_it_and_its_history_stays() -> None:
    desk = Desk()
    desk.create()
    desk.store.book.add(Subscription(NOVEMBER, BASIC))
    with pytest.raises(Conflict):
        desk.authoring.delete(BASIC.id, who="ann")
    new = desk.authoring.get("new")
    desk.authoring.delete(new.id, who="ben")
    with pytest.raises(NotFound):
        desk.authoring.get(str(new.id))
    deleted, created = desk.authoring.history(str(new.id), limit=10)
    assert [(one.who, one.what) for one in (deleted, created)] == [
        ("ben", "plan.deleted"),
        ("ann", "plan.created"),
    ]
    assert deleted.before == created.after is not None
    assert list(desk.authoring.history(str(new.id), limit=10, before=deleted.id)) == [created]


@pytest.mark.parametrize("ref", ["nothing", str(UUID(int=99)), ""])
def test_an_unknown_plan_has_no_history(ref: str) -> None:
    desk = Desk()
    for call in (desk.authoring.get, lambda ref: desk.authoring.history(ref, limit=1)):
        with pytest.raises(NotFound):
            call(ref)
    assert list(desk.authoring.history("basic", limit=1)) == []
