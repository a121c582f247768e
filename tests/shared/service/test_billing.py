from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.cost import Bill
from shared.domain.errors import NotFound, Rejected
from shared.domain.facts import WindowFacts
from shared.domain.money import round_to_currency
from shared.domain.period import month_of
from shared.domain.plan import Plan, PlanVersion, Subscription
from shared.domain.rating.per_unit import PerUnit
from shared.domain.usage import UsageRecord
from shared.service.billing import CalculateBill
from shared.service.catalogue import catalogue
from tests.shared.service.rating_fakes import FakePlans, FakeTenants, FakeUsage, tenant_in

NOW = datetime(2025, 11, 2, tzinfo=UTC)
FAAS_BILLING = catalogue()["faas-billing-rub"]
ZONES = [
    "UTC",
    "Europe/Moscow",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Asuncion",
    "Asia/Beirut",
]


class System:
    """A tenant on a plan, and its bills."""

    def __init__(self, zone: str = "UTC", plan: Plan = FAAS_BILLING) -> None:
        self.tenant = tenant_in(zone, plan.currency)
        self.usage = FakeUsage()
        self.plans = FakePlans(plan, history=[Subscription(None, plan)])
        self._calculate = CalculateBill(
            tenants=FakeTenants(self.tenant),
            plans=self.plans,
            usage=self.usage,
            fold=self.usage.fold,
            clock=lambda: NOW,
        ).calculate

    def use(self, at: str | datetime, invocations: int = 1, **fields: int) -> None:
        instant = utc(at) if isinstance(at, str) else at
        facts = WindowFacts()
        facts.add_record(UsageRecord("waiter", instant, invocations=invocations, **fields))  # type: ignore[arg-type]
        self.usage.record(instant, facts)

    def bill(self, start: str | datetime, end: str | datetime, ref: str = "demo") -> Bill:
        bounds = [utc(bound) if isinstance(bound, str) else bound for bound in (start, end)]
        return self._calculate(ref, *bounds)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def totals(bills: Sequence[Bill]) -> Decimal:
    return sum((bill.total for bill in bills), Decimal(0))


def test_the_published_bill_of_a_day_counts_usage_just_sent() -> None:
    system = System()
    system.use("2025-10-15T12:00", 12_000_000)
    bill = system.bill("2025-10-15T00:00:00", "2025-10-15T23:59:59")
    assert bill.total == Decimal("190.08")
    assert bill.period == (utc("2025-10-15"), utc("2025-10-16"))
    assert bill.currency == "RUB"
    assert bill.as_of == NOW
    assert system.usage.snapshots == 1


def test_thirty_daily_bills_sum_to_the_monthly_one() -> None:
    system = System()
    days = [utc("2025-09-01") + timedelta(days=day) for day in range(31)]
    for day in days[:-1]:
        system.use(day + timedelta(hours=9), 1_000_000)
    assert system.bill(days[0], days[-1]).total == Decimal("501.12")
    daily = [system.bill(start, end) for start, end in pairwise(days)]
    assert totals(daily) == Decimal("501.12")
    # The first million of the month is the free one, whichever day is asked for.
    assert [bill.total for bill in daily[:3]] == [Decimal("0.00"), Decimal("17.28"), Decimal("17.28")]


def test_a_bill_has_lines_for_each_month_of_the_tenants_zone() -> None:
    system = System("Europe/Moscow")
    system.use("2026-03-31T20:59:59.999", 2_000_000)
    system.use("2026-03-31T21:00", 3_000_000)
    bill = system.bill("2026-03-15", "2026-04-15")
    invocations = [line for line in bill.lines if line.meter == "invocations"]
    assert [(line.start, line.end) for line in invocations] == [
        (utc("2026-03-15"), utc("2026-03-31T21:00")),
        (utc("2026-03-31T21:00"), utc("2026-04-15")),
    ]
    assert [line.counting.start for line in invocations] == [utc("2026-02-28T21:00"), utc("2026-03-31T21:00")]
    assert [line.amount for line in invocations] == [Decimal("17.28"), Decimal("34.56")]
    assert bill.total == Decimal("51.84")


def test_a_line_states_what_came_before_it_in_the_month() -> None:
    system = System()
    system.use("2025-10-01", 900_000)
    system.use("2025-10-15", 200_000)
    (line, *_) = system.bill("2025-10-15", "2025-10-16").lines
    assert line.quantity_before == 900_000
    assert line.quantity_after == 1_100_000
    assert line.billable_quantity == 100_000
    assert line.amount == Decimal("1.73")


def test_usage_without_a_plan_is_unrated_never_zero() -> None:
    system = System()
    system.plans = FakePlans()
    bill = CalculateBill(
        tenants=FakeTenants(system.tenant),
        plans=FakePlans(),
        usage=system.usage,
        fold=system.usage.fold,
        clock=lambda: NOW,
    )
    with pytest.raises(Rejected, match="unrated: no pricing plan is in force on 2025-10-01"):
        bill.calculate("demo", utc("2025-10-01"), utc("2025-11-01"))


def test_each_month_is_rated_by_the_plan_held_when_it_began() -> None:
    free = Plan(UUID(int=9), "free", "RUB", (PerUnit("invocations", Decimal(0)),), NOW)
    system = System()
    system.plans.book.add(Subscription(utc("2025-10-01"), free))
    for month in ("2025-09-15", "2025-10-15"):
        system.use(month, 2_000_000)
    bill = system.bill("2025-09-01", "2025-11-01")
    charged = [(line.plan_name, str(line.amount)) for line in bill.lines if line.meter == "invocations"]
    assert charged == [("faas-billing-rub", "17.28"), ("free", "0.00")]


