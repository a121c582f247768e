"""What one record counts for by a version of a meter: exact, never through float."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

from shared.domain.meter_definition import (
    INVOCATION,
    LABEL,
    QUANTITY,
    REQUEST,
    TOTAL,
    UP,
    MeterVersion,
)
from shared.domain.metering.record import MeteredRecord

_MS_NS = 10**6
_SECOND_NS = 10**9
_MB = 2**20
_DURATIONS = {"duration_ns": 1, "duration_ms": _MS_NS, "duration_seconds": _SECOND_NS}
_PER_INVOCATION = "memory_mb"
_HALF = Fraction(1, 2)


def values(version: MeterVersion, record: MeteredRecord) -> list[tuple[Fraction, int]]:
    """The values of a record that counts, each with how many times; none where a field is missing.

    Per invocation, a record of n without `durations_ns` is n equal ones, and one of none has no value.
    """
    return _values(version, version.fields, record)


def change(version: MeterVersion, record: MeteredRecord) -> Fraction | None:
    """By how much the record changes the level of a weighted sum; None where it says nothing of it."""
    more = values(version, record)
    less = _values(version, version.less, record) if version.less else []
    if not more and not less:
        return None
    return _sum(more) - _sum(less)


def _values(
    version: MeterVersion, fields: Sequence[str], record: MeteredRecord
) -> list[tuple[Fraction, int]]:
    totals = [_total(name, record) for name in fields]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return []
    if version.rounding != INVOCATION:
        return [(_product(known) if version.rounding == TOTAL else rounded(version, _product(known)), 1)]
    usage = record.usage
    if usage.invocations == 0:
        return []
    shares = [
        total if name == _PER_INVOCATION else total / usage.invocations
        for name, total in zip(fields, known, strict=True)
    ]
    if usage.durations_ns is None or not _DURATIONS.keys() & set(fields):
        return [(rounded(version, _product(shares)), usage.invocations)]
    return [
        (rounded(version, _product(_with_duration(fields, shares, duration_ns))), 1)
        for duration_ns in usage.durations_ns
    ]


def _sum(counted: Sequence[tuple[Fraction, int]]) -> Fraction:
    return sum((value * times for value, times in counted), Fraction(0))


def rounded(version: MeterVersion, value: Fraction) -> Fraction:
    """At least the minimum, and then to a multiple of the step: the next one, or the nearest."""
    if version.minimum is not None:
        value = max(value, Fraction(version.minimum))
    if version.step is not None:
        step = Fraction(version.step)
        steps = value / step
        value = step * (ceil(steps) if version.towards == UP else floor(steps + _HALF))
    return value


def is_counted(version: MeterVersion, record: MeteredRecord) -> bool:
    """Whether the record equals every filter."""
    return all(_filtered(name, record) == wanted for name, wanted in version.where)


def key_of(version: MeterVersion, record: MeteredRecord) -> str | None:
    """What a unique count tells the record apart by; None where it has no such thing."""
    if version.of == REQUEST:
        return record.request_id
    return record.labels.get(version.of.removeprefix(LABEL))


def _filtered(name: str, record: MeteredRecord) -> str | None:
    if name == "service_name":
        return record.usage.service_name
    if name == "cold_start":
        return "true" if record.usage.cold_starts else "false"
    return record.labels.get(name.removeprefix(LABEL))


def _total(name: str, record: MeteredRecord) -> Fraction | None:
    """Of the whole record, but memory, which is that of one invocation; None where it is missing."""
    if name.startswith(QUANTITY):
        text = record.quantities.get(name.removeprefix(QUANTITY))
        return None if text is None else Fraction(text)
    if name in record.missing:
        return None
    usage = record.usage
    if name in _DURATIONS:
        return Fraction(usage.duration_ns, _DURATIONS[name])
    if name == "cpu_seconds":
        return Fraction(usage.cpu_ns, _SECOND_NS)
    if name == "provisioned_seconds":
        return Fraction(usage.provisioned_ns, _SECOND_NS)
    if name == _PER_INVOCATION:
        return Fraction(usage.memory_bytes, _MB)
    return Fraction(int(getattr(usage, name)))


def _with_duration(fields: Sequence[str], shares: Sequence[Fraction], duration_ns: int) -> list[Fraction]:
    return [
        Fraction(duration_ns, _DURATIONS[name]) if name in _DURATIONS else share
        for name, share in zip(fields, shares, strict=True)
    ]


def _product(factors: Sequence[Fraction]) -> Fraction:
    first, *others = factors
    for other in others:
        first *= other
    return first
