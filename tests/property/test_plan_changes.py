"""Whatever changes of plans and versions there are within a month: its parts sum to it, and each version
charges for its own part only."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.cost import Bill
from shared.domain.facts import WindowFacts
from shared.domain.money import round_to_currency
from shared.domain.plan import Plan, PlanVersion, Subscription, history_of
from shared.domain.rating.flat import Flat
from shared.domain.rating.kinds import Price
from shared.domain.rating.line import LineItem
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.per_unit import PerUnit
from shared.domain.segments import segments
from shared.domain.windows import GRID
from shared.service.billing import CalculateBill
from tests.shared.domain.rating.any_plan import allowances, amounts, plans
from tests.shared.domain.rating.entered import MONTH
from tests.shared.service.rating_fakes import FakePlans, FakeTenants, FakeUsage, tenant_in

WINDOWS = (MONTH.end - MONTH.start) // GRID
Change = tuple[int, str]
Used = tuple[int, int, int]

instants = st.integers(1, WINDOWS - 1)
cuts = st.sets(instants, max_size=5)
uses = st.lists(
    st.tuples(st.integers(0, WINDOWS - 1), st.integers(0, 2_000), st.integers(0, 2_000)), max_size=6
)
"""In which window, how many calls, and how many GB-seconds."""
changes = st.lists(st.tuples(instants, st.sampled_from(["a", "b", "none", "version"])), max_size=5)


def at(number: int) -> datetime:
    return MONTH.start + number * GRID


def bill(history: Sequence[Subscription], used: Sequence[Used], *bounds: int) -> list[Bill]:
    """The bills of the parts between bounds, given as windows of the month."""
    usage = FakeUsage()
    for number, calls, gb_seconds in used:
        byte_ns = gb_seconds * 2**30 * 10**9
        usage.record(at(number), WindowFacts(invocations=calls, memory_byte_ns=byte_ns))
    calculate = CalculateBill(
        tenants=FakeTenants(tenant_in(currency=history[0].plan.currency)),
        plans=FakePlans(history=history),
        usage=usage,
        fold=usage.fold,
        clock=lambda: MONTH.end,
    ).calculate
    return [calculate("demo", at(start), at(end)) for start, end in pairwise(bounds)]


def history_by(first: Plan, second: Plan, changes: Sequence[Change]) -> Sequence[Subscription]:
    """From the first plan on, through changes of plan and immediate versions that have the other's prices."""
    rows: dict[datetime | None, Plan | None] = {None: first}
    for number, what in sorted(changes):
        if what == "version":
            prices = (second if len(first.versions) % 2 else first).prices
            first = first.with_version(
                PlanVersion(len(first.versions) + 1, prices, MONTH.start, at(number), immediate=True)
            )
        else:
            rows[at(number)] = {"a": first, "b": second, "none": None}[what]
    held = {second.id: second, first.id: first}
    return history_of((since, plan and held[plan.id]) for since, plan in rows.items())


def by_line(bills: Sequence[Bill]) -> Mapping[tuple[object, ...], tuple[Decimal, Fraction]]:
    sums: dict[tuple[object, ...], list[LineItem]] = defaultdict(list)
    for part in bills:
        for line in part.lines:
            key = (line.plan_id, line.plan_version, line.price, line.meter, line.part, line.description)
            sums[key].append(line)
    return {
        key: (sum((line.amount for line in lines), Decimal(0)), sum(line.exact_amount for line in lines))  # type: ignore[misc]
        for key, lines in sums.items()
    }


def planned(history: Sequence[Subscription], used: Sequence[Used]) -> list[Used]:
    """The usage that a plan is in force for."""
    spans = [(s.start, s.end) for s in segments(MONTH, history) if s.plan is not None]
    return [use for use in used if any(start <= at(use[0]) < end for start, end in spans)]


@settings(max_examples=60)
@given(plans(), plans(), changes, uses, cuts)
def test_any_split_of_a_month_with_changes_sums_to_the_month_line_by_line(
    first: Plan, second: Plan, changes: list[Change], used: list[Used], cuts: set[int]
) -> None:
    second = replace(second, id=UUID(int=2), currency=first.currency)
    history = history_by(first, second, changes)
    rated = planned(history, used)
    planned_cuts = [cut for cut in cuts if _is_planned(history, cut)]
    (whole,) = bill(history, rated, 0, WINDOWS)
    parts = bill(history, rated, 0, *sorted(planned_cuts), WINDOWS)
    assert by_line(parts) == by_line([whole])
    assert sum(part.total for part in parts) == whole.total


def _is_planned(history: Sequence[Subscription], cut: int) -> bool:
    """A part without any plan has no bill: cut only inside a plan's time."""
    return any(s.plan is not None and s.start < at(cut) < s.end for s in segments(MONTH, history))


per_units = st.builds(PerUnit, st.just("invocations"), amounts, st.just(Decimal(1)), allowances)


