"""A window as a row of usage_aggregate, and back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid5

from shared.domain import sketch
from shared.domain.aggregate import Series, WindowKey
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import WindowSize


def key_columns(keys: Iterable[tuple[UUID, WindowKey]]) -> tuple[list[Any], ...]:
    rows = [
        (tenant_id, key.size.value, key.start, key.series.service_id, key.series.revision_id)
        for tenant_id, key in keys
    ]
    return tuple(map(list, zip(*rows, strict=True))) if rows else ([], [], [], [], [])


def key_order(key: WindowKey) -> tuple[str, datetime, Series]:
    return key.size.value, key.start, key.series


def window_row(tenant_id: UUID, key: WindowKey, facts: WindowFacts) -> tuple[Any, ...]:
    name = f"{key.size.value} {key.start.isoformat()} {key.series.service_id} {key.series.revision_id}"
    return (
        tenant_id,
        key.size.value,
        key.start,
        key.series.service_id,
        key.series.revision_id,
        # Of the key, so that a rebuilt window keeps its id.
        uuid5(tenant_id, name),
        key.end,
        *(getattr(facts, number) for number in NUMBERS),
        sketch.encode(facts.durations),
        _ms(facts.duration_quantile_ns(Fraction(1, 2))),
        _ms(facts.duration_quantile_ns(Fraction(95, 100))),
    )


def read_window(row: Sequence[Any]) -> tuple[WindowKey, WindowFacts]:
    key = WindowKey(WindowSize(row[1]), row[2], Series(row[3], row[4]))
    return key, WindowFacts.of(map(int, row[5:-1]), sketch.decode(row[-1]))


def _ms(duration_ns: Fraction) -> Decimal:
    return Decimal(int(duration_ns + Fraction(1, 2))).scaleb(-6)
