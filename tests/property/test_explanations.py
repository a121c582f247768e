"""An explanation comes to what the bill comes to, and a simulation with the tenant's own plan is the bill."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.facts import WindowFacts
from shared.domain.meters import quantities
from shared.domain.money import total
from shared.domain.period import Period, month_of
from shared.domain.plan import Plan, Subscription
from shared.domain.rating.selection import EVERYWHERE, Where
from shared.domain.tenant import Tenant
from shared.domain.usage import UsageRecord
from shared.service.billing import CalculateBill
from shared.service.explain import DimensionsRef, Explain, RevisionRef, SeriesRef, ServiceRef
from shared.service.question import PlanChoice, Question, Questions
from shared.service.simulate import Simulate
from tests.shared.domain.rating.any_plan import plans
from tests.shared.service.rating_fakes import AT, FakePlans, FakeTenants, FakeUsage, tenant_in

ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
GRID = timedelta(minutes=5)
_uses = st.tuples(
    st.integers(0, 28 * 288 - 1),
    st.sampled_from(["api", "web", "job"]),
    st.sampled_from(["r1", "r2"]),
    st.fixed_dictionaries(
        {
            "invocations": st.integers(0, 2_000),
            "duration_ns": st.integers(0, 10**12),
            "memory_bytes": st.integers(0, 2**33),
        }
    ),
)
uses = st.lists(_uses, max_size=6)


class SeriesUsage(FakeUsage):
    """Also by who used it; SeriesReader and SeriesTotals."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[SeriesRef, FakeUsage] = {}

    def use(self, service: str, revision: str, at: datetime, **fields: int) -> None:
        facts = WindowFacts()
        facts.add_record(UsageRecord(service, at, **fields))  # type: ignore[arg-type]
        name = (
            ServiceRef(UUID(int=0), "default", service),
            RevisionRef(UUID(int=0), revision),
            DimensionsRef(()),
        )
        for usage in (self, self.of.setdefault(name, FakeUsage())):
            usage.record(at, facts.copy())

    def fold(self, tenant_id: UUID) -> None:
        super().fold(tenant_id)
        for usage in self.of.values():
            usage.fold(tenant_id)

    @contextmanager
    def snapshot(self) -> Iterator["SeriesUsage"]:
        yield self

    def by_series(
        self, tenant_id: UUID, spans: Sequence[Period], where: Where = EVERYWHERE
    ) -> Mapping[SeriesRef, Mapping[str, Fraction]]:
        found: dict[SeriesRef, Mapping[str, Fraction]] = {}
        for name, usage in self.of.items():
            facts = WindowFacts()
            for span in spans:
                facts.add(usage.total(tenant_id, *span))
            found[name] = quantities(facts)
        return found if where.holds({}) else {}


class System:
    """A tenant with a plan, and everything that answers questions about its bill."""

    def __init__(self, plan: Plan, zone: str, used: list[tuple[int, str, str, dict[str, int]]]) -> None:
        self.tenant: Tenant = tenant_in(zone, plan.currency)
        self.month: Period = month_of(AT + timedelta(days=300), ZoneInfo(zone))
        usage = SeriesUsage()
        for step, service, revision, fields in used:
            usage.use(service, revision, self.month.start + step * GRID, **fields)
        tenants, store = FakeTenants(self.tenant), FakePlans(plan, history=[Subscription(None, plan)])
        self.calculate = CalculateBill(
            tenants=tenants, plans=store, usage=usage, fold=usage.fold, clock=lambda: AT
        ).calculate
        questions = Questions(tenants=tenants, plans=store, fold=usage.fold, clock=lambda: AT)
        self.explain = Explain(questions, usage).run
        self.simulate = Simulate(questions, usage).run


def period_of(month: Period, first: int, length: int) -> tuple[datetime, datetime]:
    start = month.start + first * GRID
    return start, start + length * GRID


@settings(max_examples=60)
@given(plans(), st.sampled_from(ZONES), uses, st.integers(0, 20 * 288), st.integers(1, 20 * 288))
def test_what_is_explained_and_what_is_simulated_is_what_is_billed(
    plan: Plan, zone: str, used: list[tuple[int, str, str, dict[str, int]]], first: int, length: int
) -> None:
    system = System(plan, zone, used)
    start, end = period_of(system.month, first, length)
    bill = system.calculate("demo", start, end)

    explanation = system.explain(Question("demo", start, end))
    assert tuple(explained.line for explained in explanation.lines) == bill.lines
    assert explanation.simulation.rated[0].total == bill.total
    for line, _, shares in ((one.line, one.price, one.shares) for one in explanation.lines):
        assert total((share.amount for share in shares), bill.currency) == line.amount

    choices = PlanChoice(), PlanChoice(ref=plan.name), PlanChoice(ref=str(plan.id))
    simulated = system.simulate(Question("demo", start, end, choices))
    assert [rated.lines for rated in simulated.rated] == [bill.lines] * 3
    once = system.simulate(Question("demo", start, end, factor=Decimal(1)))
    assert once.rated[0].lines == bill.lines


@settings(max_examples=40)
@given(plans(), st.sampled_from(ZONES), uses)
def test_calls_that_are_supposed_cost_what_as_many_real_ones_cost(
    plan: Plan, zone: str, used: list[tuple[int, str, str, dict[str, int]]]
) -> None:
    calls = [(*use, {"invocations": fields["invocations"]}) for *use, fields in used]
    system = System(plan, zone, calls)  # type: ignore[arg-type]
    bill = system.calculate("demo", *system.month)
    invocations = sum(fields["invocations"] for *_, fields in used)
    supposed = system.simulate(Question("demo", *system.month, quantities={"invocations": str(invocations)}))
    assert supposed.rated[0].lines == bill.lines
