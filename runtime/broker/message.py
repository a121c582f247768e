"""An event on its way through the Broker: attributes as text, data as the bytes that came."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eventing.codec import decode
from eventing.event import rfc3339
from shared.domain.errors import Rejected

TTL: Final = "knativebrokerttl"
TTL_MAX: Final = 255
ARRIVAL_TIME: Final = "knativearrivaltime"
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FORWARDED: Final = re.compile(r"x-request-id|retry-after|knative-.*|x-b3-.*")


@dataclass(frozen=True, slots=True)
class Message:
    """`headers` are those of the request that go on to subscribers."""

    attributes: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]

    def with_attributes(self, **changed: str) -> "Message":
        return replace(self, attributes={**self.attributes, **changed})

    def binary_headers(self, *, hidden: str = "") -> dict[str, str]:
        """Headers of a request in binary mode, without the attribute that is `hidden`."""
        headers = {f"ce-{name}": text for name, text in self.attributes.items() if name != hidden}
        if (content_type := headers.pop("ce-datacontenttype", None)) is not None:
            headers["content-type"] = content_type
        return headers


def receive(headers: Mapping[str, str], body: bytes) -> Message:
    """The event of a request or a reply; header names in lower case. Raises Rejected."""
    event = decode(headers, body)
    core = {
        "specversion": event.specversion,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": rfc3339(event.time) if event.time else None,
        "subject": event.subject,
        "datacontenttype": event.datacontenttype,
        "dataschema": event.dataschema,
    }
    attributes = {name: text for name, text in core.items() if text is not None}
    forwarded = {name: text for name, text in headers.items() if _FORWARDED.fullmatch(name)}
    return Message({**attributes, **event.extensions}, event.data, forwarded)


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether an answer claims to be an event."""
    return "ce-specversion" in headers or headers.get("content-type", "").startswith(
        "application/cloudevents"
    )


def admit(message: Message, now: datetime) -> Message:
    """The event as it enters the Broker at `now`, one hop older. Raises Rejected."""
    before = message.attributes.get(TTL, "")
    hops = int(before) - 1 if _NUMBER.fullmatch(before) else TTL_MAX
    if hops <= 0:
        raise Rejected.because(TTL, "the event went round too often")
    return message.with_attributes(**{TTL: str(hops), ARRIVAL_TIME: rfc3339(now)})
