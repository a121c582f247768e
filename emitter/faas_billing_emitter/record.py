"""One usage record: what is checked at the door, and its exact text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from faas_billing_emitter.cloudevent import rfc3339

NS_PER_S = 10**9
AHEAD_NS_MAX = 300 * NS_PER_S
EARLIEST_NS = 946_684_800 * NS_PER_S
"""The year 2000: what lies before is a clock that was never set."""
INVOCATIONS_MAX = 10**9
DURATION_NS_MAX = 7 * 86_400 * NS_PER_S
"""Per invocation: seven days."""
MEMORY_MB_MAX = 1_048_576
LABELS_MAX = 64
TEXT_MAX = 256
INT64_MAX = 2**63 - 1
DECIMALS_MAX = 40
"""Of a fraction of a MiB; one byte is exact in 20."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Record:
    """Invocations of one revision that ended at `timestamp_ns` (Unix time).

    `duration_ns`, `cpu_ns` and `egress_bytes` are totals of the record; `memory_mb` (MiB) is what one
    invocation held. A float is taken by its shortest decimal text; an empty text is not sent.
    """

    service_name: str
    revision: str
    timestamp_ns: int
    duration_ns: int
    memory_mb: int | Decimal | float
    invocations: int = 1
    cold_start: bool = False
    errors: int = 0
    cpu_ns: int = 0
    egress_bytes: int = 0
    labels: Mapping[str, str] | None = None
    namespace: str | None = None
    request_id: str | None = None

    def faults(self, now_ns: int) -> list[str]:
        """What a receiver would refuse at `now_ns`, each as "field: reason"; nothing where it is good."""
        return [
            *_name_faults("service_name", self.service_name),
            *_name_faults("revision", self.revision),
            *(_name_faults("namespace", self.namespace) if self.namespace else ()),
            *(_name_faults("request_id", self.request_id) if self.request_id else ()),
            *_count_faults("timestamp_ns", self.timestamp_ns, now_ns + AHEAD_NS_MAX, least=EARLIEST_NS),
            *self._quantity_faults(),
            *_memory_faults(self.memory_mb),
            *_label_faults(self.labels),
        ]

    def _quantity_faults(self) -> list[str]:
        faults = _count_faults("invocations", self.invocations, INVOCATIONS_MAX)
        n = INVOCATIONS_MAX if faults else self.invocations
        return [
            *faults,
            *_count_faults("duration_ns", self.duration_ns, n * DURATION_NS_MAX),
            *_count_faults("errors", self.errors, n),
            *([] if isinstance(self.cold_start, bool) else ["cold_start: not a bool"]),
            *(["cold_start: without an invocation"] if self.cold_start and not n else []),
            *_count_faults("cpu_ns", self.cpu_ns, INT64_MAX),
            *_count_faults("egress_bytes", self.egress_bytes, INT64_MAX),
        ]

    def text(self) -> bytes:
        """The record as one line of JSON, its numbers exact. Only for a record without faults."""
        fields: dict[str, Any] = {"timestamp": rfc3339(self.timestamp_ns), "service_name": self.service_name}
        fields |= {
            "revision": self.revision,
            "invocations": self.invocations,
            "duration_ns": self.duration_ns,
        }
        fields["cold_start"] = self.cold_start
        optional = {
            "errors": self.errors,
            "egress_bytes": self.egress_bytes,
            "labels": dict(self.labels or {}),
            "namespace": self.namespace,
            "request_id": self.request_id,
        }
        fields |= {name: value for name, value in optional.items() if value}
        exact = f',"memory_mb":{abs(_decimal(self.memory_mb)):f}'
        if self.cpu_ns:
            exact += f',"cpu_seconds":{self.cpu_ns // NS_PER_S}.{self.cpu_ns % NS_PER_S:09d}'
        return f"{_encode(fields)[:-1]}{exact}}}".encode()


def _name_faults(field: str, value: object) -> list[str]:
    if not isinstance(value, str):
        return [f"{field}: not text"]
    if not value:
        return [f"{field}: empty"]
    return _text_faults(field, value)


def _text_faults(field: str, value: str) -> list[str]:
    if len(value) > TEXT_MAX:
        return [f"{field}: more than {TEXT_MAX} characters"]
    if "\0" in value:
        return [f"{field}: holds a NUL"]
    return [] if _is_unicode(value) else [f"{field}: holds half a surrogate pair"]


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _count_faults(field: str, value: object, most: int, *, least: int = 0) -> list[str]:
    if not isinstance(value, int) or isinstance(value, bool):
        return [f"{field}: not a whole number"]
    if value < least:
        return [f"{field}: less than {least}"]
    return [f"{field}: more than {most}"] if value > most else []


def _memory_faults(value: object) -> list[str]:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return ["memory_mb: not a number"]
    number = _decimal(value)
    if not number.is_finite():
        return ["memory_mb: not finite"]
    if number < 0:
        return ["memory_mb: less than 0"]
    if number > MEMORY_MB_MAX:
        return [f"memory_mb: more than {MEMORY_MB_MAX}"]
    exponent = number.as_tuple().exponent
    return ["memory_mb: too many decimals"] if isinstance(exponent, int) and exponent < -DECIMALS_MAX else []


def _decimal(value: int | float | Decimal) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _label_faults(labels: object) -> list[str]:
    if labels is None:
        return []
    if not isinstance(labels, Mapping):
        return ["labels: not a mapping"]
    if len(labels) > LABELS_MAX:
        return [f"labels: more than {LABELS_MAX}"]
    return [fault for name, value in labels.items() for fault in _label_pair_faults(name, value)]


def _label_pair_faults(name: object, value: object) -> list[str]:
    if not isinstance(value, str):
        return ["labels: a value is not text"]
    return [*_name_faults("labels: a name", name), *_text_faults("labels: a value", value)]
