"""An event on its way through the Broker: attributes as text, data as the bytes that came."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec

from eventing.codec import decode
from eventing.event import rfc3339
from shared.domain.errors import Rejected

TTL: Final = "knativebrokerttl"
TTL_MAX: Final = 255
UNSAID: Final = "text/plain; charset=utf-8"
ARRIVAL_TIME: Final = "knativearrivaltime"
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FORWARDED: Final = re.compile(r"x-request-id|retry-after|knative-.*|x-b3-.*")
_FORWARDED_OF_REPLY: Final = re.compile(r"x-request-id|knative-.*")
_JSON: Final = frozenset({"", "application/json", "text/json"})
_json: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class Message:
    """`headers` are those of the request that go on to subscribers."""

    attributes: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]

    def with_attributes(self, **changed: str) -> "Message":
        return replace(self, attributes={**self.attributes, **changed})

    def without(self, name: str) -> "Message":
        return replace(self, attributes={key: text for key, text in self.attributes.items() if key != name})

    def binary_headers(self) -> dict[str, str]:
        """Headers of a request in binary mode; the body is the data."""
        headers = {f"ce-{name}": text for name, text in self.attributes.items()}
        if (content_type := headers.pop("ce-datacontenttype", None)) is not None:
            headers["content-type"] = content_type
        return headers

    def structured(self) -> bytes:
        """The event as one JSON object, its data number for number. Raises ValueError where data is not
        what `datacontenttype` says."""
        if not self.body:
            return msgspec.json.encode(self.attributes)
        media_type = self.attributes.get("datacontenttype", "").partition(";")[0].strip().lower()
        data = _json.decode(self.body) if media_type in _JSON else self.body.decode()
        return msgspec.json.encode({**self.attributes, "data": data})


def receive(headers: Mapping[str, str], body: bytes, forwarded: "re.Pattern[str]" = _FORWARDED) -> Message:
    """The event of a request; header names in lower case. Raises Rejected."""
    event = decode(headers, body)
    kept = {name: text for name, text in headers.items() if forwarded.fullmatch(name)}
    return Message(event.attributes(), event.data, kept)


def receive_reply(headers: Mapping[str, str], body: bytes) -> Message:
    """The event of an answer, whose data is text where it does not say what it is. Raises Rejected."""
    reply = receive(headers, body, _FORWARDED_OF_REPLY)
    if not reply.body or "datacontenttype" in reply.attributes:
        return reply
    return reply.with_attributes(datacontenttype=UNSAID)


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether an answer claims to be an event."""
    media_type = headers.get("content-type", "").lower()
    return "ce-specversion" in headers or media_type.startswith("application/cloudevents")


def admit(message: Message, now: datetime) -> Message:
    """The event as it enters the Broker at `now`, one hop older. Raises Rejected."""
    before = message.attributes.get(TTL, "")
    hops = int(before) - 1 if _NUMBER.fullmatch(before) else TTL_MAX
    if hops <= 0:
        raise Rejected.because(TTL, "the event went round too often")
    return message.with_attributes(**{TTL: str(hops), ARRIVAL_TIME: rfc3339(now)})
