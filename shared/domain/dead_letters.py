"""Events that could not be delivered, why, and what people do about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

CORRECTS: Final = "corrects"
"""The attribute of a corrected event that names the id of the event in whose place it stands."""
FROM_BROKERS: Final = "knative"
"""What the names of attributes begin with that brokers add on the way."""
ARRIVAL: Final = "knativearrivaltime"
REPEATED: Final = frozenset({"404", "408", "409", "429"})
"""Answers besides 5xx after which a Broker repeats, for they may be of a gateway, or of a moment."""
DRAINS_MAX: Final = 10
"""Times that a letter is drained in vain before it is left to people."""


def is_transient(status: str) -> bool:
    """Whether it may be no fault of the event's that a delivery failed: what a Broker repeats may pass."""
    return status == "" or status in REPEATED or (len(status) == 3 and status.startswith("5"))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event as it was sent, and what became of its delivery.

    `attributes` are all that it came with, those that brokers add on the way included; `data` is verbatim.
    `destination` is the URL that did not take it, `status` and `answer` what it said; they are empty where
    the broker had no answer that it understands. `reason` says it all in one line, for people.
    """

    attributes: Mapping[str, str]
    data: bytes = field(repr=False)
    reason: str
    destination: str = ""
    status: str = ""
    answer: str = ""

    @property
    def type(self) -> str:
        return self.attributes.get("type", "")


class LetterState(StrEnum):
    """What has become of a letter.

    waiting → replayed, corrected or dropped, by people; replayed → waiting where the event fails again;
    replayed and dropped → replayed. What was corrected stays so: its event must not count beside the
    corrected one.
    """

    WAITING = "waiting"
    REPLAYED = "replayed"
    CORRECTED = "corrected"
    DROPPED = "dropped"


REPLAYABLE: Final = frozenset({LetterState.WAITING, LetterState.REPLAYED, LetterState.DROPPED})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a destination did not take an event, the last time; `count` is how often it did not, in all.

    The texts are cut where they are very long.
    """

    destination: str
    status: str
    answer: str
    reason: str
    failed_at: datetime
    count: int

    @property
    def is_transient(self) -> bool:
        return is_transient(self.status)


@dataclass(frozen=True, slots=True)
class LetterEntry:
    """A letter as a list shows it: everything but all its attributes and its data.

    One event is one letter, however often and wherever it fails: `failures` counts how often a broker gave
    it up, and `failed_at`, `reason`, `destination`, `status` and `answer` are of the last time.
    `destinations` has the last failure of each destination, the newest first, of those since the event was
    last sent again: what became of earlier ones is not known unless they fail again. Of very many some are
    left out, the oldest that is not transient first, and `left_out` counts them.

    `replays` counts how often it was sent again; `drains`, how often it was drained and failed all the same,
    or could not be sent though others could, since people last sent it. `corrects` and `corrected_by` are
    the ids of the letters that it stands in the place of, and that stands in its place.
    """

    id: str
    state: LetterState
    received_at: datetime
    failed_at: datetime
    failures: int
    replays: int
    type: str
    tenant: str
    source: str
    event_id: str
    data_bytes: int
    reason: str
    destination: str
    status: str
    answer: str
    corrects: str = ""
    corrected_by: str = ""
    drains: int = 0
    destinations: tuple[Failure, ...] = ()
    left_out: int = 0

    @property
    def is_transient(self) -> bool:
        """Whether it waits for something that was away, whatever else it waits for.

        One destination that failed so is enough: it may be the one that counts usage. A correction that
        could not be sent waits so too.
        """
        if self.state is not LetterState.WAITING:
            return False
        return self.failures == 0 or any(failure.is_transient for failure in self.destinations)

    @property
    def is_exhausted(self) -> bool:
        """Whether it would be drained, had that not been in vain too often."""
        return self.is_transient and self.drains >= DRAINS_MAX

    @property
    def statuses(self) -> tuple[str, ...]:
        """What the destinations answered that have not taken it, the newest answer first."""
        return tuple(dict.fromkeys((self.status, *(failure.status for failure in self.destinations))))


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter in the store, whole."""

    entry: LetterEntry
    letter: DeadLetter

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def received_at(self) -> datetime:
        return self.entry.received_at


@dataclass(frozen=True, slots=True)
class LetterAction:
    """One line of a letter's history, which is only ever added to: who did what to it, when and why."""

    at: datetime
    by: str
    action: str
    note: str


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; None does not filter. `tenants` are all the names the wanted tenant goes by; `status`
    is that of any destination, and empty for those that gave none."""

    state: LetterState | None = None
    tenants: frozenset[str] | None = None
    type: str | None = None
    status: str | None = None
    is_exhausted: bool | None = None

    def takes(self, entry: LetterEntry) -> bool:
        return (
            self.state in (None, entry.state)
            and (self.tenants is None or entry.tenant in self.tenants)
            and self.type in (None, entry.type)
            and (self.status is None or self.status in entry.statuses)
            and self.is_exhausted in (None, entry.is_exhausted)
        )


def event_attributes(attributes: Mapping[str, str], received_at: datetime) -> dict[str, str]:
    """The attributes to send an event with again: its own.

    An event without a time counts when it arrives, so it gets the time of its first arrival.
    """
    own = {name: text for name, text in attributes.items() if not name.startswith(FROM_BROKERS)}
    if not own.get("time"):
        own["time"] = (_instant(attributes.get(ARRIVAL, "")) or received_at.astimezone(UTC)).isoformat()
    return own


def _instant(text: str) -> datetime | None:
    """As UTC; None where it has no offset or is outside years 1 to 9999, as a sender may write it."""
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
