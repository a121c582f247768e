"""What holds for bands of any week in any month of any zone, also where its clock is set at midnight."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.facts import WindowFacts
from shared.domain.money import total
from shared.domain.period import Period, PeriodSlice, month_of
from shared.domain.plan import Plan, Subscription
from shared.domain.rating.band import Band
from shared.domain.rating.graduated import Graduated
from shared.domain.rating.kinds import Price
from shared.domain.rating.line import LineItem, exact_total
from shared.domain.rating.package import Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.selection import Selected, Selection, Where
from shared.domain.rating.tiers import Tier
from shared.domain.rating.volume import Volume
from shared.domain.usage import UsageRecord
from shared.domain.what_if import WhatIf
from shared.domain.windows import GRID
from shared.service.billing import rate_period, used_in
from shared.service.question import Question
from tests.property.test_explanations import System
from tests.shared.service.rating_fakes import AT, FakeUsage

ZONES = [
    "UTC",
    "Europe/Berlin",
    # Offsets of 45 and 30 minutes.
    "Asia/Kathmandu",
    "America/St_Johns",
    # Clocks that are set at midnight, or by half an hour.
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "Australia/Lord_Howe",
]
DAY_MINUTES = 1_440
WEEK_MINUTES = 7 * DAY_MINUTES
TENANT = UUID(int=1)
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)

minutes = st.integers(0, 287).map(lambda step: 5 * step)
weekdays = st.frozensets(st.integers(0, 6), min_size=1)
bands = st.builds(Band, st.just("band"), minutes, minutes, weekdays)
amounts = st.decimals("0.001", 9, places=3)
uses = st.lists(st.tuples(st.integers(0, 27 * 288), st.integers(1, 500)), max_size=12)
"""Steps of the grid from the start of a month, and calls then."""


class Place(NamedTuple):
    zone: ZoneInfo
    month: Period


@st.composite
def places(draw: st.DrawFn) -> Place:
    """The months of 2025, in most of which some clock is set."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    return Place(zone, month_of(datetime(2025, draw(st.integers(1, 12)), 15, tzinfo=UTC), zone))


@st.composite
def tilings(draw: st.DrawFn) -> list[Band]:
    """Bands that tile the week: each group of weekdays has days cut at times of its own, but all begin their
    days at the same one."""
    first, split = draw(minutes), draw(st.frozensets(st.integers(0, 6), max_size=6))
    tiles: list[Band] = []
    for group in filter(None, (split, frozenset(range(7)) - split)):
        cuts = sorted(draw(st.sets(st.integers(1, 287), max_size=3)))
        bounds = [(first + 5 * cut) % DAY_MINUTES for cut in (0, *cuts, 288)]
        for start, end in pairwise(bounds):
            # What begins after midnight of a day that begins before it is the next day's.
            later = start < first
            days = frozenset((day + later) % 7 for day in group)
            tiles.append(Band(f"tile {len(tiles)}", start, end, days))
    return tiles


def plan_of(*prices: Price, currency: str = "USD") -> Plan:
    return Plan(UUID(int=2), "banded", currency, prices, AT)


def used(place: Place, calls: Sequence[tuple[int, int]]) -> FakeUsage:
    usage = FakeUsage()
    for step, number in calls:
        facts = WindowFacts()
        at = place.month.start + step * GRID
        facts.add_record(UsageRecord("api", at, invocations=number))
        usage.record(at, facts)
    usage.fold(TENANT)
    return usage


def lines(plan: Plan, place: Place, usage: FakeUsage, start: datetime, end: datetime) -> Sequence[LineItem]:
    part = PeriodSlice(place.month, start, end)
    return rate_period([part], [Subscription(None, plan)], partial(used_in, usage, TENANT, place.zone))


def shown(place: Place) -> Iterator[tuple[datetime, int]]:
    """Each 5 minutes of the month, with the latest time of the week that clocks have shown by then."""
    latest, at = MONDAY, place.month.start - timedelta(days=2)
    while at < place.month.end:
        latest = max(latest, at.astimezone(place.zone).replace(tzinfo=UTC))
        if at >= place.month.start:
            yield at, (latest - MONDAY) // timedelta(minutes=1) % WEEK_MINUTES
        at += GRID


def is_in(band: Band, minute: int) -> bool:
    length = (band.end_minute - band.start_minute) % DAY_MINUTES or DAY_MINUTES
    starts = (day * DAY_MINUTES + band.start_minute for day in band.weekdays)
    return any((minute - start) % WEEK_MINUTES < length for start in starts)


@settings(max_examples=40)
@given(bands, places())
def test_an_instant_is_in_a_band_by_the_latest_time_that_clocks_have_shown(band: Band, place: Place) -> None:
    spans = list(band.spans(*place.month, place.zone))
    held = {at for start, end in spans for at in _steps(start, end)}
    assert held == {at for at, minute in shown(place) if is_in(band, minute)}


