"""Compares what the product holds and bills with the truth, and finds whatever is stuck."""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from http.client import HTTPException
from typing import Any

import psycopg

from tests.chaos.load import DAY, Load, slug
from tests.chaos.truth import FACTS, Key, Truth, bill
from tests.e2e.product import Product

MONTH = {"period_start": "2025-03-01T00:00:00Z", "period_end": "2025-04-01T00:00:00Z"}
WINDOWS = f"""
    SELECT t.slug, window_size, window_start, s.name, r.name, {", ".join(FACTS)}
    FROM usage_aggregate a
    JOIN tenant t ON t.id = a.tenant_id
    JOIN service s ON s.tenant_id = a.tenant_id AND s.id = service_id
    JOIN revision r ON r.tenant_id = a.tenant_id AND r.id = revision_id
    WHERE t.slug LIKE 'chaos-%'
"""
STUCK = {
    "deltas not folded": "SELECT count(*) FROM usage_delta",
    "deltas put aside": "SELECT count(*) FROM usage_delta_aside",
    "facts not sent": "SELECT count(*) FROM outbox",
    "metering gaps": "SELECT count(*) FROM metering_gap",
    "conflicts": "SELECT count(*) FROM usage_conflict",
    "tenants whose usage is not in their accrued cost": """
        SELECT count(*) FROM tenant_usage u LEFT JOIN accrual_cursor c USING (tenant_id)
        WHERE c.usage_sequence IS DISTINCT FROM u.sequence""",
}


def truth_of(load: Load) -> Truth:
    truth = Truth()
    for item in load.items():
        truth.add(item.tenant, item.records)
    return truth


def stuck(product: Product) -> dict[str, int]:
    """What has not come where it belongs; the last kill may be a moment ago, and who could tell be away."""
    try:
        found = {name: int(product.rows(query)[0][0]) for name, query in STUCK.items()}
        found["events not delivered"] = product.backlog()
        letters = product.api("GET", "/dead-letters", query={"state": "waiting", "limit": 100})
    except (OSError, HTTPException, psycopg.OperationalError) as away:
        return {f"who could tell is away ({away!r})": 1}
    if letters.status != 200:
        return {f"the API answers {letters.status}": 1}
    found["dead letters"] = len(letters.json["items"])
    return {name: count for name, count in found.items() if count}


def differences(product: Product, load: Load) -> Iterator[str]:
    """One line for every window, bill and accrued cost that is not what it must be."""
    truth = truth_of(load)
    held = {tuple(row[:5]): dict(zip(FACTS, map(int, row[5:]), strict=True)) for row in product.rows(WINDOWS)}
    yield from _unequal("window", truth.windows, held)
    expected = {slug(n): bill(load.plan_of(n)[0], used) for n, used in _by_number(load, truth)}
    yield from _unequal("bill", expected, {tenant: _billed(product, tenant) for tenant in expected})
    rounded = {tenant: total for tenant, (_, total) in expected.items()}
    yield from _unequal("accrued cost", rounded, _accrued(product))


def _by_number(load: Load, truth: Truth) -> Iterator[tuple[int, dict[str, int]]]:
    months = truth.months()
    return ((n, months[slug(n)]) for n in range(load.tenants))


def _billed(product: Product, tenant: str) -> tuple[Fraction, Fraction]:
    answer = product.api("POST", "/billing/calculate", {"tenant_id": tenant, **MONTH})
    assert answer.status == 200, answer
    return Fraction(answer.json["total_exact"]), Fraction(answer.json["total"])


def _accrued(product: Product) -> dict[str, Fraction]:
    rows = product.rows(
        "SELECT slug, amount, period_start FROM accrued_cost JOIN tenant ON id = tenant_id"
        " WHERE slug LIKE 'chaos-%'"
    )
    assert all(_is_march(row[2]) for row in rows), rows
    return {tenant: Fraction(amount) for tenant, amount, _ in rows}


def _is_march(start: datetime) -> bool:
    return (start.year, start.month) == (DAY.year, DAY.month)


def _unequal(what: str, expected: dict[Any, Any], found: dict[Any, Any]) -> Iterator[str]:
    for key in sorted(expected.keys() | found.keys(), key=str):
        if expected.get(key) != found.get(key):
            yield f"{what} {_shown(key)}: expected {expected.get(key)}, found {found.get(key)}"


def _shown(key: Key | str) -> str:
    return key if isinstance(key, str) else " ".join(map(str, key))
