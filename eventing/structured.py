"""The JSON event format, read: one JSON object that holds the attributes and the data of an event."""

import binascii
from base64 import b64decode
from typing import Final

import msgspec

from eventing.event import CORE, RESERVED, Event, build, clip
from shared.domain.errors import Fault, Rejected

INTEGER_MIN: Final = -(2**31)
INTEGER_MAX: Final = 2**31 - 1

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


def read_json(body: bytes) -> Event:
    """The event that a JSON object holds. Raises Rejected with every fault found.

    `data` stays the text that was sent, number for number; it is the content of the string where
    `datacontenttype` is not JSON, and `data_base64` is decoded. Of a member given twice the last counts,
    as in the brokers; a member that is null is absent.
    """
    members = _object(body)
    attributes: dict[str, str] = {}
    faults: list[Fault] = []
    for member in (name for name in members if name not in RESERVED):
        name = member.lower()
        try:
            if name in attributes:
                raise ValueError("is given twice")
            if (value := _attribute(name, bytes(members[member]))) is not None:
                attributes[name] = value
        except ValueError as error:
            faults.append(Fault(clip(name), str(error)))
    try:
        data = _data(members, attributes)
    except ValueError as error:
        data = b""
        faults.append(Fault("data_base64" if "data_base64" in members else "data", str(error)))
    return build(attributes, data, *faults)


def _object(body: bytes) -> dict[str, bytes]:
    """The members of a JSON object, each as its text."""
    try:
        body.decode()
        return {name: bytes(text) for name, text in _members.decode(body).items()}
    except UnicodeDecodeError as error:
        raise Rejected.because("body", f"is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise Rejected.because("body", "is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise Rejected.because("body", f"is not a JSON object: {error}") from error


def _attribute(name: str, text: bytes) -> str | None:
    """An attribute's JSON value as it goes on in a header; None for null. Raises ValueError."""
    if text == b"null":
        return None
    if text.startswith(b'"'):
        return _text.decode(text)
    if name in CORE:
        raise ValueError("is not a string")
    if text[:1] in b"[{":
        raise ValueError("is neither text, a number nor a boolean")
    if text.lstrip(b"-").isdigit() and not _fits(text):
        raise ValueError("is an integer of more than 32 bits, send it as a string")
    return text.decode()


def _fits(integer: bytes) -> bool:
    return len(integer) <= len(str(INTEGER_MIN)) and INTEGER_MIN <= int(integer) <= INTEGER_MAX


def _data(members: dict[str, bytes], attributes: dict[str, str]) -> bytes:
    """The data of the event. Raises ValueError."""
    encoded, plain = members.get("data_base64"), members.get("data")
    if encoded is not None and plain is not None:
        raise ValueError("comes together with data")
    if encoded is not None:
        return _base64(encoded)
    if plain is None:
        return b""
    if attributes.get("specversion") == "0.3" and "datacontentencoding" in attributes:
        if attributes.pop("datacontentencoding") != "base64":
            raise ValueError("datacontentencoding can only be base64")
        return _base64(plain)
    if _is_json(attributes.get("datacontenttype", "")):
        return plain
    if not plain.startswith(b'"'):
        raise ValueError("is not a string, though datacontenttype is not JSON")
    return _text.decode(plain).encode()


def _base64(text: bytes) -> bytes:
    try:
        return b64decode(_text.decode(text), validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise ValueError("is not a base64 string") from error


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return not media_type or media_type.endswith(("/json", "+json"))
