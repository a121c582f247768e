"""Bytes ⇄ event over HTTP, binary and structured mode. The only importer of the CloudEvents SDK.

What goes out is written by the SDK. What comes in is read here, since the SDK guesses: it fills in what
is missing, takes broken JSON for text and passes data through float. Tests hold the two equal.

Header values are taken and sent as they are: Knative's brokers neither percent-encode nor decode them,
so decoding here would make two ids of one. They are expected as WSGI and ASGI servers give them, bytes
as latin-1, and read as UTF-8.
"""

from collections.abc import Mapping
from typing import Final

from eventing.event import Event, build, clip
from eventing.structured import read_json
from shared.domain.errors import Fault, Rejected

__all__ = ["Event", "attributes_of", "decode", "encode"]

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch"


def decode(headers: Mapping[str, str], body: bytes) -> Event:
    """The event of an HTTP request. Raises Rejected with every fault found; nothing is filled in.

    In binary mode `data` is the body as it is, whatever it claims to be; for structured mode see
    `eventing.structured`.
    """
    named = {name.lower(): value for name, value in headers.items()}
    content_type = named.get("content-type", "")
    media_type, _, parameters = content_type.lower().partition(";")
    media_type = media_type.strip()
    if media_type.startswith(BATCH):
        raise Rejected.because("content-type", "batch mode is not supported, send one event per request")
    if media_type.startswith("application/cloudevents"):
        _check_structured(named, media_type, parameters)
        return read_json(body)
    if any(name.startswith("ce-") for name in named):
        attributes, faults = attributes_of(named)
        return build(attributes, body, *faults)
    raise Rejected.because(
        "content-type",
        f"{clip(media_type) or 'nothing'} without ce- headers is no event: send {STRUCTURED},"
        " or its attributes as ce- headers",
    )


def encode(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event in binary mode; values that are not ASCII are to be sent as UTF-8."""
    # Here, for only what is sent needs it: it is 2 % of a cold start.
    from cloudevents.conversion import to_binary
    from cloudevents.http.event import CloudEvent

    attributes = event.attributes()
    # The SDK takes an attribute of this name for its own dictionary, and fails.
    extra = attributes.pop("extensions", None)
    outgoing = CloudEvent(attributes, event.data)
    if event.time is None:
        del outgoing["time"]
    headers, body = to_binary(outgoing, data_marshaller=lambda data: data)
    return headers | ({"ce-extensions": extra} if extra else {}), body


def attributes_of(headers: Mapping[str, str]) -> tuple[dict[str, str], tuple[Fault, ...]]:
    """The attributes that ce- headers and Content-Type hold, unchecked, and those that cannot be read."""
    found: dict[str, str] = {}
    faults: list[Fault] = []
    for header, value in headers.items():
        name = header.lower()
        if name == "content-type":
            found["datacontenttype"] = value.strip()
        elif name == "ce-datacontenttype":
            faults.append(Fault("datacontenttype", "goes into Content-Type"))
        elif name.startswith("ce-"):
            try:
                found[name[3:]] = value if value.isascii() else _utf8(value)
            except UnicodeDecodeError:
                faults.append(Fault(clip(name[3:]), "is not UTF-8"))
    return found, tuple(faults)


def _utf8(value: str) -> str:
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        return value  # decoded before
    return raw.decode()


def _check_structured(headers: Mapping[str, str], media_type: str, parameters: str) -> None:
    if media_type != STRUCTURED:
        raise Rejected.because("content-type", f"{clip(media_type)} is not supported, send {STRUCTURED}")
    if "ce-specversion" in headers:
        raise Rejected.because("content-type", f"is {STRUCTURED}, yet there are ce- headers: which is it?")
    for parameter in parameters.split(";"):
        name, _, charset = parameter.strip().partition("=")
        if name == "charset" and charset.strip('"') not in ("utf-8", "utf8"):
            raise Rejected.because("content-type", f"the charset of JSON is UTF-8, not {clip(charset)}")
