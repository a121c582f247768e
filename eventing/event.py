"""An event, and what makes one valid: CloudEvents 1.0 (and 0.3) as Knative's brokers take it."""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from eventing.types import SEQUENCE, TENANT_ID
from shared.domain.batches import NUMBER_MAX
from shared.domain.errors import Fault, Rejected

SPEC_VERSIONS: Final = ("1.0", "0.3")
REQUIRED: Final = ("specversion", "id", "source", "type")
CORE: Final = frozenset((*REQUIRED, "time", "subject", "datacontenttype", "dataschema"))
RESERVED: Final = frozenset(("data", "data_base64"))
ATTRIBUTE_BYTES_MAX: Final = 4_096
EXTENSIONS_MAX: Final = 64
"""Together they keep an event's headers below what HTTP servers take, so that it can be delivered."""

_NAME = re.compile(r"[a-z0-9]+")
_JSON = re.compile(r"\s*[\w.+-]+/([\w.+-]+\+)?json\s*(;.*)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,64}")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `time` is UTC, cut to microseconds; `data` is what was sent, byte for byte.

    Extensions are text, as they are on the wire, under lower-case names. An empty optional attribute is
    an absent one.
    """

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    data: bytes = field(default=b"", repr=False)

    def attributes(self) -> dict[str, str]:
        """All attributes that are there, as text by name, `time` as RFC 3339 in UTC."""
        core = {
            "specversion": self.specversion,
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": rfc3339(self.time) if self.time else None,
            "subject": self.subject,
            "datacontenttype": self.datacontenttype,
            "dataschema": self.dataschema,
        }
        return {name: text for name, text in core.items() if text} | dict(self.extensions)


def build(attributes: Mapping[str, str], data: bytes, *known: Fault) -> Event:
    """The event of these attributes (lower-case names). Raises Rejected with every fault, `known` first."""
    faults = [*known, *_faults(attributes, {fault.field for fault in known})]
    time = None
    if "time" in attributes and (time := instant(attributes["time"])) is None:
        faults.append(Fault("time", f"{clip(attributes['time'])} is not an RFC 3339 time with an offset"))
    if faults:
        raise Rejected(*faults)
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        specversion=attributes["specversion"],
        time=time,
        subject=attributes.get("subject") or None,
        datacontenttype=attributes.get("datacontenttype") or None,
        dataschema=attributes.get("dataschema") or None,
        extensions={name: value for name, value in attributes.items() if value and name not in CORE},
        data=data,
    )


def _faults(attributes: Mapping[str, str], unreadable: Set[str]) -> Iterator[Fault]:
    for name in REQUIRED:
        if name in attributes:
            # Some servers (granian) hand over an empty text for a header that is not ASCII.
            if not attributes[name].strip():
                yield Fault(name, "is empty (in a header, percent-encode what is not ASCII)")
        elif name not in unreadable:
            yield Fault(name, "is missing")
    version = attributes.get("specversion", "").strip()
    if version and version not in SPEC_VERSIONS:
        yield Fault("specversion", f"{clip(version)} is not supported, send 1.0")
    for name, value in attributes.items():
        if not _is_plain(name, value):
            yield from _attribute_faults(name, value)
    if len(attributes.keys() - CORE) > EXTENSIONS_MAX:
        yield Fault("extensions", f"are more than {EXTENSIONS_MAX}")


def _is_plain(name: str, value: str) -> bool:
    """Whether it needs no closer look: nearly every attribute of nearly every event."""
    if not (name.isalnum() and name.isascii() and name not in RESERVED):
        return False
    return value.isascii() and value.isprintable() and len(value) <= ATTRIBUTE_BYTES_MAX


def _attribute_faults(name: str, value: str) -> Iterator[Fault]:
    if name in RESERVED:
        yield Fault(name, "cannot be the name of an attribute")
    elif not _NAME.fullmatch(name):
        yield Fault(clip(name), "is not a name of an attribute: letters a-z and digits only")
    if _UNFIT.search(value):
        yield Fault(clip(name), "has a control character or half a surrogate pair")
    elif len(value) > ATTRIBUTE_BYTES_MAX or len(value.encode()) > ATTRIBUTE_BYTES_MAX:
        yield Fault(clip(name), f"is longer than {ATTRIBUTE_BYTES_MAX} bytes")


def tenant_of(event: Event, type: str) -> str:
    """The tenant that an event of `type` names. Raises Rejected where it is another or names none."""
    faults = []
    if event.type != type:
        faults.append(Fault("type", f"must be {type}"))
    if not (tenant_ref := event.extensions.get(TENANT_ID, "")):
        faults.append(Fault(TENANT_ID, "is missing"))
    if faults:
        raise Rejected(*faults)
    return tenant_ref


def check_source(event: Event, source: str) -> None:
    """Raises Rejected where the event is from elsewhere."""
    if event.source != source:
        raise Rejected.because("source", f"{clip(event.source)} is not {source}")


def json_of(event: Event) -> bytes:
    """The data of an event that says it is JSON, or says nothing. Raises Rejected where it says otherwise."""
    declared = event.datacontenttype
    if declared is not None and not _JSON.fullmatch(declared):
        raise Rejected.because("datacontenttype", f"{clip(declared)} is not application/json")
    return event.data


def sequence_of(event: Event) -> int | None:
    """The number, from 1 on, that the sender gave this event of its source; None where it numbers none.

    Others use this extension for texts that merely sort, so what is no such number is no fault.
    """
    text = event.extensions.get(SEQUENCE, "")
    number = int(text) if _WHOLE.fullmatch(text) else 0
    return number if 0 < number <= NUMBER_MAX else None


def instant(text: str) -> datetime | None:
    """An RFC 3339 time as UTC, cut to microseconds; None where it is none, or outside years 1 to 9999."""
    if (match := _RFC3339.fullmatch(text)) is None:
        return None
    whole, fraction, offset = match.groups()
    try:
        time = datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6]:0<6}{offset}")
        return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def rfc3339(time: datetime) -> str:
    """A time with an offset as RFC 3339 in UTC, with `Z`."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def clip(text: str, length: int = 64) -> str:
    """A sender's text for a message: short, and harmless in a log."""
    return ascii(text if len(text) <= length else text[:length] + "…")[1:-1]
