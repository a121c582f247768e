import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.domain.errors import NotFound, Unavailable
from shared.domain.facts import WindowFacts
from shared.domain.plan import Plan, Subscription
from shared.domain.rating.flat import Flat
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.per_unit import PerUnit
from shared.domain.tenant import Tenant
from shared.domain.usage import UsageRecord
from shared.service.accrual import AccrueCost, changed_months
from shared.service.catalogue import catalogue
from tests.shared.service.rating_fakes import FakeAccruals, FakePlans, FakeTenants, tenant_in

NOW = datetime(2025, 11, 2, 12, tzinfo=UTC)
FAAS_BILLING = catalogue()["faas-billing-rub"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class System:
    """A tenant whose cost accrues."""

    def __init__(self, zone: str = "UTC", *history: Subscription) -> None:
        self.store = FakeAccruals(FakePlans(history=history))
        self.service = AccrueCost(
            tenants=FakeTenants(tenant_in(zone)), accruals=self.store, clock=lambda: NOW
        )
        self.accrue = self.service.accrue

    def use(self, at: str, invocations: int) -> None:
        facts = WindowFacts()
        facts.add_record(UsageRecord("waiter", utc(at), invocations=invocations))
        self.store.use(utc(at), facts)

    def accrued(self) -> dict[str, str]:
        return {f"{start:%Y-%m-%dT%H:%M}": str(cost.amount) for start, cost in self.store.costs.items()}

    def announced(self) -> list[tuple[str, str, int]]:
        return [(f"{f.period_start:%Y-%m-%dT%H:%M}", str(f.amount), f.sequence) for f in self.store.facts]


BEGINNING = Subscription(None, FAAS_BILLING)


def test_the_cost_of_the_month_so_far_is_kept_and_announced() -> None:
    system = System("Europe/Moscow", BEGINNING)
    system.use("2025-10-15T12:00", 12_000_000)
    (cost,) = system.accrue("demo")
    assert cost.amount == Decimal("190.08")
    assert cost.period == (utc("2025-09-30T21:00"), utc("2025-10-31T21:00"))
    (fact,) = system.store.facts
    assert (fact.tenant_slug, fact.currency, fact.plan) == ("demo", "RUB", "faas-billing-rub")
    assert (fact.period_start, fact.period_end) == cost.period
    assert (fact.amount, fact.sequence, fact.as_of) == (Decimal("190.08"), 1, NOW)


def test_repeated_notices_change_nothing() -> None:
    system = System("UTC", BEGINNING)
    system.use("2025-10-15", 12_000_000)
    system.accrue("demo")
    kept = dict(system.store.costs)
    assert system.accrue("demo") == []
    assert system.store.costs == kept
    assert system.announced() == [("2025-10-01T00:00", "190.08", 1)]


def test_a_lost_notice_is_made_good_by_the_next() -> None:
    system = System("UTC", BEGINNING)
    for day in range(10, 20):
        system.use(f"2025-10-{day}", 1_000_000)
    system.accrue("demo")
    assert system.announced() == [("2025-10-01T00:00", "155.52", 10)]


def test_an_amount_that_did_not_change_is_not_announced_again() -> None:
    system = System("UTC", BEGINNING)
    system.use("2025-10-15", 10)
    system.accrue("demo")
    system.use("2025-10-16", 20)
    system.accrue("demo")
    assert system.announced() == [("2025-10-01T00:00", "0.00", 1)]
    (cost,) = system.store.costs.values()
    assert cost.usage_sequence == system.store.cursor == 2
    assert cost.lines[0].quantity_after == 30


def test_late_usage_changes_the_month_it_belongs_to() -> None:
    system = System("UTC", BEGINNING)
    system.use("2025-09-15", 2_000_000)
    system.use("2025-10-15", 3_000_000)
    system.accrue("demo")
    system.use("2025-09-30T23:59", 1_000_000)
    system.accrue("demo")
    assert system.accrued() == {"2025-09-01T00:00": "34.56", "2025-10-01T00:00": "34.56"}
    assert system.announced()[2:] == [("2025-09-01T00:00", "34.56", 3)]


def test_a_utc_day_can_touch_two_months_of_the_zone() -> None:
    days = [(date(2026, 3, 30), 4), (date(2026, 3, 31), 7), (date(2026, 4, 1), 5)]
    months = changed_months(days, ZoneInfo("Europe/Moscow"))
    assert [(m.period.start, m.first_sequence, m.last_sequence) for m in months] == [
        (utc("2026-02-28T21:00"), 4, 7),
        (utc("2026-03-31T21:00"), 5, 7),
    ]
    assert [m.period.start for m in changed_months(days, ZoneInfo("UTC"))] == [
        utc("2026-03-01"),
        utc("2026-04-01"),
    ]


def test_usage_without_a_plan_waits_for_one(caplog: pytest.LogCaptureFixture) -> None:
    system = System("UTC")
    system.use("2025-09-15", 2_000_000)
    system.use("2025-10-15", 2_000_000)
    with caplog.at_level(logging.WARNING):
        assert system.accrue("demo") == []
    assert "tenant demo has no pricing plan: usage of 2 months is unrated, from 2025-09-01" in caplog.text
    assert system.store.cursor == 0
    assert system.announced() == []
    system.store.plans.book.add(BEGINNING)
    system.accrue("demo")
    assert system.accrued() == {"2025-09-01T00:00": "17.28", "2025-10-01T00:00": "17.28"}
    assert system.store.cursor == 2


def test_the_cursor_waits_before_the_first_unrated_change() -> None:
    system = System("UTC", Subscription(utc("2025-10-01"), FAAS_BILLING))
    system.use("2025-10-14", 2_000_000)
    system.use("2025-09-15", 2_000_000)
    system.use("2025-10-15", 2_000_000)
    system.accrue("demo")
    assert system.accrued() == {"2025-10-01T00:00": "51.84"}
    assert system.store.cursor == 1
    system.accrue("demo")
    assert len(system.store.facts) == 1


def test_each_month_accrues_by_the_plan_held_when_it_began() -> None:
    dear = Plan(UUID(int=3), "dear", "RUB", (PerUnit("invocations", Decimal(1)),), NOW)
    system = System("UTC", BEGINNING, Subscription(utc("2025-11-01"), dear))
    system.use("2025-10-31T23:59", 5)
    system.use("2025-11-01", 7)
    costs = system.accrue("demo")
    assert [(cost.plan.name, str(cost.amount)) for cost in costs] == [
        ("faas-billing-rub", "0.00"),
        ("dear", "7.00"),
    ]


def test_a_month_in_which_the_plan_changes_accrues_by_each() -> None:
    dear = Plan(UUID(int=3), "dear", "RUB", (PerUnit("invocations", Decimal(1)),), NOW)
    system = System("UTC", BEGINNING, Subscription(utc("2025-10-20"), dear))
    system.use("2025-10-10", 2_000_000)
    system.use("2025-10-21", 3)
    (cost,) = system.accrue("demo")
    assert cost.amount == Decimal("20.28")
    assert cost.plan == dear
    assert {line.plan_name for line in cost.lines} == {"faas-billing-rub", "dear"}


def test_a_plan_that_is_yet_to_come_has_no_lines_until_there_is_usage_in_its_time() -> None:
    dear = Plan(UUID(int=3), "dear", "RUB", (PerUnit("invocations", Decimal(1)),), NOW)
    system = System("UTC", BEGINNING, Subscription(utc("2025-11-02T12:05"), dear))
    system.use("2025-11-01", 1)
    (cost,) = system.accrue("demo")
    assert {line.plan_name for line in cost.lines} == {"faas-billing-rub"}
    system.use("2025-11-02T12:05", 3)  # by a clock that is ahead
    (cost,) = system.accrue("demo")
    assert (cost.plan, cost.amount) == (dear, Decimal("3.00"))


def test_a_month_used_while_there_was_no_plan_accrues_as_far_as_it_is_rated_and_waits() -> None:
    system = System("UTC", replace(BEGINNING, ends_at=utc("2025-10-20")))
    system.use("2025-10-10", 2_000_000)
    system.use("2025-10-21", 3_000_000)
    system.accrue("demo")
    assert system.accrued() == {"2025-10-01T00:00": "17.28"}
    assert system.store.cursor == 0
    system.store.plans.book.cancel_at(utc("2025-10-20"))
    system.accrue("demo")
    assert system.accrued() == {"2025-10-01T00:00": "69.12"}
    assert system.store.cursor == 2


def test_time_without_a_plan_that_was_not_used_holds_up_nothing() -> None:
    system = System("UTC", Subscription(utc("2025-10-05"), FAAS_BILLING))
    system.use("2025-10-10", 2_000_000)
    system.accrue("demo")
    assert system.accrued() == {"2025-10-01T00:00": "17.28"}
    assert system.store.cursor == 1


def test_an_unknown_tenant_is_not_found() -> None:
    with pytest.raises(NotFound):
        System().accrue("nobody")


class Directory(FakeTenants):
    """Many tenants; to look some up fails."""

    def __init__(self, failing: dict[int, Exception]) -> None:
        super().__init__(*(tenant_in(slug=f"t{n}", number=n) for n in (1, 2, 3)))
        self.failing = {str(UUID(int=n)): error for n, error in failing.items()}
        self.asked: list[str] = []

    def find(self, ref: str) -> Tenant | None:
        self.asked.append(ref[-1])
        if ref in self.failing:
            raise self.failing[ref]
        return super().find(ref)


class Behind(FakeAccruals):
    """Three tenants whose usage is ahead."""

    def behind(self) -> Sequence[UUID]:
        return [UUID(int=n) for n in (1, 2, 3)]


def sweeping(directory: Directory) -> AccrueCost:
    return AccrueCost(tenants=directory, accruals=Behind(FakePlans()), clock=lambda: NOW)


def test_a_sweep_makes_a_lost_notice_good() -> None:
    system = System("UTC", BEGINNING)
    system.use("2025-10-15", 12_000_000)
    assert system.service.accrue_behind() == 1
    assert system.announced() == [("2025-10-01T00:00", "190.08", 1)]
    assert system.service.accrue_behind() == 0
    assert len(system.announced()) == 1


def test_a_sweep_passes_over_usage_without_a_plan_until_there_is_one() -> None:
    system = System("UTC")
    system.use("2025-10-15", 2_000_000)
    assert system.service.accrue_behind() == 0
    system.store.plans.book.add(BEGINNING)
    assert system.service.accrue_behind() == 1
    assert system.accrued() == {"2025-10-01T00:00": "17.28"}


def test_a_sweep_ends_though_a_tenant_stays_behind() -> None:
    system = System("UTC", Subscription(utc("2025-10-01"), FAAS_BILLING))
    system.use("2025-09-15", 2_000_000)
    assert [system.service.accrue_behind() for _ in range(3)] == [1, 1, 1]
    assert system.accrued() == {}


@pytest.mark.parametrize("failure", [ValueError("a bug"), NotFound.because("tenantid", "gone")])
def test_a_tenant_that_fails_is_logged_and_holds_up_no_other(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    directory = Directory({2: failure})
    assert sweeping(directory).accrue_behind() == 3
    assert directory.asked == ["1", "2", "3"]
    assert f"the cost of tenant {UUID(int=2)} cannot be accrued" in caplog.text


def test_a_tenant_that_cannot_be_accrued_now_is_told_of_and_holds_up_no_other() -> None:
    directory = Directory({2: Unavailable("PostgreSQL")})
    with pytest.raises(Unavailable, match="1 of 3 tenants; the first: PostgreSQL"):
        sweeping(directory).accrue_behind()
    assert directory.asked == ["1", "2", "3"]


def test_a_sweep_that_takes_long_asks_to_be_repeated_but_never_without_progress() -> None:
    directory = Directory({})
    with pytest.raises(Unavailable, match="2 of 3 tenants are still behind after 0 s"):
        sweeping(directory).accrue_behind(limit_s=0)
    assert directory.asked == ["1"]


def test_fees_accrue_by_time_and_a_minimum_is_trued_up_only_when_the_month_is_over() -> None:
    plan = replace(FAAS_BILLING, prices=(Flat(Decimal(300)), MinimumSpend(Decimal(1_000))))
    system = System("UTC", Subscription(None, plan))
    system.use("2025-10-15", 1)
    system.use("2025-11-01", 1)
    system.accrue("demo")
    assert system.accrued() == {
        "2025-10-01T00:00": "1000.00",
        "2025-11-01T00:00": "15.00",  # a day and a half of thirty, as it is noon of the second
    }
