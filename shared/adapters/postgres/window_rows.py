"""Windows as rows of usage_window, and back.

Many rows travel as one array literal for each column, made here: psycopg's own way takes 40 µs a row.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.domain import sketch
from shared.domain.aggregate import Series, WindowKey
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH, WindowSize

_SECOND = timedelta(seconds=1)

FACTS = ", ".join(NUMBERS)
KEY = "tenant_id, window_size, window_start, service_id, revision_id"
SELECT_WINDOWS = f"SELECT {KEY}, {FACTS}, sketch FROM usage_window"
_KEY_TYPES = ("uuid[]", "text[]", "bigint[]", "uuid[]", "uuid[]")
_KEY_COLUMNS = "tenant_id, window_size, start_s, service_id, revision_id"
KEYS = (
    "SELECT tenant_id, window_size, to_timestamp(start_s), service_id, revision_id"
    f" FROM unnest({', '.join(f'%s::{type}' for type in _KEY_TYPES)}) k ({_KEY_COLUMNS})"
)
"""Rows of KEY, from `key_columns`."""


def key_columns(keys: Iterable[tuple[UUID, WindowKey]]) -> list[str]:
    """An array literal for each column of KEYS, of windows by tenant."""
    rows = [
        (tenant_id.hex, size.value, str((start - EPOCH) // _SECOND), service_id.hex, revision_id.hex)
        for tenant_id, (size, start, (service_id, revision_id)) in keys
    ]
    return [array(column) for column in zip(*rows, strict=True)] if rows else ["{}"] * len(_KEY_TYPES)


def read_window(row: Sequence[Any]) -> tuple[WindowKey, WindowFacts]:
    key = WindowKey(WindowSize(row[1]), row[2], Series(row[3], row[4]))
    return key, WindowFacts.of(map(int, row[5:-1]), sketch.decode(row[-1]))


def array(texts: Iterable[str]) -> str:
    """The literal of an array of texts that need no quotes: numbers, UUIDs, hex, dates."""
    return "{" + ",".join(texts) + "}"
