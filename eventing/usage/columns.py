"""From records as they are sent to columns: the hot path of batches, for what nearly everybody sends.

Each check is one of a whole column, in C; what is not usual, or wrong, is read record by record.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from msgspec import UNSET

from eventing.usage.convert import Arrival
from eventing.usage.instants import instant
from eventing.usage.quantities import memory_bytes, nanoseconds
from eventing.usage.wire import Record
from eventing.usage.wrong import Wrong
from shared.domain.usage import (
    CPU_NS_MAX,
    DEFAULT_NAMESPACE,
    DEFAULT_REVISION,
    DURATION_NS_MAX,
    EARLIEST,
    MEMORY_BYTES_MAX,
)
from shared.domain.usage_columns import Counts, UsageColumns
from shared.domain.windows import window_number

RECORDS_MIN: Final = 8
"""Of fewer, columns take longer than records."""

_columns = attrgetter(
    "timestamp",
    "service_name",
    "namespace",
    "revision",
    "invocations",
    "duration_ns",
    "duration_seconds",
    "memory_mb",
    "cold_start",
    "errors",
    "cpu_seconds",
    "egress_bytes",
)
_unusual = attrgetter("durations_ns", "cold_starts", "started_at", "provisioned_seconds")
_NOTHING_UNUSUAL: Final = (UNSET, UNSET, UNSET, UNSET)
_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_SPELLINGS: Final = frozenset(
    (b"0000-00-00T00:00:00Z", b"0000-00-00T00:00:00.000Z", b"0000-00-00T00:00:00.000000Z")
)
_MIB: Final = 2**20
_MEMORY_MIB_MAX: Final = MEMORY_BYTES_MAX // _MIB


def columns_of(sent: Sequence[Record], arrival: Arrival) -> UsageColumns | None:
    """The records in whole units; None where some are unusual, or wrong: then each is looked at."""
    if len(sent) < RECORDS_MIN or list(map(_unusual, sent)).count(_NOTHING_UNUSUAL) != len(sent):
        return None
    try:
        return _columns_of(sent, arrival)
    except (Wrong, ValueError, TypeError, ArithmeticError):
        return None


def _columns_of(sent: Sequence[Record], arrival: Arrival) -> UsageColumns | None:
    times, services, namespaces, revisions, counts, ns, seconds, memory, cold, errors, cpu, egress = zip(
        *map(_columns, sent), strict=True
    )
    windows = _windows(times, arrival)
    durations_ns = _durations_ns(ns, seconds)
    cpu_ns = [0 if of is UNSET else nanoseconds(of) for of in cpu]
    failed = [of or 0 for of in errors]
    if (
        windows is None
        or durations_ns is None
        or not {1, UNSET}.issuperset(counts)
        or max(durations_ns) > DURATION_NS_MAX
        or max(failed) > 1
        or max(cpu_ns) > CPU_NS_MAX
    ):
        return None
    return UsageColumns(
        timestamps=times,
        windows=windows,
        namespaces=[of or DEFAULT_NAMESPACE for of in namespaces],
        service_names=services,
        revisions=[of or DEFAULT_REVISION for of in revisions],
        counts=Counts(
            durations_ns,
            _memories_bytes(memory),
            [1 if of is True else 0 for of in cold],
            failed,
            cpu_ns,
            [of or 0 for of in egress],
        ),
    )


def _windows(times: Sequence[Any], arrival: Arrival) -> list[int] | None:
    """None where not all are spelled alike, in one of the usual ways."""
    lines = "\n".join(times).encode().translate(_DIGITS)
    spelling = lines.partition(b"\n")[0]
    if spelling not in _SPELLINGS or lines != b"\n".join([spelling] * len(times)):
        return None
    # Spelled alike, they are in the order of their texts.
    earliest, latest = instant(min(times)), instant(max(times))
    if latest > arrival.latest or earliest < EARLIEST or max([time[17:19] for time in times]) > "59":
        return None
    minutes = [time[:16] for time in times]
    numbers = {minute: _window_of(minute) for minute in set(minutes)}
    return [numbers[minute] for minute in minutes]


@lru_cache(maxsize=10_000)
def _window_of(minute: str) -> int:
    return window_number(datetime.fromisoformat(f"{minute}:00+00:00"))


def _durations_ns(ns: Sequence[Any], seconds: Sequence[Any]) -> list[int] | None:
    if seconds.count(UNSET) == len(seconds):
        return [of or 0 for of in ns]
    if ns.count(UNSET) == len(ns):
        return [0 if of is UNSET else nanoseconds(of) for of in seconds]
    return None


def _memories_bytes(mebibytes: Sequence[Any]) -> list[int]:
    if (
        {*map(type, mebibytes)} == {int}
        and min(mebibytes) >= 0
        and max(mebibytes) <= MEMORY_BYTES_MAX // _MIB
    ):
        return [of * _MIB for of in mebibytes]
    return [0 if of is UNSET else memory_bytes(of) for of in mebibytes]
