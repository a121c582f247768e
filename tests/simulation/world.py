"""A random world: tenants in three zones, what they are sold, and all that happens over two months."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.simulation.offers import Expected, Price, expected_of, prices_of
from tests.simulation.recompute.months import month_start
from tests.simulation.records import Delivery, bounds_of

GRID: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Season:
    """Two months, and the zones that tenants live in; the clock of a `steady` one does not change then."""

    year: int
    month: int
    zones: tuple[str, str, str]
    steady: str


SEASONS: Final = (
    # Havana's clock goes back to midnight within the first hour of November, Lord Howe's forward by half
    # an hour.
    Season(2026, 10, ("Australia/Lord_Howe", "America/Havana", "Europe/Moscow"), "Europe/Moscow"),
    # Asuncion has no midnight on 1 October.
    Season(2023, 9, ("Asia/Kathmandu", "America/Asuncion", "UTC"), "UTC"),
)
CURRENCIES: Final = ("JPY", "USD", "KWD", "RUB")
SIZE_MAX, SIZE_MIN = 1_000, 20
TENANTS_MAX, TENANTS_MIN = 60, 12
RECORDS_PER_TENANT: Final = 16_000


@dataclass(frozen=True, slots=True)
class Tenant:
    slug: str
    zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan; `owner` is the only tenant that may have it, "" where all may."""

    name: str
    currency: str
    owner: str
    prices: Sequence[Price]
    for_zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """What happens at an instant: `what`, and to which `name`; `number` is a delivery's."""

    at: datetime
    what: str
    name: str = ""
    number: int = 0
    told: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    seed: int
    season: Season
    begins: datetime
    ends: datetime
    tenants: Sequence[Tenant]
    offers: Sequence[Offer]
    deliveries: Sequence[Delivery]
    events: Sequence[Event]

    def months(self, zone: str) -> tuple[datetime, datetime, datetime]:
        """Where the months of a zone begin, and end."""
        year, month = self.season.year, self.season.month
        first, second, third = (month_start(zone, year, month + n) for n in range(3))
        return first, second, third


