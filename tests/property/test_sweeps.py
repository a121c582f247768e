"""A month of ticks lost, doubled and late, of notices lost and processes killed: the same costs and bills."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from eventing import types
from eventing.event import Event
from eventing.outbox import Relay
from eventing.usage import decode
from shared.adapters.postgres.accruals import PostgresAccruals
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.tenant import Tenant
from shared.service.accrual import AccrueCost
from shared.service.billing import CalculateBill
from shared.service.catalogue import install_catalogue
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.plans import Plans
from shared.service.sweep import Step, Sweep, fold_all
from shared.service.tenants import Tenants

MONTH, NEXT_MONTH = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)
TICKS = [MONTH + n * timedelta(days=3) for n in range(1, 11)]
MINUTES = 31 * 24 * 60
LATE_MINUTES_MAX = 20 * 24 * 60
PLAN = "faas-billing-rub"

Notice = str
"""What becomes of a `usage.aggregated`: kept, lost, or late."""


@dataclass(frozen=True)
class Usage:
    """An event that ends at a minute of the month and arrives `delay` minutes later, at a process that is
    killed before it folds or is not."""

    minute: int
    delay: int
    invocations: int
    duration_ms: int
    is_killed: bool

    @property
    def recorded_at(self) -> datetime:
        return MONTH + timedelta(minutes=self.minute)

    @property
    def arrives_at(self) -> datetime:
        return self.recorded_at + timedelta(minutes=self.delay)


@dataclass(frozen=True)
class Delivery:
    """How a tick reaches a function: so many minutes late, by a clock that is so many minutes wrong."""

    delay: int = 0
    skew: int = 0


@dataclass(frozen=True)
class Disorder:
    """For each function and tick its deliveries: none where it is lost, two where it is doubled.

    The plan is given after so many steps; by default before the first.
    """

    aggregator: Sequence[Sequence[Delivery]] = ((Delivery(),),) * len(TICKS)
    pricing: Sequence[Sequence[Delivery]] = ((Delivery(),),) * len(TICKS)
    notices: Sequence[Notice] = ("kept",)
    planned_after: int = 0


usages = st.lists(
    st.builds(
        Usage,
        minute=st.integers(0, MINUTES - 1),
        delay=st.just(0) | st.integers(0, LATE_MINUTES_MAX),
        invocations=st.integers(0, 10**8),
        duration_ms=st.integers(0, 60_000),
        is_killed=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
deliveries = st.lists(
    st.lists(
        st.builds(Delivery, delay=st.just(0) | st.integers(0, LATE_MINUTES_MAX), skew=st.integers(-90, 90)),
        max_size=2,
    ),
    min_size=len(TICKS),
    max_size=len(TICKS),
)
disorders = st.builds(
    Disorder,
    aggregator=deliveries,
    pricing=deliveries,
    notices=st.lists(st.sampled_from(["kept", "lost", "late"]), min_size=1, max_size=5),
    planned_after=st.integers(0, 12),
)


@dataclass
class Broker:
    """Takes what the outbox sends, and does with notices what `fates` says."""

    accrue: Callable[[str], object]
    fates: Iterator[Notice] = field(default_factory=lambda: cycle(["kept"]))
    late: list[str] = field(default_factory=list)

    def publish(self, event: Event) -> None:
        if event.type != types.USAGE_AGGREGATED:
            return
        fate, tenant = next(self.fates), event.extensions[types.TENANT_ID]
        if fate == "kept":
            self.accrue(tenant)
        elif fate == "late":
            self.late.append(tenant)

    def deliver_late(self) -> None:
        while self.late:
            self.accrue(self.late.pop())


class Product:
    """Aggregator and pricing over one database, by a clock of the test's own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = MONTH
        directory, store = PostgresTenants(database), PostgresPlans(database)
        self._tenants = Tenants(directory, self.clock, new_id)
        self._plans = Plans(plans=store, tenants=directory, clock=self.clock)
        install_catalogue(store)
        self._fold = Fold(PostgresWindows(database, new_id), self.clock)
        self._ingest = IngestUsage(
            decode=decode,
            tenants=directory,
            series=PostgresSeries(database, new_id),
            log=PostgresUsageLog(database),
            clock=self.clock,
        )
        self.accruals = PostgresAccruals(database, new_id)
        accrual = AccrueCost(tenants=directory, accruals=self.accruals, clock=self.clock)
        self.broker = Broker(accrual.accrue)
        relay = Relay(PostgresOutbox(database), self.broker)
        send = Step("send the outbox", relay.send_pending)
        self.aggregator = Sweep(Step("fold", lambda: fold_all(self._fold_at_once)), send)
        self.pricing = Sweep(Step("accrue", accrual.accrue_behind), send)
        self._flow = Sweep(Step("fold", self._fold.run), send)
        self._billing = CalculateBill(
            tenants=directory,
            plans=store,
            usage=PostgresUsageReader(database),
            fold=lambda _: None,
            clock=self.clock,
        )
        self._numbers = count()

    def clock(self) -> datetime:
        return self.now

    def _fold_at_once(self) -> float | None:
        return self._fold.run(announce_every=timedelta(0))

    def tenant(self, zone: str) -> Tenant:
        return self._tenants.create(name=f"t{next(self._numbers)}", currency="RUB", timezone=zone)

    def plan(self, tenant: Tenant) -> None:
        self._plans.assign(tenant.slug, PLAN)

    def accept(self, tenant: Tenant, usage: Usage) -> None:
        record = {
            "timestamp": usage.recorded_at.isoformat(),
            "service_name": "waiter",
            "invocations": usage.invocations,
            "duration_ns": usage.invocations * usage.duration_ms * 10**6,
            "memory_mb": 512,
        }
        data = msgspec.json.encode(record)
        id = str(next(self._numbers))
        self._ingest.accept_event(source="/t", id=id, tenant_ref=tenant.slug, time=None, data=data)
        if not usage.is_killed:
            self._flow.run()

    def live(self, tenant: Tenant, used: Sequence[Usage], disorder: Disorder) -> None:
        """A month and what comes late of it, each step at its time, and then one tick that is not lost."""
        self.broker.fates = cycle(disorder.notices)
        for number, (at, act) in enumerate(sorted(self._steps(tenant, used, disorder), key=lambda s: s[0])):
            if number == disorder.planned_after:
                self.plan(tenant)
            self.now = at
            act()
        self.plan(tenant)
        self.now = NEXT_MONTH + timedelta(days=40)
        self.aggregator.run()
        self.pricing.run()

    def _steps(
        self, tenant: Tenant, used: Sequence[Usage], disorder: Disorder
    ) -> Iterator[tuple[datetime, Callable[[], None]]]:
        for usage in used:
            yield usage.arrives_at, lambda usage=usage: self.accept(tenant, usage)  # type: ignore[misc]
        functions = (self.aggregator, disorder.aggregator), (self.pricing, disorder.pricing)
        for sweep, ticks in functions:
            for tick, deliveries in zip(TICKS, ticks, strict=True):
                for delivery in deliveries:
                    yield tick + timedelta(minutes=delivery.delay), self._swept(sweep, delivery)

    def _swept(self, sweep: Sweep, delivery: Delivery) -> Callable[[], None]:
        def act() -> None:
            self.now += timedelta(minutes=delivery.skew)
            sweep.run()
            self.broker.deliver_late()

        return act

    def accrued(self, tenant: Tenant) -> list[Mapping[str, Any]]:
        """What has accrued, but for the number of changes it took and when that was."""
        with self.database.statement() as connection:
            rows = connection.execute(
                "SELECT period_start, period_end, currency, plan_id, amount, lines FROM accrued_cost"
                " WHERE tenant_id = %s ORDER BY period_start",
                (tenant.id,),
            ).fetchall()
        names = ("start", "end", "currency", "plan", "amount", "lines")
        accrued: list[Mapping[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
        for line in (line for cost in accrued for line in cost["lines"]):
            del line["end"]  # of a month that goes on: when it was accrued
        return accrued

    def bill(self, tenant: Tenant, start: datetime, end: datetime) -> tuple[Any, ...]:
        bill = self._billing.calculate(tenant.slug, start, end)
        return bill.total, bill.exact_total, [line.to_dict() for line in bill.lines]

    def waiting(self, tenant: Tenant) -> int:
        """Deltas and facts of the tenant that wait for a process."""
        with self.database.statement() as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM usage_delta WHERE tenant_id = %(id)s)"
                " + (SELECT count(*) FROM outbox WHERE tenant_id = %(id)s)"
                " + (SELECT count(*) FROM tenant_usage WHERE tenant_id = %(id)s"
                "    AND changed_from IS NOT NULL)",
                {"id": tenant.id},
            ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(scope="module")
def product(module_database_url: str) -> Iterator[Product]:
    database = Database(module_database_url)
    yield Product(database)
    database.close()


# Not shrunk: at so many months a failure would be told of only after minutes.
@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.reuse, Phase.generate],
)
@given(
    used=usages,
    disorder=disorders,
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York"]),
)
def test_a_month_of_ticks_lost_doubled_and_late_ends_in_the_same_bills(
    product: Product, used: list[Usage], disorder: Disorder, zone: str
) -> None:
    orderly, disordered = product.tenant(zone), product.tenant(zone)
    product.live(orderly, used, Disorder())
    product.live(disordered, used, disorder)

    costs = product.accrued(disordered)
    assert costs == product.accrued(orderly)
    # The month of a zone takes up to two of these; what has accrued is what the bill says.
    assert costs
    for cost in costs:
        bill = product.bill(disordered, cost["start"], cost["end"])
        assert bill[0] == cost["amount"]
        assert bill == product.bill(orderly, cost["start"], cost["end"])
    assert product.waiting(disordered) == 0
    assert disordered.id not in product.accruals.behind()