def _steps(start: datetime, end: datetime) -> Iterator[datetime]:
    return (start + step * GRID for step in range((end - start) // GRID))


@given(bands, places())
def test_spans_of_a_band_are_in_order_apart_and_on_the_grid(band: Band, place: Place) -> None:
    spans = list(band.spans(*place.month, place.zone))
    bounds = [bound for span in spans for bound in span]
    assert bounds == sorted(set(bounds))
    assert all(place.month.start <= bound <= place.month.end for bound in bounds)
    assert all((bound - place.month.start) % GRID == timedelta(0) for bound in bounds)


@given(bands, places(), st.sets(st.integers(1, 27 * 288), max_size=4))
def test_spans_of_parts_of_a_month_are_those_of_the_month(band: Band, place: Place, cuts: set[int]) -> None:
    start, end = place.month
    bounds = [start, *(start + cut * GRID for cut in sorted(cuts)), end]
    parts = [span for a, b in pairwise(bounds) for span in band.spans(a, b, place.zone)]
    length = sum((b - a for a, b in band.spans(start, end, place.zone)), timedelta(0))
    assert sum((b - a for a, b in parts), timedelta(0)) == length
    assert {at for span in parts for at in _steps(*span)} == {
        at for span in band.spans(start, end, place.zone) for at in _steps(*span)
    }


@given(tilings(), places())
def test_bands_that_tile_the_week_do_not_overlap_and_tile_any_month(tiles: list[Band], place: Place) -> None:
    for index, tile in enumerate(tiles):
        assert not any(tile.overlaps(other) for other in tiles[:index])
    spans = sorted(span for tile in tiles for span in tile.spans(*place.month, place.zone))
    assert (spans[0].start, spans[-1].end) == place.month
    assert all(before.end == after.start for before, after in pairwise(spans))


@given(bands, bands, places())
def test_bands_that_do_not_overlap_by_the_week_never_do(one: Band, other: Band, place: Place) -> None:
    if not one.overlaps(other):
        spans = sorted(span for band in (one, other) for span in band.spans(*place.month, place.zone))
        assert all(before.end <= after.start for before, after in pairwise(spans))


@given(tilings(), places(), uses, amounts)
def test_bands_that_tile_the_week_at_one_amount_cost_what_no_band_does(
    tiles: list[Band], place: Place, calls: list[tuple[int, int]], amount: Decimal
) -> None:
    usage = used(place, calls)
    plain = lines(plan_of(PerUnit("invocations", amount)), place, usage, *place.month)
    banded = lines(
        plan_of(*(PerUnit("invocations", amount, selection=Selection(tile)) for tile in tiles)),
        place,
        usage,
        *place.month,
    )
    assert exact_total(banded) == exact_total(plain)
    assert abs(total((of.amount for of in banded), "USD") - plain[0].amount) <= len(tiles) * Decimal("0.01")


@st.composite
def banded_plans(draw: st.DrawFn) -> Plan:
    """A price of every kind that counts a meter, of bands that do not overlap, and one for all time."""
    tiles = draw(tilings())
    tiers = (Tier(Decimal(100), draw(amounts), flat=Decimal(2)), Tier(None, draw(amounts)))
    prices: list[Price] = [PerUnit("invocations", draw(amounts), included=Decimal(50), name="all")]
    for tile in tiles:
        kind, selection = draw(st.sampled_from((PerUnit, Graduated, Volume, Package))), Selection(tile)
        if kind is PerUnit:
            prices.append(PerUnit("invocations", draw(amounts), included=Decimal(7), selection=selection))
        elif kind is Package:
            prices.append(Package("invocations", draw(amounts), Decimal(30), selection=selection))
        else:
            tiered = Graduated if kind is Graduated else Volume
            prices.append(tiered("invocations", tiers, selection=selection))
    return plan_of(*prices, currency=draw(st.sampled_from(("JPY", "USD", "KWD"))))


@given(banded_plans(), places(), uses, st.sets(st.integers(1, 27 * 288), max_size=4))
def test_any_split_of_a_month_with_bands_sums_to_the_month(
    plan: Plan, place: Place, calls: list[tuple[int, int]], cuts: set[int]
) -> None:
    usage, (start, end) = used(place, calls), place.month
    whole = lines(plan, place, usage, start, end)
    bounds = [start, *(start + cut * GRID for cut in sorted(cuts)), end]
    parts = [lines(plan, place, usage, a, b) for a, b in pairwise(bounds)]
    for index, line in enumerate(whole):
        assert total((part[index].amount for part in parts), plan.currency) == line.amount
        assert exact_total(part[index] for part in parts) == line.exact_amount


@given(tilings(), places(), st.integers(0, 10 * 288), st.integers(1, 10 * 288))
def test_supposed_usage_falls_to_bands_by_their_seconds(
    tiles: list[Band], place: Place, first: int, length: int
) -> None:
    start = place.month.start + first * GRID
    period = Period(start, start + length * GRID)
    supposed = WhatIf(period, {"invocations": Fraction(1_000)}, place.zone)
    quantities: Mapping[Any, Fraction] = supposed.used_until(PeriodSlice(place.month, *period), period.end)
    shares = [quantities[Selected("invocations", tile, Where())] for tile in tiles]
    assert sum(shares) == 1_000
    for tile, share in zip(tiles, shares, strict=True):
        held = sum((b - a for a, b in tile.spans(*period, place.zone)), timedelta(0))
        assert share == Fraction(1_000 * (held // GRID), length)


@settings(max_examples=40)
@given(
    banded_plans(),
    st.sampled_from(ZONES),
    st.lists(
        st.tuples(st.integers(0, 27 * 288), st.sampled_from(("api", "web")), st.integers(1, 500)), max_size=8
    ),
    st.integers(0, 20 * 288),
    st.integers(1, 7 * 288),
)
def test_the_breakdown_of_a_line_is_of_what_its_band_counts(
    plan: Plan, zone: str, calls: list[tuple[int, str, int]], first: int, length: int
) -> None:
    system = System(plan, zone, [(step, service, "r", {"invocations": n}) for step, service, n in calls])
    start = system.month.start + first * GRID
    explained = system.explain(Question("demo", start, start + length * GRID))
    for one in explained.lines:
        counted = sum((share.quantity or 0 for share in one.shares), Fraction(0))
        assert counted == one.line.quantity_after - one.line.quantity_before
        assert total((share.amount for share in one.shares), plan.currency) == one.line.amount
