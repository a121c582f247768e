"""Pricing plans in their versions, and who has which plan from when."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from shared.domain.errors import Fault, Rejected
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.rating.kinds import Price
from shared.domain.rating.relations import relation_faults


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """The prices of a plan from `effective_from` on (None: from the beginning) until its next version.

    Whoever has the plan then has them from their next counting period on, the one that begins at that
    instant included; where `immediate`, from that instant on. Whoever takes the plan later has them at
    once. Each price makes lines of its own, in order; some are about those before them, by name. Raises
    Rejected for a version without prices and for prices that contradict each other.
    """

    number: int
    prices: tuple[Price, ...]
    created_at: datetime
    effective_from: datetime | None = None
    immediate: bool = False

    def __post_init__(self) -> None:
        faults = tuple(_price_faults(self.prices))
        if faults:
            raise Rejected(*faults)

    def is_for(self, at: datetime, since: datetime) -> bool:
        """Whether it has come into force at `at`: where it is not immediate, only if it had at `since`, the
        start of the counting period or of the subscription, whichever is later."""
        return self.effective_from is None or self.effective_from <= (at if self.immediate else since)


@dataclass(frozen=True, slots=True)
class Plan:
    """A price list in one currency: shared by all tenants, or personal to `tenant_id`.

    `prices` are those of its first version, `changes` its later ones in order. An inactive plan is given
    to no further tenant. Raises Rejected for a currency that does not exist, for a plan without prices,
    for prices that contradict each other, and for versions that are out of order.
    """

    id: UUID
    name: str
    currency: str
    prices: tuple[Price, ...]
    created_at: datetime
    tenant_id: UUID | None = None
    active: bool = True
    changes: tuple[PlanVersion, ...] = ()

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    def _faults(self) -> Iterator[Fault]:
        if not self.name:
            yield Fault("name", "is missing")
        if self.currency not in CURRENCY_EXPONENTS:
            yield Fault("currency", f"{self.currency[:8]!r} is not an active currency of ISO 4217")
        yield from _price_faults(self.prices)
        reached: datetime | None = None
        for number, version in enumerate(self.changes, start=2):
            if version.number != number:
                yield Fault("number", f"must be {number}")
            if version.effective_from is None:
                yield Fault("effective_from", "is missing: only the first version holds from the beginning")
            elif reached and version.effective_from < reached:
                before = f"before {reached:%Y-%m-%dT%H:%M:%SZ}, that of version {number - 1}"
                yield Fault("effective_from", f"must not lie {before}")
            reached = version.effective_from

    @property
    def versions(self) -> tuple[PlanVersion, ...]:
        """All of them, in order of number and of `effective_from`."""
        return (PlanVersion(1, self.prices, self.created_at), *self.changes)

    def newest(self, at: datetime) -> PlanVersion:
        """The version that who takes the plan at `at` begins with."""
        return [version for version in self.versions if version.is_for(at, at)][-1]

    def with_version(self, version: PlanVersion) -> "Plan":
        """The plan with one version more. Raises Rejected where that is out of order."""
        return replace(self, changes=(*self.changes, version))


def _price_faults(prices: Sequence[Price]) -> Iterator[Fault]:
    if not prices:
        yield Fault("prices", "a plan has at least one price")
    yield from relation_faults(prices)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A tenant has `plan` from `starts_at` (None: from the beginning) until its next subscription, or until
    `ends_at`, where it has none from there on."""

    starts_at: datetime | None
    plan: Plan
    ends_at: datetime | None = None

    def has_started(self, instant: datetime) -> bool:
        return self.starts_at is None or self.starts_at <= instant

    def version_at(self, instant: datetime, period_start: datetime) -> PlanVersion:
        """The version in force at `instant`, in the counting period that began at `period_start`."""
        since = max(period_start, self.starts_at or period_start)
        return [version for version in self.plan.versions if version.is_for(instant, since)][-1]


def history_of(rows: Iterable[tuple[datetime | None, Plan | None]]) -> tuple[Subscription, ...]:
    """Subscriptions, in order of time, from what a tenant has from when on: a plan, or None for no plan."""
    history: list[Subscription] = []
    for starts_at, plan in rows:
        if plan is not None:
            history.append(Subscription(starts_at, plan))
        elif history and history[-1].ends_at is None:
            history[-1] = replace(history[-1], ends_at=starts_at)
    return tuple(history)


def in_force(history: Sequence[Subscription], instant: datetime) -> Subscription | None:
    """The subscription that holds at `instant`, of a history in order of time; None where none does."""
    started = [subscription for subscription in history if subscription.has_started(instant)]
    if not started or (started[-1].ends_at is not None and started[-1].ends_at <= instant):
        return None
    return started[-1]


def upcoming(history: Sequence[Subscription], instant: datetime) -> Subscription | None:
    """The first subscription that starts after `instant`."""
    return next((s for s in history if not s.has_started(instant)), None)