def plan_of(*prices: Price, number: int = 1) -> Plan:
    return Plan(UUID(int=number), f"plan {number}", "USD", prices, MONTH.start)


@given(per_units, per_units, instants, uses)
def test_each_side_of_a_change_is_rated_by_its_plan_and_quantities_carry_on(
    before: PerUnit, after: PerUnit, change: int, used: list[Used]
) -> None:
    def rated(price: PerUnit, quantity: int) -> Fraction:
        return max(Fraction(0), quantity - Fraction(price.included)) * Fraction(price.amount)

    at_change = sum(calls for number, calls, _ in used if number < change)
    at_end = sum(calls for _, calls, _ in used)
    history = [Subscription(None, plan_of(before)), Subscription(at(change), plan_of(after, number=2))]
    (month,) = bill(history, used, 0, WINDOWS)
    left, right = month.lines
    assert left.exact_amount == rated(before, at_change)
    assert right.exact_amount == rated(after, at_end) - rated(after, at_change)
    assert left.end == right.start == at(change)
    assert right.quantity_before == at_change


@given(per_units, st.sets(instants, max_size=4), uses)
def test_a_version_with_the_same_prices_changes_nothing(
    price: PerUnit, changes: set[int], used: list[Used]
) -> None:
    plan = plan_of(price, Flat(Decimal("31.7")))
    changed = plan
    for number, change in enumerate(sorted(changes), start=2):
        version = PlanVersion(number, plan.prices, MONTH.start, at(change), immediate=True)
        changed = changed.with_version(version)
    (plain,) = bill([Subscription(None, plan)], used, 0, WINDOWS)
    (cut,) = bill([Subscription(None, changed)], used, 0, WINDOWS)
    assert cut.exact_total == plain.exact_total
    assert len(cut.lines) == 2 * (1 + len(changes))


@given(st.lists(amounts, min_size=1, max_size=4), st.lists(instants, min_size=3, max_size=3, unique=True))
def test_fees_and_limits_are_those_of_the_seconds_that_a_version_is_in_force(
    amounts: list[Decimal], changes: list[int]
) -> None:
    bounds = [0, *sorted(changes)[: len(amounts) - 1], WINDOWS]
    for kind in (Flat, MinimumSpend):
        histories = [
            Subscription(
                at(start) if start else None,
                plan_of(PerUnit("errors", Decimal(1)), kind(amount), number=number),
            )
            for number, (start, amount) in enumerate(zip(bounds[:-1], amounts, strict=True), start=1)
        ]
        (month,) = bill(histories, [], 0, WINDOWS)
        shares = [Fraction(end - start, WINDOWS) for start, end in pairwise(bounds)]
        wanted = [Fraction(amount) * share for amount, share in zip(amounts, shares, strict=True)]
        assert [line.exact_amount for line in month.lines if not line.meter] == wanted


@settings(max_examples=40)
@given(amounts, amounts, instants, uses, cuts)
def test_each_plan_costs_what_it_charges_within_its_share_of_a_minimum_and_of_a_maximum(
    least: Decimal, more: Decimal, change: int, used: list[Used], cuts: set[int]
) -> None:
    most = least + more
    prices = PerUnit("invocations", Decimal(3)), MinimumSpend(least), MaximumSpend(most)
    history = [Subscription(None, plan_of(*prices)), Subscription(at(change), plan_of(*prices, number=2))]
    bounds = sorted({0, WINDOWS, *cuts})
    lines = [line for part in bill(history, used, *bounds) for line in part.lines]
    for number, start, end in ((1, 0, change), (2, change, WINDOWS)):
        charged = Fraction(3 * sum(calls for window, calls, _ in used if start <= window < end))
        share = Fraction(end - start, WINDOWS)
        wanted = max(charged, Fraction(round_to_currency(Fraction(least) * share, "USD")))
        wanted = min(wanted, Fraction(round_to_currency(Fraction(most) * share, "USD")))
        owed = sum(Fraction(line.amount) for line in lines if line.plan_id == UUID(int=number))
        # Half a cent given back is a whole one.
        assert 0 <= wanted - owed <= Fraction(1, 100)
        assert owed == wanted or owed == wanted - Fraction(1, 100) < charged


def test_the_published_upgrade_halfway_gives_back_5_and_adds_10() -> None:
    ten, twenty = plan_of(Flat(Decimal(10))), plan_of(Flat(Decimal(20)), number=2)
    halfway = WINDOWS // 2
    (stayed,) = bill([Subscription(None, ten)], [], 0, WINDOWS)
    (upgraded,) = bill([Subscription(None, ten), Subscription(at(halfway), twenty)], [], 0, WINDOWS)
    left, right = upgraded.lines
    assert left.amount - stayed.total == Decimal("-5.00")
    assert right.amount == Decimal("10.00")
    assert upgraded.total - stayed.total == Decimal("5.00")
    assert timedelta(0) < right.end - right.start == left.end - left.start
