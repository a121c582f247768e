"""Accepted payloads once more, with what only custom meters look at."""

from datetime import datetime

from msgspec import UNSET

from eventing.usage.convert import arrival_of, usage_record
from eventing.usage.event_data import records_of
from eventing.usage.repeats import find_repeats
from eventing.usage.wire import Record
from shared.domain.metering.record import MeteredRecord
from shared.domain.usage import UsageRecord

_DURATION = frozenset(("duration_ns", "duration_ms", "duration_seconds"))


def read_metered(body: str, *, recorded_at: datetime, received_at: datetime) -> list[MeteredRecord]:
    """The records of a payload that was accepted, those that count; a repeated request counts once."""
    arrival = arrival_of(recorded_at, received_at)
    sent = records_of(body.encode())
    repeated = find_repeats([record.request_id or None for record in sent], sent).equal
    return [
        _metered(record, usage_record(record, arrival), position)
        for position, record in enumerate(sent)
        if position not in repeated
    ]


def _metered(sent: Record, usage: UsageRecord, position: int) -> MeteredRecord:
    return MeteredRecord(
        usage,
        sent.labels or {},
        sent.request_id or None,
        sent.quantities or {},
        _missing(sent),
        position,
    )


def _missing(sent: Record) -> frozenset[str]:
    missing: set[str] = set()
    if sent.duration_seconds is UNSET and sent.duration_ns is UNSET and sent.durations_ns is UNSET:
        missing |= _DURATION
    for name in ("cpu_seconds", "memory_mb", "egress_bytes", "provisioned_seconds"):
        if getattr(sent, name) is UNSET:
            missing.add(name)
    return frozenset(missing)
