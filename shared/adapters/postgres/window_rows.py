"""Windows as rows of usage_aggregate, and back.

Many rows travel as one array literal for each column, made here: psycopg's own way takes 40 µs a row.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha1
from operator import attrgetter
from typing import Any
from uuid import UUID

from shared.domain import sketch
from shared.domain.aggregate import Series, WindowKey
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.sketch import Sketch
from shared.domain.windows import EPOCH, WindowSize

_SECOND = timedelta(seconds=1)
_EACH_NUMBER = [attrgetter(name) for name in NUMBERS]

KEY_TYPES = ("uuid[]", "text[]", "bigint[]", "uuid[]", "uuid[]")
"""Tenant, size, start in seconds since EPOCH, service, revision."""
ROW_TYPES = (*KEY_TYPES, "uuid[]", *["numeric[]"] * len(NUMBERS), "text[]", "bigint[]", "bigint[]")
"""The key, the id, NUMBERS, the sketch in hex, p50 and p95 in ns."""

_FACTS = ", ".join(NUMBERS)
KEY = "tenant_id, window_size, window_start, service_id, revision_id"
SELECT_WINDOWS = f"SELECT {KEY}, {_FACTS}, sketch FROM usage_aggregate"
_DERIVED = ("sketch", "p50_duration_ms", "p95_duration_ms")
ADD_WINDOWS = f"""
    INSERT INTO usage_aggregate AS a ({KEY}, window_end, id, {_FACTS}, {", ".join(_DERIVED)})
    SELECT tenant_id, window_size, to_timestamp(start_s), service_id, revision_id,
           to_timestamp(start_s) + CASE window_size
               WHEN '5m' THEN '5 minutes'::interval WHEN '1h' THEN '1 hour' ELSE '24 hours' END,
           id, {_FACTS}, decode(sketch_hex, 'hex'), p50_ns / 1e6, p95_ns / 1e6
    FROM unnest({", ".join(f"%s::{type}" for type in ROW_TYPES)})
        w (tenant_id, window_size, start_s, service_id, revision_id, id, {_FACTS},
           sketch_hex, p50_ns, p95_ns)
    ON CONFLICT ({KEY}) DO UPDATE SET
        {", ".join(f"{name} = a.{name} + excluded.{name}" for name in SUMS)},
        max_memory_bytes = greatest(a.max_memory_bytes, excluded.max_memory_bytes),
        {", ".join(f"{name} = excluded.{name}" for name in _DERIVED)}
""".encode()
SELECT_SKETCHES = (
    f"SELECT n, sketch FROM unnest({', '.join(f'%s::{type}' for type in KEY_TYPES)})"
    " WITH ORDINALITY k (tenant_id, window_size, start_s, service_id, revision_id, n)"
    " JOIN usage_aggregate a ON (a.tenant_id, a.window_size, a.window_start, a.service_id, a.revision_id)"
    " = (k.tenant_id, k.window_size, to_timestamp(start_s), k.service_id, k.revision_id)"
).encode()
KEYS = (
    "SELECT tenant_id, window_size, to_timestamp(start_s), service_id, revision_id"
    f" FROM unnest({', '.join(f'%s::{type}' for type in KEY_TYPES)})"
    " k (tenant_id, window_size, start_s, service_id, revision_id)"
)

KeyTexts = tuple[str, ...]


def key_texts(tenant_id: UUID, key: WindowKey) -> KeyTexts:
    """Of KEY_TYPES."""
    start_s = (key.start - EPOCH) // _SECOND
    return tenant_id.hex, key.size.value, str(start_s), key.series.service_id.hex, key.series.revision_id.hex


def key_columns(keys: Sequence[KeyTexts]) -> list[str]:
    """Literals of KEY_TYPES."""
    return _literals(keys, len(KEY_TYPES))


def row_columns(
    keys: Sequence[KeyTexts], facts: Sequence[WindowFacts], durations: Iterable[Sketch]
) -> list[str]:
    """Literals of ROW_TYPES, of windows by their keys; the sketches are those of `durations`."""
    return [
        *key_columns(keys),
        array(_id(" ".join(key)) for key in keys),
        *(array(map(str, map(number, facts))) for number in _EACH_NUMBER),
        *_literals([_sketched(of_window) for of_window in durations], 3),
    ]


def read_window(row: Sequence[Any]) -> tuple[WindowKey, WindowFacts]:
    key = WindowKey(WindowSize(row[1]), row[2], Series(row[3], row[4]))
    return key, WindowFacts.of(map(int, row[5:-1]), sketch.decode(row[-1]))


def array(texts: Iterable[str]) -> str:
    """The literal of an array of texts that need no quotes: numbers, UUIDs, hex, dates."""
    return "{" + ",".join(texts) + "}"


def _literals(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    return [array(column) for column in zip(*rows, strict=True)] if rows else ["{}"] * width


def _sketched(durations: Sketch) -> tuple[str, ...]:
    p50_ns, p95_ns = sketch.percentiles_ns(durations, (50, 95))
    return f'"{sketch.encode(durations).hex()}"', str(p50_ns), str(p95_ns)


def _id(name: str) -> str:
    """Of the key, so that a rebuilt window keeps its id: a name-based UUID (RFC 9562, version 8)."""
    digest = sha1(name.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:12]}8{digest[13:16]}8{digest[17:32]}"
