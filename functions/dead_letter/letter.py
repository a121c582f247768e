"""The letter in a request of a broker's dead-letter sink."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Final

from eventing.codec import attributes_of, decode
from shared.domain.dead_letters import DeadLetter
from shared.domain.errors import Rejected

DESTINATION: Final = "knativeerrordest"
STATUS: Final = "knativeerrorcode"
ANSWER: Final = "knativeerrordata"
UNREADABLE_MAX: Final = 1_000
NO_ANSWER: Final = "the broker had no answer that it understands, or none in time"


def read(headers: Mapping[str, str], body: bytes) -> DeadLetter:
    """The letter, whatever it is: what cannot be read as an event is kept as it came.

    The three attributes that name the error are absent after a timeout or an answer that was no event.
    """
    try:
        event = decode(headers, body)
        attributes, data, unreadable = event.attributes(), event.data, ""
    except Rejected as refusal:
        attributes, data = attributes_of(headers)[0], body
        unreadable = f"; not a readable event: {refusal}"[:UNREADABLE_MAX]
    destination = attributes.pop(DESTINATION, "")
    status = attributes.pop(STATUS, "")
    answer = _answer(attributes.pop(ANSWER, ""))
    where = f"{status or 'no status'} from {destination or 'an unnamed destination'}"
    said = ": ".join(part for part in (where, answer) if part)
    return DeadLetter(
        attributes=attributes,
        data=data,
        reason=(said if destination or status or answer else NO_ANSWER) + unreadable,
        destination=destination,
        status=status,
        answer=answer,
    )


def _answer(encoded: str) -> str:
    """What the destination answered; brokers send its first bytes in base64, or, if they do not, the text."""
    try:
        return b64decode(encoded, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return encoded
