"""Dead letters on the wire."""

from base64 import b64encode
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Input, Page, PageQuery, TenantRef, Text, Time
from functions.billing_api.schemas.problem import FieldError
from shared.domain.dead_letters import Failure, LetterEntry, LetterState
from shared.domain.errors import Fault
from shared.service.triage import DRAIN_MAX, ShownLetter
from shared.service.triage import Replayed as DomainReplayed

DATA_SHOWN_BYTES_MAX = 1024 * 1024
FAULTS_MAX, TEXT_MAX = 1_000, 512
NO_STATUS = "none"
_NAMED_OTHERWISE = {"tenant_id", "exhausted", "destinations", "destinations_left_out"}
_Status = Annotated[
    str,
    Field(
        pattern=r"^([1-5][0-9][0-9]|none)$",
        description="What any destination answered the Broker; none where one did not answer in time.",
    ),
]
_Letters = Annotated[int, Field(ge=1, le=DRAIN_MAX)]


class LetterChoice(Input):
    """Which letters. A tenant goes by any of its names, where the database is there to tell them."""

    tenant_id: TenantRef | None = None
    type: Text | None = None
    status: _Status | None = None
    exhausted: bool | None = None


class DeadLetterQuery(PageQuery, LetterChoice):
    state: LetterState | None = None
    order: Literal["newest", "oldest"] = "newest"


class ReplayChoice(LetterChoice):
    """Waiting letters to send again, the oldest first."""

    limit: _Letters = 100
    cursor: Annotated[
        str | None, Field(max_length=512, description="The next_cursor of the answer before.")
    ] = None


class Drain(Input):
    limit: _Letters = DRAIN_MAX


class ReplayNote(Input):
    note: Annotated[str, Field(max_length=256, description="For the letter's history.")] = ""


class Drop(Input):
    reason: Text


class LetterPath(Input):
    letter: Annotated[str, Field(description="The letter's id.")]


class CorrectionRequest(Input):
    """What to send in the place of the event, with a new id: the data, or attributes, or both, changed."""

    data: Annotated[Any, Field(description="JSON data, taken as it is written here.")] = None
    data_base64: Annotated[str | None, Field(description="Data that is not JSON.")] = None
    attributes: Annotated[
        dict[str, str | None],
        Field(description="Attributes to change, such as tenantid; null takes one away."),
    ] = {}
    reason: Text


class FailedDestination(Answer):
    """What a destination said the last time, and how often it has failed in all; long texts are cut."""

    destination: str | None
    status: str | None
    answer: str
    reason: str
    failed_at: Time
    count: int

    @classmethod
    def of(cls, failure: Failure) -> Self:
        return cls(
            destination=failure.destination or None,
            status=failure.status or None,
            answer=failure.answer,
            reason=failure.reason,
            failed_at=failure.failed_at,
            count=failure.count,
        )


class DeadLetter(Answer):
    """An event that could not be delivered.

    `failures` counts how often a Broker gave it up, with `reason`, `status` and `destination` of the last
    time; `destinations` has each destination that failed since the event was last sent, the newest first,
    and `destinations_left_out` counts those that there was no room for. `replays` counts how often it was
    sent again, `drains` how often the drain did so in vain; `exhausted`: the drain leaves it to people now.
    One that failed again after a replay waits again. `corrects` and `corrected_by` are the ids of letters.
    """

    id: str
    state: LetterState
    received_at: Time
    failed_at: Time
    failures: int
    replays: int
    drains: int
    exhausted: bool
    type: str
    tenant_id: Annotated[str, Field(description="As the sender wrote it.")]
    source: str
    event_id: str
    data_bytes: int
    reason: str
    status: str | None
    destination: str | None
    destinations: list[FailedDestination]
    destinations_left_out: int
    corrects: str | None
    corrected_by: str | None

    @classmethod
    def of(cls, entry: LetterEntry) -> Self:
        return cls.model_validate(_fields(entry))


class DeadLetterList(Page[DeadLetter]):
    """Letters in the order of their arrival. Among very many a page may hold few of those asked for, or
    none, and still lead on."""


class LetterAction(Answer):
    """Who did what to a letter, when and why."""

    at: Time
    by: str
    action: str
    note: str


class ShownDeadLetter(DeadLetter):
    """A letter whole: what the Broker was answered, and beside it all that is wrong with the event now.

    `answer` is the function's own, of which a Broker keeps the first bytes; `faults` are found anew by the
    same checks, of many the first 1,000. Not `checked`: the database is away, or nothing here takes events
    of this type. `counted`: the event has been counted, replaying it changes nothing. `data` is text where
    it can be, else `data_base64` holds it; of more than 1 MiB the beginning.
    """

    attributes: dict[str, str]
    data: str | None
    data_base64: str | None
    answer: str
    checked: bool
    counted: bool
    faults: list[FieldError]
    fault_count: int
    history: list[LetterAction]

    @classmethod
    def shown(cls, shown: ShownLetter) -> Self:
        letter, examination = shown.kept.letter, shown.examination
        text, encoded = _data(letter.data)
        return cls(
            **_fields(shown.kept.entry),
            attributes=dict(letter.attributes),
            data=text,
            data_base64=encoded,
            answer=letter.answer,
            checked=examination.is_complete,
            counted=examination.is_counted,
            faults=[_fault(fault) for fault in examination.faults[:FAULTS_MAX]],
            fault_count=examination.total,
            history=[LetterAction.model_validate(action) for action in shown.history],
        )


class Correction(Answer):
    """The letter as it is now, and the letter of the event in its place."""

    letter: DeadLetter
    correction: DeadLetter


class RefusedReplay(Answer):
    """A letter that was not sent, and why."""

    id: str
    reason: str


class Replayed(Answer):
    """How many letters were sent. `stopped`: the Broker takes no more for now, ask again later.

    `exhausted`: how many the drain came across that it leaves to people, having sent them too often in vain.
    """

    replayed: int
    refused: list[RefusedReplay]
    stopped: bool
    exhausted: int
    next_cursor: str | None

    @classmethod
    def of(cls, replayed: DomainReplayed, next_cursor: str | None) -> Self:
        return cls(
            replayed=replayed.replayed,
            refused=[RefusedReplay.model_validate(refusal) for refusal in replayed.refused],
            stopped=replayed.stopped is not None,
            exhausted=replayed.exhausted,
            next_cursor=next_cursor,
        )


def _fields(entry: LetterEntry) -> dict[str, Any]:
    own = {name: getattr(entry, name) for name in DeadLetter.model_fields.keys() - _NAMED_OTHERWISE}
    return {
        **own,
        **{name: own[name] or None for name in ("status", "destination", "corrects", "corrected_by")},
        "tenant_id": entry.tenant,
        "exhausted": entry.is_exhausted,
        "destinations": [FailedDestination.of(failure) for failure in entry.destinations],
        "destinations_left_out": entry.left_out,
    }


def _fault(fault: Fault) -> FieldError:
    """Half surrogate pairs, which a sender may have written into a name, cannot be answered."""
    field, message = (text[:TEXT_MAX].encode(errors="replace").decode() for text in fault)
    return FieldError(field=field, message=message)


def _data(data: bytes) -> tuple[str | None, str | None]:
    shown = data[:DATA_SHOWN_BYTES_MAX]
    try:
        data.decode()
    except UnicodeDecodeError:
        return None, b64encode(shown).decode()
    return shown.decode(errors="ignore"), None
