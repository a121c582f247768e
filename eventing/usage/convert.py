"""From a record as it is sent to a record in whole units: the hot path, which says no without saying why."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec import UNSET

from eventing.usage.instants import instant
from eventing.usage.quantities import memory_bytes, nanoseconds
from eventing.usage.wire import Record
from eventing.usage.wrong import Wrong
from shared.domain.usage import (
    AHEAD_S_MAX,
    CPU_NS_MAX,
    DEFAULT_NAMESPACE,
    DEFAULT_REVISION,
    DURATION_NS_MAX,
    EARLIEST,
    PROVISIONED_NS_MAX,
    UsageRecord,
)

_new = tuple.__new__


class Arrival(NamedTuple):
    """The instants that records are held against, in UTC.

    `recorded_at` stands in for a timestamp that is missing; nothing may lie behind `latest`.
    """

    recorded_at: datetime
    latest: datetime


def arrival_of(recorded_at: datetime, received_at: datetime) -> Arrival:
    return Arrival(recorded_at.astimezone(UTC), received_at.astimezone(UTC) + timedelta(seconds=AHEAD_S_MAX))


def usage_record(sent: Record, arrival: Arrival) -> UsageRecord:
    """The record in whole units. Raises Wrong at the first fault; `faults` finds them all, and says which."""
    ended_at = arrival.recorded_at if sent.timestamp is UNSET else instant(sent.timestamp)
    if not EARLIEST <= ended_at <= arrival.latest:
        raise Wrong("timestamp is out of range")
    invocations = 1 if sent.invocations is UNSET else sent.invocations
    # What few send is looked at in functions of its own: calls are a fifth of reading a record.
    if sent.duration_seconds is UNSET and sent.durations_ns is UNSET:
        duration_ns, durations_ns = sent.duration_ns or 0, None
    else:
        duration_ns, durations_ns = _durations(sent, invocations)
    if sent.cold_starts is UNSET:
        cold_starts = 1 if sent.cold_start else 0
    elif sent.cold_start is UNSET or sent.cold_start == (sent.cold_starts > 0):
        cold_starts = sent.cold_starts
    else:
        raise Wrong("cold_start and cold_starts disagree")
    errors = sent.errors or 0
    if duration_ns > invocations * DURATION_NS_MAX or cold_starts > invocations or errors > invocations:
        raise Wrong("more than the invocations allow")
    cpu_ns = 0 if sent.cpu_seconds is UNSET else nanoseconds(sent.cpu_seconds)
    if cpu_ns > CPU_NS_MAX:
        raise Wrong("cpu_seconds is out of range")
    if sent.started_at is UNSET and sent.provisioned_seconds is UNSET:
        started_at, provisioned_ns = None, 0
    else:
        started_at, provisioned_ns = _capacity(sent, arrival)
    # As a tuple at once: by way of its constructor it takes three times as long.
    return _new(
        UsageRecord,
        (
            sent.service_name,
            ended_at,
            sent.namespace or DEFAULT_NAMESPACE,
            sent.revision or DEFAULT_REVISION,
            invocations,
            duration_ns,
            durations_ns,
            0 if sent.memory_mb is UNSET else memory_bytes(sent.memory_mb),
            cold_starts,
            errors,
            cpu_ns,
            sent.egress_bytes or 0,
            started_at,
            provisioned_ns,
        ),
    )


def _durations(sent: Record, invocations: int) -> tuple[int, tuple[int, ...] | None]:
    if sent.duration_seconds is UNSET:
        duration_ns = sent.duration_ns
    elif sent.duration_ns is UNSET:
        duration_ns = nanoseconds(sent.duration_seconds)
    else:
        raise Wrong("two durations")
    if sent.durations_ns is UNSET:
        return duration_ns or 0, None
    total_ns = sum(sent.durations_ns)
    if len(sent.durations_ns) != invocations or (duration_ns is not UNSET and duration_ns != total_ns):
        raise Wrong("durations_ns does not fit")
    return total_ns, tuple(sent.durations_ns)


def _capacity(sent: Record, arrival: Arrival) -> tuple[datetime, int]:
    if sent.started_at is UNSET or sent.provisioned_seconds is UNSET:
        raise Wrong("half a capacity")
    started_at = instant(sent.started_at)
    provisioned_ns = nanoseconds(sent.provisioned_seconds)
    if provisioned_ns > PROVISIONED_NS_MAX or held_until(started_at, provisioned_ns) > arrival.latest:
        raise Wrong("the capacity is out of range")
    return started_at, provisioned_ns


def held_until(started_at: datetime, provisioned_ns: int) -> datetime:
    """The end of capacity, rounded up to microseconds."""
    return started_at + timedelta(microseconds=-(-provisioned_ns // 1000))
