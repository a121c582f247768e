"""Why a draft is not made final yet, and what can be done about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from shared.domain.errors import Fault, Rejected


class HoldReason(StrEnum):
    DEAD_LETTERS = "dead_letters"
    DEAD_LETTERS_UNREADABLE = "dead_letters_unreadable"
    USAGE_CONFLICTS = "usage_conflicts"
    UNRATED_USAGE = "unrated_usage"
    METERING_GAPS = "metering_gaps"
    DELTAS_PUT_ASIDE = "deltas_put_aside"
    NO_BILLING_ENTITY = "no_billing_entity"
    NO_BILLING_DETAILS = "no_billing_details"

    @property
    def is_overridable(self) -> bool:
        """Whether an invoice can be made in spite of it: not without a seller or a buyer to name."""
        return self not in (HoldReason.NO_BILLING_ENTITY, HoldReason.NO_BILLING_DETAILS)


class _Text(NamedTuple):
    what: str
    way_out: str


_TEXTS: Final = {
    HoldReason.DEAD_LETTERS: _Text(
        "events of the period are dead letters", "replay, correct or drop each of them"
    ),
    HoldReason.DEAD_LETTERS_UNREADABLE: _Text(
        "the dead letters cannot be read", "wait until their store is back"
    ),
    HoldReason.USAGE_CONFLICTS: _Text(
        "identities of events were used again for other content",
        "void the wrong one and send it anew, or override this",
    ),
    HoldReason.UNRATED_USAGE: _Text("usage has no pricing plan", "give the tenant a plan for that time"),
    HoldReason.METERING_GAPS: _Text(
        "batches of a sender never arrived", "have the sender send them again, or override this"
    ),
    HoldReason.DELTAS_PUT_ASIDE: _Text(
        "accepted usage could not be added up and was put aside", "rebuild the tenant's windows"
    ),
    HoldReason.NO_BILLING_ENTITY: _Text(
        "nobody is named as the seller", "name a billing entity in the tenant's billing details"
    ),
    HoldReason.NO_BILLING_DETAILS: _Text("nobody is named as the buyer", "give the tenant billing details"),
}


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason to hold a draft back, and how many times there is one."""

    reason: HoldReason
    count: int = 1

    @property
    def message(self) -> str:
        return f"{_TEXTS[self.reason].what} ({self.count})"

    @property
    def way_out(self) -> str:
        return _TEXTS[self.reason].way_out


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody answers for it that these reasons do not hold the invoice back.

    Raises Rejected where it does not say who, why and which, and for a reason that cannot be overridden.
    """

    who: str
    why: str
    reasons: frozenset[HoldReason]
    at: datetime

    def __post_init__(self) -> None:
        faults = [Fault(name, "is missing") for name in ("who", "why", "reasons") if not getattr(self, name)]
        for reason in sorted(self.reasons):
            if not reason.is_overridable:
                faults.append(Fault("reasons", f"{reason} cannot be overridden: {_TEXTS[reason].way_out}"))
        if faults:
            raise Rejected(*faults)


def holding(holds: Iterable[Hold], overrides: Iterable[Override]) -> tuple[Hold, ...]:
    """Those that still hold the draft back, in order of reasons."""
    overridden = {reason for override in overrides for reason in override.reasons}
    kept = (hold for hold in holds if hold.count and hold.reason not in overridden)
    return tuple(sorted(kept, key=lambda hold: list(HoldReason).index(hold.reason)))
