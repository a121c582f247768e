"""Windows as rows of usage_aggregate, and back.

Many rows travel as one array literal for each column, made here: psycopg's own way takes 40 µs a row.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from hashlib import sha1
from typing import Any
from uuid import UUID

from shared.domain import sketch
from shared.domain.aggregate import Series, WindowKey
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH, WindowSize

_SECOND = timedelta(seconds=1)
_HALF, _MOST = Fraction(1, 2), Fraction(95, 100)

KEY_TYPES = ("uuid[]", "text[]", "bigint[]", "uuid[]", "uuid[]")
"""Tenant, size, start in seconds since EPOCH, service, revision."""
ROW_TYPES = (*KEY_TYPES, "uuid[]", *["numeric[]"] * len(NUMBERS), "text[]", "bigint[]", "bigint[]")
"""The key, the id, NUMBERS, the sketch in hex, p50 and p95 in ns."""

TenantWindows = Iterable[tuple[UUID, WindowKey, WindowFacts]]


def key_columns(keys: Iterable[tuple[UUID, WindowKey]]) -> list[str]:
    """Literals of KEY_TYPES."""
    return _literals([_key(tenant_id, key) for tenant_id, key in keys], len(KEY_TYPES))


def row_columns(windows: TenantWindows) -> list[str]:
    """Literals of ROW_TYPES."""
    return _literals([_row(*window) for window in windows], len(ROW_TYPES))


def key_order(key: WindowKey) -> tuple[Any, ...]:
    return key.size.value, key.start, key.series


def read_window(row: Sequence[Any]) -> tuple[WindowKey, WindowFacts]:
    key = WindowKey(WindowSize(row[1]), row[2], Series(row[3], row[4]))
    return key, WindowFacts.of(map(int, row[5:-1]), sketch.decode(row[-1]))


def array(texts: Iterable[str]) -> str:
    """The literal of an array of texts that need no quotes: numbers, UUIDs, hex, dates."""
    return "{" + ",".join(texts) + "}"


def _literals(rows: list[tuple[str, ...]], width: int) -> list[str]:
    return [array(column) for column in zip(*rows, strict=True)] if rows else ["{}"] * width


def _key(tenant_id: UUID, key: WindowKey) -> tuple[str, ...]:
    start_s = (key.start - EPOCH) // _SECOND
    return tenant_id.hex, key.size.value, str(start_s), key.series.service_id.hex, key.series.revision_id.hex


def _row(tenant_id: UUID, key: WindowKey, facts: WindowFacts) -> tuple[str, ...]:
    columns = _key(tenant_id, key)
    return (
        *columns,
        _id(" ".join(columns)),
        *(str(getattr(facts, number)) for number in NUMBERS),
        f'"{sketch.encode(facts.durations).hex()}"',
        *(str(int(ns + _HALF)) for ns in facts.duration_quantiles_ns(_HALF, _MOST)),
    )


def _id(name: str) -> str:
    """Of the key, so that a rebuilt window keeps its id: a name-based UUID (RFC 9562, version 8)."""
    digest = sha1(name.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:12]}8{digest[13:16]}8{digest[17:32]}"
