"""What windows and bills must be, from the records alone: nothing of the project is imported here."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

SIZES = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
FACTS = (
    "records",
    "invocations",
    "errors",
    "cold_starts",
    "duration_ns",
    "egress_bytes",
    "max_memory_bytes",
    "memory_byte_ns",
    "billed_1ms_ms",
    "byte_ms_1ms",
)
EPOCH = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
GB = 2**30

Key = tuple[str, str, datetime, str, str]
"""Tenant, size, start, service, revision."""


@dataclass
class Truth:
    windows: dict[Key, dict[str, int]] = field(default_factory=dict)

    def add(self, tenant: str, records: Iterable[Mapping[str, Any]]) -> None:
        for record in records:
            facts = facts_of(record)
            at = datetime.fromisoformat(record["timestamp"])
            for name, length in SIZES.items():
                start = EPOCH + (at - EPOCH) // length * length
                key = (tenant, name, start, record["service_name"], record["revision"])
                window = self.windows.setdefault(key, dict.fromkeys(FACTS, 0))
                for fact, number in facts.items():
                    greatest = fact == "max_memory_bytes"
                    window[fact] = max(window[fact], number) if greatest else window[fact] + number

    def months(self) -> dict[str, dict[str, int]]:
        """The sums of each tenant, all of whose usage lies in one month."""
        sums: dict[str, dict[str, int]] = {}
        for (tenant, size, *_), facts in self.windows.items():
            if size == "1d":
                of_tenant = sums.setdefault(tenant, dict.fromkeys(FACTS, 0))
                for fact, number in facts.items():
                    of_tenant[fact] += number
        return sums


def facts_of(record: Mapping[str, Any]) -> dict[str, int]:
    """A record of n invocations counts as n equal ones, each rounded up to a millisecond."""
    n, duration_ns, memory = record["invocations"], record["duration_ns"], record["memory_mb"] * 2**20
    billed_ms = n * math.ceil(Fraction(duration_ns, n * 10**6))
    return {
        "records": 1,
        "invocations": n,
        "errors": record["errors"],
        "cold_starts": int(record["cold_start"]),
        "duration_ns": duration_ns,
        "egress_bytes": record["egress_bytes"],
        "max_memory_bytes": memory,
        "memory_byte_ns": duration_ns * memory,
        "billed_1ms_ms": billed_ms,
        "byte_ms_1ms": billed_ms * memory,
    }


def bill(currency: str, used: Mapping[str, int]) -> tuple[Fraction, Fraction]:
    """Exact, and as the sum of lines rounded to the cent, by the published prices of the two plans."""
    if currency == "USD":
        lines = [
            used["invocations"] * Fraction("0.20") / 10**6,
            Fraction(used["byte_ms_1ms"], GB * 1000) * Fraction("0.0000166667"),
        ]
    else:
        lines = [
            max(0, used["invocations"] - 10**6) * Fraction("17.28") / 10**6,
            max(Fraction(0), Fraction(used["memory_byte_ns"], GB * 3600 * 10**9) - 10) * Fraction("5.9076"),
            max(Fraction(0), Fraction(used["egress_bytes"], GB) - 100) * Fraction("1.6524"),
        ]
    return sum(lines, Fraction(0)), sum(map(cents, lines), Fraction(0))


def cents(amount: Fraction) -> Fraction:
    """Half a cent rounds up."""
    return Fraction(math.floor(amount * 100 + Fraction(1, 2)), 100)
