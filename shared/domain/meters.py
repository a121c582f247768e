"""Meters: what prices count, as data. A meter is a fact of the windows in the unit of the price lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from shared.domain.facts import WindowFacts

CUSTOM: Final = "custom."
"""What a price writes before the name of a meter that users defined."""
CUSTOM_LENGTH_MAX: Final = 64
"""Of the name without it."""
_CUSTOM_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_MS_NS: Final = 10**6
_SECOND_MS: Final = 10**3
_SECOND_NS: Final = 10**9
_HOUR_NS: Final = 3_600 * _SECOND_NS
_HOUR_MS: Final = 3_600 * _SECOND_MS
_MB: Final = 2**20
_GB: Final = 2**30
_DECIMAL_GB: Final = 10**9
_GB_MB: Final = 2**10


_CALLS_1MS: Final = "each invocation rounded up to 1 ms"
_CALLS_100MS: Final = "each invocation rounded up to 100 ms"
_AND_128MB: Final = " and 128 MB"


@dataclass(frozen=True, slots=True)
class Meter:
    """`fact` of WindowFacts divided by `divisor` is the quantity in `unit` (plural `units`), exactly.

    Facts are whole numbers that add up, so the quantity of a span of time is that of its windows' sum.
    `rounding` says what the facts have rounded already, "" where nothing.
    """

    name: str
    fact: str
    divisor: Fraction
    unit: str
    units: str
    rounding: str

    def quantity(self, facts: WindowFacts) -> Fraction:
        return Fraction(int(getattr(facts, self.fact))) / self.divisor


def _meter(name: str, fact: str, divisor: int, unit: str, units: str = "", *, rounding: str = "") -> Meter:
    return Meter(name, fact, Fraction(divisor), unit, units or f"{unit}s", rounding)


_ALL: Final = (
    _meter("invocations", "invocations", 1, "invocation"),
    _meter("errors", "errors", 1, "error"),
    _meter("cold_starts", "cold_starts", 1, "cold start"),
    _meter("cpu_ms", "cpu_ns", _MS_NS, "CPU ms", "CPU ms"),
    _meter("cpu_seconds", "cpu_ns", _SECOND_NS, "CPU second"),
    _meter("duration_ms", "duration_ns", _MS_NS, "ms", "ms"),
    _meter("duration_seconds", "duration_ns", _SECOND_NS, "second"),
    _meter("duration_ms_1ms", "billed_1ms_ms", 1, "ms", "ms", rounding=_CALLS_1MS),
    _meter("duration_ms_100ms", "billed_100ms_ms", 1, "ms", "ms", rounding=_CALLS_100MS),
    _meter("mb_ms", "memory_byte_ns", _MB * _MS_NS, "MB-ms", "MB-ms"),
    _meter("gb_seconds", "memory_byte_ns", _GB * _SECOND_NS, "GB-second"),
    _meter("gb_seconds_1ms", "byte_ms_1ms", _GB * _SECOND_MS, "GB-second", rounding=_CALLS_1MS),
    _meter("gb_seconds_100ms", "byte_ms_100ms", _GB * _SECOND_MS, "GB-second", rounding=_CALLS_100MS),
    _meter(
        "gb_seconds_1ms_128mb",
        "mb128_ms_1ms",
        _GB_MB * _SECOND_MS,
        "GB-second",
        rounding=_CALLS_1MS + _AND_128MB,
    ),
    _meter(
        "gb_seconds_100ms_128mb",
        "mb128_ms_100ms",
        _GB_MB * _SECOND_MS,
        "GB-second",
        rounding=_CALLS_100MS + _AND_128MB,
    ),
    _meter("gb_hours", "memory_byte_ns", _GB * _HOUR_NS, "GB-hour"),
    _meter("gb_hours_1ms", "byte_ms_1ms", _GB * _HOUR_MS, "GB-hour", rounding=_CALLS_1MS),
    _meter("gb_hours_100ms", "byte_ms_100ms", _GB * _HOUR_MS, "GB-hour", rounding=_CALLS_100MS),
    _meter("egress_gib", "egress_bytes", _GB, "GiB", "GiB"),
    _meter("egress_gb", "egress_bytes", _DECIMAL_GB, "GB of 10^9 bytes", "GB of 10^9 bytes"),
    _meter("provisioned_seconds", "provisioned_ms", _SECOND_MS, "provisioned second"),
)

METERS: Final[Mapping[str, Meter]] = {meter.name: meter for meter in _ALL}
"""Every meter by name. No suffix: exact. `_1ms`, `_100ms`: duration rounded up per invocation. `_128mb`:
memory rounded up to 128 MB. GB = 1024 MB = 2^30 bytes, as in the published price lists, but in
`egress_gb`."""


def quantities(facts: WindowFacts) -> Mapping[str, Fraction]:
    """The quantity of every meter, in its unit."""
    return {name: meter.quantity(facts) for name, meter in METERS.items()}


def is_custom_name(name: str) -> bool:
    """Whether a meter that users define can be called so."""
    return len(name) <= CUSTOM_LENGTH_MAX and _CUSTOM_NAME.fullmatch(name) is not None


def find_meter(name: str) -> Meter | None:
    """The built-in meter of that name, or how a price sees `custom.<name>`, whether that is defined or not:
    it counts what the meter calls one, in words the meter's own name."""
    if name in METERS or not name.startswith(CUSTOM):
        return METERS.get(name)
    own = name.removeprefix(CUSTOM)
    words = own.replace("_", " ")
    return Meter(name, "", Fraction(1), words, words, "") if is_custom_name(own) else None
