"""What is wrong between the fields of a record, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from eventing.usage.convert import Arrival, held_until
from shared.domain.errors import Fault
from shared.domain.usage import (
    AHEAD_S_MAX,
    CPU_NS_MAX,
    DURATION_NS_MAX,
    EARLIEST,
    PROVISIONED_NS_MAX,
)

_AHEAD = f"more than {AHEAD_S_MAX // 60} minutes ahead of its arrival"
_DAY_NS = 86_400 * 10**9

Sound = Mapping[str, Any]
"""The values, in whole units, of the fields that have no fault of their own."""


def contradictions(sent: Mapping[str, object], sound: Sound, arrival: Arrival) -> Iterator[Fault]:
    yield from _timestamp(sent, sound, arrival)
    if "duration_seconds" in sent and "duration_ns" in sent:
        yield Fault("duration_ns", "is given beside duration_seconds: send one of the two")
    if "invocations" in sound or "invocations" not in sent:
        yield from _per_invocation(sound, sound.get("invocations", 1))
    if {"cold_start", "cold_starts"} <= sound.keys() and sound["cold_start"] != (sound["cold_starts"] > 0):
        yield Fault("cold_starts", "contradicts cold_start")
    if sound.get("cpu_seconds", 0) > CPU_NS_MAX:
        yield Fault("cpu_seconds", f"must be at most {CPU_NS_MAX // 10**9}")
    yield from _capacity(sent, sound, arrival)


def _timestamp(sent: Mapping[str, object], sound: Sound, arrival: Arrival) -> Iterator[Fault]:
    if "timestamp" not in sent:
        instead = "is missing, and the event's time, which stands in for it,"
        if arrival.recorded_at > arrival.latest:
            yield Fault("timestamp", f"{instead} is {_AHEAD}")
        elif arrival.recorded_at < EARLIEST:
            yield Fault("timestamp", f"{instead} lies before the year {EARLIEST.year}")
    elif "timestamp" in sound and sound["timestamp"] > arrival.latest:
        yield Fault("timestamp", f"is {_AHEAD}")


def _per_invocation(sound: Sound, invocations: int) -> Iterator[Fault]:
    for name in ("duration_seconds", "duration_ns"):
        if sound.get(name, 0) > invocations * DURATION_NS_MAX:
            most = f"at most {DURATION_NS_MAX // _DAY_NS} days per invocation"
            yield Fault(name, f"must be {most}" if invocations else "must be 0, since invocations is 0")
    for name in ("errors", "cold_starts"):
        if sound.get(name, 0) > invocations:
            yield Fault(name, f"must be at most invocations, {invocations}")
    if sound.get("cold_start") and invocations == 0:
        yield Fault("cold_start", "must be false, since invocations is 0")
    if "durations_ns" in sound:
        yield from _durations(sound, invocations)


def _durations(sound: Sound, invocations: int) -> Iterator[Fault]:
    durations_ns = sound["durations_ns"]
    if len(durations_ns) != invocations:
        yield Fault("durations_ns", f"has {len(durations_ns)} entries, but invocations is {invocations}")
    for name in ("duration_seconds", "duration_ns"):
        if name in sound and sound[name] != sum(durations_ns):
            yield Fault("durations_ns", f"does not sum to {name}")


def _capacity(sent: Mapping[str, object], sound: Sound, arrival: Arrival) -> Iterator[Fault]:
    for name, other in (("started_at", "provisioned_seconds"), ("provisioned_seconds", "started_at")):
        if name in sent and other not in sent:
            yield Fault(other, f"is required beside {name}")
    started_at, provisioned_ns = sound.get("started_at"), sound.get("provisioned_seconds", 0)
    if provisioned_ns > PROVISIONED_NS_MAX:
        yield Fault("provisioned_seconds", f"must be at most {PROVISIONED_NS_MAX // _DAY_NS} days")
    elif started_at is not None and started_at > arrival.latest:
        yield Fault("started_at", f"is {_AHEAD}")
    elif started_at is not None and held_until(started_at, provisioned_ns) > arrival.latest:
        yield Fault("provisioned_seconds", f"reaches {_AHEAD}")
