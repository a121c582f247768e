"""What is wrong with one field of a record, in words."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from eventing.usage.instants import instant
from eventing.usage.quantities import memory_bytes, nanoseconds
from eventing.usage.wire import QUANTITY_PATTERN
from eventing.usage.wrong import Wrong
from shared.domain.errors import Fault
from shared.domain.usage import (
    DURATION_NS_MAX,
    EGRESS_BYTES_MAX,
    INVOCATIONS_MAX,
    LABELS_MAX,
    TEXT_MAX,
)

_NAME_SHOWN_MAX = 64
_is_quantity = re.compile(QUANTITY_PATTERN).search


def field_faults(name: str, value: object, sound: dict[str, Any]) -> Iterator[Fault]:
    """The faults of one field; where there are none its value, in whole units, is put into `sound`."""
    if collection := _COLLECTIONS.get(name):
        faults = list(collection(name, value))
        yield from faults
        if not faults:
            sound[name] = value
    elif read := _FIELDS.get(name):
        try:
            sound[name] = read(value)
        except Wrong as wrong:
            yield Fault(name, str(wrong))
    else:
        yield Fault(shown(name), "is not a field of a usage record")


def shown(name: str) -> str:
    """A name that a sender chose, cut and escaped where it would spoil a path."""
    if 0 < len(name) <= _NAME_SHOWN_MAX and name.isprintable():
        return name
    return ascii(name[:_NAME_SHOWN_MAX])


def _text(value: object) -> str:
    if value is None:
        raise Wrong("must be text, not null: leave it out instead")
    if not isinstance(value, str):
        raise Wrong("must be text")
    if len(value) > TEXT_MAX:
        raise Wrong(f"must have at most {TEXT_MAX} characters")
    if "\0" in value:
        raise Wrong("holds a NUL character")
    return value


def _name(value: object) -> str:
    if value == "":
        raise Wrong("must not be empty")
    return _text(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def _whole(at_most: int | None) -> Callable[[object], int]:
    def read(value: object) -> int:
        if type(value) is not int:
            raise Wrong("must be a whole number, without quotes, point or exponent")
        if value < 0:
            raise Wrong("must not be negative")
        if at_most is not None and value > at_most:
            raise Wrong(f"must be at most {at_most}")
        return value

    return read


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise Wrong("must be an RFC 3339 time in quotes, such as 2025-10-15T12:00:00Z")
    return instant(value)


def _quantity(value: object) -> str:
    if not isinstance(value, str) or not _is_quantity(value):
        raise Wrong('must be a decimal number in quotes such as "12.5", of up to 20 digits and 18 decimals')
    return value


def _entries(check: Callable[[object], object]) -> Callable[[str, object], Iterator[Fault]]:
    def faults(field: str, value: object) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault(field, "must be an object")
            return
        if len(value) > LABELS_MAX:
            yield Fault(field, f"must have at most {LABELS_MAX} entries")
        for name, entry in value.items():
            yield from _complaint(f"{field}.{shown(name)}", _name, name, "its name ")
            yield from _complaint(f"{field}.{shown(name)}", check, entry)

    return faults


def _durations(field: str, value: object) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(field, "must be a list of whole numbers")
        return
    for position, entry in enumerate(value):
        yield from _complaint(f"{field}[{position}]", _duration, entry)


def _complaint(
    path: str, check: Callable[[object], object], value: object, subject: str = ""
) -> Iterator[Fault]:
    try:
        check(value)
    except Wrong as wrong:
        yield Fault(path, f"{subject}{wrong}")


_count = _whole(INVOCATIONS_MAX)
_duration = _whole(DURATION_NS_MAX)
_FIELDS: Mapping[str, Callable[[object], object]] = {
    "timestamp": _instant,
    "service_name": _name,
    "revision": _name,
    "invocations": _count,
    "duration_seconds": nanoseconds,
    "memory_mb": memory_bytes,
    "cold_start": _flag,
    "namespace": _name,
    "request_id": _name,
    "duration_ns": _whole(None),
    "cpu_seconds": nanoseconds,
    "egress_bytes": _whole(EGRESS_BYTES_MAX),
    "errors": _count,
    "cold_starts": _count,
    "started_at": _instant,
    "provisioned_seconds": nanoseconds,
    "tenant_id": _name,
}
_COLLECTIONS: Mapping[str, Callable[[str, object], Iterator[Fault]]] = {
    "labels": _entries(_text),
    "quantities": _entries(_quantity),
    "durations_ns": _durations,
}
