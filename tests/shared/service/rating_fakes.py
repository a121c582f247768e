"""Fakes of what billing and accrual need."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from shared.domain.cost import AccruedCost
from shared.domain.events import CostAccrued, Fact
from shared.domain.facts import WindowFacts
from shared.domain.meters import METERS
from shared.domain.period import Period
from shared.domain.plan import Subscription
from shared.domain.rating.selection import Where
from shared.domain.tenant import Service, Tenant
from shared.domain.windows import WindowSize, floor
from tests.shared.service.plan_fakes import FakePlans as FakePlans

AT = datetime(2025, 1, 1, tzinfo=UTC)


def tenant_in(zone: str = "UTC", currency: str = "RUB", slug: str = "demo", number: int = 1) -> Tenant:
    return Tenant(UUID(int=number), slug, slug.title(), None, currency, zone, AT, AT)


class FakeTenants:
    """TenantDirectory, as far as reading goes."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = tenants

    def find(self, ref: str) -> Tenant | None:
        return next((t for t in self.tenants if ref in (str(t.id), t.slug)), None)

    def add(self, tenant: Tenant) -> None:
        raise NotImplementedError

    def list(self, *, limit: int, after: UUID | None) -> Sequence[Tenant]:
        raise NotImplementedError

    def add_service(self, service: Service) -> None:
        raise NotImplementedError

    def list_services(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Service]:
        raise NotImplementedError


class FakeUsage:
    """Windows of one tenant by 5-minute start; UsageReader, UsageTotals and the fold."""

    def __init__(self) -> None:
        self.windows: dict[datetime, WindowFacts] = {}
        self.unfolded: list[tuple[datetime, WindowFacts]] = []
        self.snapshots = 0

    def record(self, at: datetime, facts: WindowFacts) -> None:
        self.unfolded.append((at, facts))

    def fold(self, tenant_id: UUID) -> None:
        for at, facts in self.unfolded:
            self.windows.setdefault(floor(at, WindowSize.M5), WindowFacts()).add(facts)
        self.unfolded.clear()

    @contextmanager
    def snapshot(self) -> Iterator["FakeUsage"]:
        self.snapshots += 1
        yield self

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        assert all(floor(bound, WindowSize.M5) == bound for bound in (start, end))
        sums = WindowFacts()
        for at, facts in self.windows.items():
            if start <= at < end:
                sums.add(facts)
        return sums

    def custom(
        self, tenant_id: UUID, names: Collection[str], start: datetime, end: datetime
    ) -> Mapping[str, Fraction]:
        return {f"custom.{name}": Fraction(0) for name in names}

    def ordered(self, tenant_id: UUID, name: str, start: datetime, end: datetime) -> Sequence[Fraction]:
        return ()

    def select(
        self,
        tenant_id: UUID,
        spans: Sequence[Period],
        meter: str,
        where: Where,
        *,
        in_parts: bool = False,
    ) -> Fraction:
        if meter not in METERS or not where.holds({}):
            return Fraction(0)
        totals = (self.total(tenant_id, *span) for span in spans)
        return sum((METERS[meter].quantity(total) for total in totals), Fraction(0))


class FakeAccruals(FakeUsage):
    """AccrualStore and Accrual of one tenant."""

    def __init__(self, plans: FakePlans) -> None:
        super().__init__()
        self.plans = plans
        self.sequence = 0
        self.changes: dict[date, int] = {}
        self.cursor = 0
        self.costs: dict[datetime, AccruedCost] = {}
        self.facts: list[CostAccrued] = []

    def use(self, at: datetime, facts: WindowFacts) -> None:
        """Usage that is recorded and folded."""
        self.record(at, facts)
        self.fold(UUID(int=0))
        self.sequence += 1
        self.changes[at.astimezone(UTC).date()] = self.sequence

    def behind(self) -> Sequence[UUID]:
        is_behind = self.sequence > self.cursor and self.plans.book.history()
        return [UUID(int=1)] if is_behind else []

    @contextmanager
    def locked(self, tenant_id: UUID) -> Iterator["FakeAccruals"]:
        yield self

    def changed_days(self) -> Sequence[tuple[date, int]]:
        return [(day, sequence) for day, sequence in sorted(self.changes.items()) if sequence > self.cursor]

    def subscriptions(self) -> Sequence[Subscription]:
        return self.plans.book.history()

    def accrued_amount(self, period_start: datetime) -> Decimal | None:
        cost = self.costs.get(period_start)
        return None if cost is None else cost.amount

    def save(self, cost: AccruedCost) -> None:
        self.costs[cost.period.start] = cost

    def announce(self, fact: Fact, now: datetime) -> None:
        assert isinstance(fact, CostAccrued)
        self.facts.append(fact)

    def move_cursor(self, sequence: int) -> None:
        self.cursor = sequence
