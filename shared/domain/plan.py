"""Pricing plans, and who has which plan from when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.errors import Fault, Rejected
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.rating.kinds import Price
from shared.domain.rating.relations import relation_faults


@dataclass(frozen=True, slots=True)
class Plan:
    """A price list in one currency: shared by all tenants, or personal to `tenant_id`.

    Each price makes lines of its own, in order; some are about those before them, by name. An inactive
    plan is given to no further tenant. Raises Rejected for a currency that does not exist, for a plan
    without prices and for prices that contradict each other.
    """

    id: UUID
    name: str
    currency: str
    prices: tuple[Price, ...]
    created_at: datetime
    tenant_id: UUID | None = None
    active: bool = True

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    def _faults(self) -> Iterator[Fault]:
        if not self.name:
            yield Fault("name", "is missing")
        if self.currency not in CURRENCY_EXPONENTS:
            yield Fault("currency", f"{self.currency[:8]!r} is not an active currency of ISO 4217")
        if not self.prices:
            yield Fault("prices", "a plan has at least one price")
        yield from relation_faults(self.prices)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A tenant has `plan` from `starts_at` (None: from the beginning) until its next subscription."""

    starts_at: datetime | None
    plan: Plan

    def has_started(self, instant: datetime) -> bool:
        return self.starts_at is None or self.starts_at <= instant


def in_force(history: Sequence[Subscription], instant: datetime) -> Subscription | None:
    """The subscription that holds at `instant`, of a history in order of time."""
    started = [subscription for subscription in history if subscription.has_started(instant)]
    return started[-1] if started else None


def upcoming(history: Sequence[Subscription], instant: datetime) -> Subscription | None:
    """The first subscription that starts after `instant`."""
    return next((s for s in history if not s.has_started(instant)), None)
