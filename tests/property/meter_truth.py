"""What custom meters must come to, recomputed from the records as they were sent and nothing else.

Written with decimals of 300 digits that raise where one would be rounded, and without the project's domain.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from fractions import Fraction
from math import ceil, floor
from typing import Any

Json = Mapping[str, Any]
EXACT = Context(prec=300, traps=[Inexact, InvalidOperation, DivisionByZero])
WINDOW = timedelta(minutes=5)
_DIVISORS = {"duration_ns": 1, "duration_ms": 10**6, "duration_seconds": 10**9}


def counted(meter: Json, records: Iterable[Json], start: datetime, end: datetime) -> Decimal:
    """The quantity of a meter of one version over [start, end)."""
    values: list[tuple[datetime, Decimal, int]] = []
    told_apart: set[str] = set()
    for record in records:
        at = datetime.fromisoformat(record["timestamp"])
        if not start <= at < end or not _passes(meter, record):
            continue
        if meter["aggregation"] == "unique":
            labels = record.get("labels", {}) | {"": record.get("request_id")}
            key = labels.get(meter["of"].removeprefix("request_id").removeprefix("labels."))
            told_apart |= set() if key is None else {key}
        else:
            values += [(at, value, times) for value, times in _values(meter, record)]
    if meter["aggregation"] == "unique":
        return _total(meter, Decimal(len(told_apart))) if told_apart else Decimal(0)
    if not values:
        return Decimal(0)
    match meter["aggregation"]:
        case "sum":
            total = Decimal(0)
            for _, value, times in values:
                total = EXACT.add(total, EXACT.multiply(value, Decimal(times)))
        case "count":
            total = Decimal(sum(times for _, _, times in values))
        case "max":
            total = max(value for _, value, _ in values)
        case _:
            _, total = max((at, value) for at, value, _ in values)
    return _total(meter, total)


def percentile(meter: Json, records: Iterable[Json], start: datetime, end: datetime) -> Fraction:
    """The same, of a percentile of records or of windows, those without anything among them."""
    found: list[tuple[datetime, Fraction]] = []
    for record in records:
        at = datetime.fromisoformat(record["timestamp"])
        if start <= at < end and _passes(meter, record):
            found += [(at, Fraction(value)) for value, times in _values(meter, record) for _ in range(times)]
    if not found:
        return Fraction(0)
    ordered = sorted(value for _, value in found)
    if meter.get("of") == "window":
        sums = [Fraction(0)] * ((end - start) // WINDOW)
        for at, value in found:
            sums[(at - start) // WINDOW] += value
        ordered = sorted(sums)
    rank = Fraction(meter["percentile"]) * (len(ordered) - 1) / 100
    low, high = ordered[floor(rank)], ordered[min(floor(rank) + 1, len(ordered) - 1)]
    return _total_of(meter, low + (rank - floor(rank)) * (high - low))


def weighted_sum(
    meter: Json, records: Iterable[Json], start: datetime, end: datetime, counting: timedelta
) -> Fraction:
    """The same, of a level that is held from each change on, over a counting period of this length."""
    area, is_known = Fraction(0), False
    for record in records:
        at = datetime.fromisoformat(record["timestamp"])
        if at >= end or not _passes(meter, record):
            continue
        less = _values({**meter, "value": meter["less"]}, record) if meter.get("less") else []
        for value, times, sign in (
            *((value, times, 1) for value, times in _values(meter, record)),
            *((value, times, -1) for value, times in less),
        ):
            is_known = True
            held = end - max(at, start)
            area += sign * times * Fraction(value) * (held // timedelta(microseconds=1))
    if not is_known:
        return Fraction(0)
    return _total_of(meter, max(area, Fraction(0)) / (counting // timedelta(microseconds=1)))


def ledger(meter: Json, records: Iterable[Json], start: datetime, end: datetime) -> list[list[Fraction]]:
    """The values of records in order of time; those of one instant in any."""
    found: dict[datetime, list[Fraction]] = {}
    for record in records:
        at = datetime.fromisoformat(record["timestamp"])
        if start <= at < end and _passes(meter, record):
            for value, _ in _values(meter, record):
                found.setdefault(at, []).append(Fraction(value))
    return [sorted(found[at]) for at in sorted(found)]


def _total_of(meter: Json, value: Fraction) -> Fraction:
    if meter["rounding"] != "total":
        return value
    value = max(value, Fraction(meter.get("minimum") or 0))
    step = meter.get("step")
    return value if step is None else ceil(value / Fraction(step)) * Fraction(step)


def _values(meter: Json, record: Json) -> list[tuple[Decimal, int]]:
    names = meter["value"]
    n = record.get("invocations", 1)
    if meter["rounding"] != "invocation":
        factors = [_field(name, record) for name in names]
        if None in factors:
            return []
        value = _product([factor for factor in factors if factor is not None])
        return [(value if meter["rounding"] == "total" else _rounded(meter, value), 1)]
    calls = record.get("durations_ns") or [None] * n
    values = [_call(meter, record, n, duration_ns) for duration_ns in calls]
    return [(value, 1) for value in values if value is not None]


def _call(meter: Json, record: Json, n: int, duration_ns: int | None) -> Decimal | None:
    """One invocation: ⌈a ÷ (n × step)⌉ × step in whole numbers, since a ÷ n may have no end."""
    numerator, denominator = Decimal(1), 1
    for name in meter["value"]:
        if duration_ns is not None and name in _DIVISORS:
            factor: Decimal | None = EXACT.divide(Decimal(duration_ns), Decimal(_DIVISORS[name]))
        else:
            factor = _field(name, record)
            denominator *= 1 if name == "memory_mb" else n
        if factor is None:
            return None
        numerator = EXACT.multiply(numerator, factor)
    least = EXACT.multiply(Decimal(meter.get("minimum") or 0), Decimal(denominator))
    steps = EXACT.multiply(Decimal(meter["step"]), Decimal(denominator))
    return EXACT.multiply(_ceiling(max(numerator, least), steps), Decimal(meter["step"]))


def _field(name: str, record: Json) -> Decimal | None:
    if name.startswith("quantities."):
        text = record.get("quantities", {}).get(name.removeprefix("quantities."))
        return None if text is None else Decimal(text)
    if name in _DIVISORS:
        total = record.get("duration_ns", sum(record["durations_ns"]) if "durations_ns" in record else None)
        return None if total is None else EXACT.divide(Decimal(total), Decimal(_DIVISORS[name]))
    if name in ("invocations", "errors", "cold_starts"):
        return Decimal(record.get(name, 1 if name == "invocations" else int(record.get("cold_start", 0))))
    sent = record.get(name)
    return None if sent is None else Decimal(sent)


def _passes(meter: Json, record: Json) -> bool:
    values = {f"labels.{name}": value for name, value in record.get("labels", {}).items()}
    values["service_name"] = record["service_name"]
    return all(values.get(name) == wanted for name, wanted in meter.get("where", {}).items())


def _total(meter: Json, value: Decimal) -> Decimal:
    return _rounded(meter, value) if meter["rounding"] == "total" else value


def _rounded(meter: Json, value: Decimal) -> Decimal:
    value = max(value, Decimal(meter.get("minimum") or 0))
    if meter.get("step") is None:
        return value
    return EXACT.multiply(_ceiling(value, Decimal(meter["step"])), Decimal(meter["step"]))


def _ceiling(value: Decimal, step: Decimal) -> Decimal:
    whole, rest = EXACT.divmod(value, step)
    return (whole + 1 if rest else whole).to_integral_value(ROUND_CEILING, EXACT)


def _product(factors: list[Decimal]) -> Decimal:
    product = Decimal(1)
    for factor in factors:
        product = EXACT.multiply(product, factor)
    return product