def test_a_change_within_a_month_is_a_line_for_each_plan_and_version() -> None:
    dear = Plan(UUID(int=9), "dear", "RUB", (PerUnit("invocations", Decimal(1)),), NOW)
    dearer = PlanVersion(2, (PerUnit("invocations", Decimal(2)),), NOW, utc("2025-10-25"), immediate=True)
    system = System()
    system.plans.book.add(Subscription(utc("2025-10-20"), dear.with_version(dearer)))
    for day, calls in ((10, 2_000_000), (21, 3), (26, 5)):
        system.use(f"2025-10-{day}", calls)
    lines = [line for line in system.bill("2025-10-01", "2025-11-01").lines if line.meter == "invocations"]
    assert [(line.plan_name, line.plan_version, str(line.amount)) for line in lines] == [
        ("faas-billing-rub", 1, "17.28"),
        ("dear", 1, "3.00"),
        ("dear", 2, "10.00"),
    ]
    assert [line.start for line in lines] == [utc("2025-10-01"), utc("2025-10-20"), utc("2025-10-25")]
    (inner, *_) = system.bill("2025-10-21", "2025-10-22").lines
    assert (inner.plan_name, int(inner.quantity_before), str(inner.amount)) == ("dear", 2_000_000, "3.00")


def test_a_month_with_time_without_a_plan_is_billed_unless_that_time_was_used() -> None:
    system = System()
    system.plans.book.end(utc("2025-10-20"))
    system.use("2025-10-10", 2_000_000)
    bill = system.bill("2025-10-01", "2025-11-01")
    assert bill.total == Decimal("17.28")
    assert {line.end for line in bill.lines} == {utc("2025-10-20")}
    system.use("2025-10-25", 1)
    with pytest.raises(Rejected, match="unrated: no pricing plan is in force on 2025-10-20") as refusal:
        system.bill("2025-10-01", "2025-11-01")
    assert "2025-10-20T00:00Z to 2025-11-01T00:00Z" in str(refusal.value)
    assert system.bill("2025-10-01", "2025-10-20").total == Decimal("17.28")


def test_an_unknown_tenant_is_not_found() -> None:
    with pytest.raises(NotFound):
        System().bill("2025-10-01", "2025-11-01", ref="nobody")


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2025-10-01T00:01", "2025-11-01", "the nearest is 2025-10-01T00:00:00Z"),
        ("2025-10-01", "2025-10-31T23:58", "the nearest is 2025-11-01T00:00:00Z"),
        ("2025-10-01", "2025-10-01", "must be after period_start"),
        ("2025-10-02", "2025-10-01", "must be after period_start"),
        ("2000-01-01", "2025-10-01", "days after period_start"),
        ("0001-01-01", "0001-01-02", "between the years 2000 and 9000"),
        ("9999-12-30", "9999-12-31", "between the years 2000 and 9000"),
    ],
)
def test_an_impossible_period_is_refused(start: str, end: str, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        System("America/New_York").bill(start, end)


_prices = st.builds(
    PerUnit,
    meter=st.sampled_from(["invocations", "gb_hours", "gb_seconds_100ms", "egress_gib"]),
    amount=st.decimals(0, 100, places=7),
    per=st.sampled_from([Decimal(1), Decimal(1_000)]),
    included=st.sampled_from([Decimal(0), Decimal(1), Decimal(1_000)]),
)
_plans = st.builds(
    Plan,
    id=st.just(UUID(int=1)),
    name=st.just("any"),
    currency=st.sampled_from(["JPY", "USD", "KWD", "CLF"]),
    prices=st.lists(_prices, min_size=1, max_size=3).map(tuple),
    created_at=st.just(NOW),
)
_uses = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.fixed_dictionaries(
        {
            "invocations": st.integers(0, 5_000),
            "duration_ns": st.integers(0, 10**13),
            "memory_bytes": st.integers(0, 2**33),
            "egress_bytes": st.integers(0, 2**40),
        }
    ),
)


@settings(max_examples=60)
@given(
    plan=_plans,
    zone=st.sampled_from(ZONES),
    day=st.integers(0, 364),
    uses=st.lists(_uses, max_size=6),
    cuts=st.sets(st.floats(0, 1, exclude_min=True, exclude_max=True), max_size=6),
)
def test_any_split_of_a_month_sums_to_the_month_to_the_cent(
    plan: Plan, zone: str, day: int, uses: list[tuple[float, dict[str, int]]], cuts: set[float]
) -> None:
    system = System(zone, plan)
    month = month_of(utc("2017-01-01") + timedelta(days=day), ZoneInfo(zone))
    windows = (month.end - month.start) // timedelta(minutes=5)
    for share, fields in uses:
        system.use(month.start + int(share * windows) * timedelta(minutes=5), **fields)
    inner = {month.start + int(cut * windows) * timedelta(minutes=5) for cut in cuts}
    bounds = sorted({*inner, *month})
    whole = system.bill(*month)
    parts = [system.bill(start, end) for start, end in pairwise(bounds)]
    assert totals(parts) == whole.total
    assert sum(part.exact_total for part in parts) == whole.exact_total
    assert whole.total == sum(round_to_currency(line.exact_amount, plan.currency) for line in whole.lines)