def world_of(seed: int, records: int) -> World:
    drawn = random.Random(seed)
    season = SEASONS[seed % len(SEASONS)]
    count = min(TENANTS_MAX, max(TENANTS_MIN, records // RECORDS_PER_TENANT))
    tenants = [
        Tenant(f"tenant-{n}", season.zones[n % 3], CURRENCIES[n // 3 % len(CURRENCIES)]) for n in range(count)
    ]
    expected = expected_of(max(1, records // count // 2), seed)
    offers = list(_offers(drawn, season, tenants, expected))
    begins = datetime(season.year, season.month, 1, tzinfo=UTC) - 3 * DAY
    ends = begins + 130 * DAY
    bare = World(seed, season, begins, ends, tenants, offers, (), ())
    deliveries = list(_deliveries(drawn, bare, records))
    events = [
        *_of_plans(drawn, bare, expected),
        *(event for tenant in tenants for event in _of_subscriptions(drawn, bare, tenant)),
        *(event for delivery in deliveries for event in _of_delivery(drawn, bare, delivery)),
    ]
    events.sort(key=lambda event: event.at)
    return World(seed, season, begins, ends, tenants, offers, deliveries, events)


def _offers(
    drawn: random.Random, season: Season, tenants: Sequence[Tenant], expected: Expected
) -> Iterator[Offer]:
    for currency in CURRENCIES:
        for n in range(5):
            steady = n == 4
            prices = prices_of(drawn, expected, by_days=steady)
            zones = (season.steady,) if steady else season.zones
            yield Offer(f"{currency}-{n}", currency, "", prices, zones)
    for tenant in tenants[::7]:
        by_days = tenant.zone == season.steady
        prices = prices_of(drawn, expected, by_days=by_days)
        yield Offer(f"of-{tenant.slug}", tenant.currency, tenant.slug, prices, (tenant.zone,))


def _of_plans(drawn: random.Random, world: World, expected: Expected) -> Iterator[Event]:
    """New versions, the effect of each not before that of the last."""
    for offer in world.offers:
        bounds = [bound for zone in offer.for_zones for bound in world.months(zone)[:2]]
        asked_at, reached = world.begins + DAY, world.begins
        for _ in range(drawn.randint(0, 3)):
            asked_at += drawn.randint(1, 25 * 86_400) * SECOND
            earliest = max(reached, _grid(asked_at) + GRID)
            later = [bound for bound in bounds if bound >= earliest]
            chance = drawn.random()
            told: dict[str, Any] = {
                "applies": drawn.choice(("next_period", "immediately")),
                "prices": prices_of(drawn, expected, by_days=offer.for_zones == (world.season.steady,)),
            }
            if chance < 0.3 and later:
                told["effective_from"] = drawn.choice(later)
            elif chance < 0.8 or reached > _grid(asked_at):
                told["effective_from"] = earliest + drawn.randint(0, 20 * 288) * GRID * (chance > 0.4)
            reached = told.get("effective_from", _grid(asked_at) + GRID)
            yield Event(asked_at, "version", offer.name, told=tuple(told.items()))


def _of_subscriptions(drawn: random.Random, world: World, tenant: Tenant) -> Iterator[Event]:
    first, second, third = world.months(tenant.zone)
    mine = [
        offer.name
        for offer in world.offers
        if offer.currency == tenant.currency
        and offer.owner in ("", tenant.slug)
        and tenant.zone in offer.for_zones
    ]

    def take(at: datetime, **told: Any) -> Event:
        return Event(at, "take", tenant.slug, told=(("plan", drawn.choice(mine)), *told.items()))

    def some_time(start: datetime, end: datetime) -> datetime:
        return start + drawn.randrange(max(1, (end - start) // SECOND)) * SECOND

    chance = drawn.random()
    if chance < 0.8:
        yield take(world.begins)
    else:  # late: the time before is without a plan
        at = some_time(first, second)
        since = _grid(some_time(first, at)) if chance < 0.9 else _grid(at) + drawn.randint(1, 2000) * GRID
        yield take(at, starts_at=since, applies="immediately")
    for _ in range(drawn.choice((0, 1, 1, 2, 3))):
        at = some_time(second if chance >= 0.8 else first, third)
        told: dict[str, Any] = {}
        if drawn.random() < 0.6:
            told["starts_at"] = _grid(at) + drawn.randint(1, 20 * 288) * GRID
        if drawn.random() < 0.6:
            told["applies"] = "immediately"
        yield take(at, **told)
    if drawn.random() < 0.1:
        at = some_time(second, third - 9 * DAY)
        ends_at = _grid(at) + drawn.randint(1, 288) * GRID
        yield Event(at, "end", tenant.slug, told=(("ends_at", ends_at),))
        since = ends_at + drawn.randint(0, 2 * 288) * GRID
        yield take(some_time(ends_at, third), starts_at=since, applies="immediately")


def _deliveries(drawn: random.Random, world: World, records: int) -> Iterator[Delivery]:
    size_max = min(SIZE_MAX, max(SIZE_MIN, records // 500))
    left, number = records, 0
    while left:
        tenant = drawn.choice(world.tenants)
        http = drawn.random() < 0.2
        others = drawn.sample(world.tenants, drawn.choice((0, 0, 2))) if http else []
        same_zone = [one.slug for one in others if one.zone == tenant.zone and one is not tenant]
        first, _, third = world.months(tenant.zone)
        length = drawn.choice((HOUR, 6 * HOUR, DAY, 2 * DAY))
        since = first + drawn.randrange((third - first - length) // SECOND) * SECOND
        until, oldest = since + length, max(first, since - 9 * DAY)
        size = min(left, 1 if drawn.random() < 0.02 else size_max)
        id = f"part-{number}" if not http or drawn.random() < 0.7 else ""
        bounds = bounds_of(world.months(tenant.zone), since, until)
        tenants = (tenant.slug, *same_zone)
        yield Delivery(number, "http" if http else "event", id, tenants, size, since, until, oldest, bounds)
        number, left = number + 1, left - size


def _of_delivery(drawn: random.Random, world: World, delivery: Delivery) -> Iterator[Event]:
    """It comes, perhaps late or again; is void before or after; windows are folded and rebuilt meanwhile."""
    number = delivery.number
    delay = drawn.choice((HOUR, HOUR, HOUR, 2 * DAY, 40 * DAY))
    came = delivery.until + drawn.random() * delay
    yield Event(came, "send", number=number)
    for _ in range(drawn.choice((1, 1, 2)) if drawn.random() < 0.08 else 0):
        yield Event(came + drawn.random() * 9 * DAY, "send again", number=number)
    if drawn.random() < 0.02 and delivery.id:
        yield Event(came + drawn.random() * DAY, "forge", number=number)
    if drawn.random() < 0.06:
        whose = drawn.choice(delivery.tenants)
        yield Event(came + (drawn.random() - 0.3) * 9 * DAY, "void", whose, number)
    if drawn.random() < 0.1:
        yield Event(came + drawn.random() * DAY, "fold")
    if drawn.random() < 0.04:
        day = delivery.since + drawn.randint(-2, 2) * DAY
        told = (("start_time", day), ("end_time", day + drawn.randint(1, 48) * HOUR))
        yield Event(came + drawn.random() * 9 * DAY, "rebuild", delivery.tenants[0], told=told)


def _grid(instant: datetime) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() // 300 * 300, UTC)
