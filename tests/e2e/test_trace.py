"""The bundled trace, from the Broker to the bill, against figures computed here from the file alone."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from runtime.replay import replay
from tests.e2e.product import Product

CSV = Path(__file__).parents[2] / "data" / "azure-functions-2021-sample.csv"
DAY = {"period_start": "2021-01-31T00:00:00Z", "period_end": "2021-02-01T00:00:00Z"}
WINDOW = {"start_time": "2021-01-31T00:00:00Z", "end_time": "2021-02-01T00:00:00Z", "window_size": "1d"}
PLAN = "aws-lambda-x86-no-free-tier"
PER_INVOCATION = Fraction("0.20") / 10**6
PER_GB_SECOND = Fraction("0.0000166667")
GB = Fraction(256, 1024)
MILLION = 10**6

Row = dict[str, str]


@cache
def trace() -> dict[str, list[Row]]:
    """The rows of each app, by its first eight characters."""
    with CSV.open(newline="") as file:
        rows = list(csv.DictReader(file))
    slugs = sorted({row["app"][:8] for row in rows})
    return {slug: [row for row in rows if row["app"].startswith(slug)] for slug in slugs}


@dataclass(frozen=True)
class Figures:
    invocations: int
    billed_ms: int
    exact: Fraction
    rounded: Fraction


def expected(rows: Sequence[Row], times: int = 1) -> Figures:
    """What rows cost, each of them `times` invocations of its duration."""
    invocations = times * len(rows)
    billed_ms = sum(times * math.ceil(Fraction(row["duration"]) * 1000) for row in rows)
    requests = invocations * PER_INVOCATION
    compute = Fraction(billed_ms, 1000) * GB * PER_GB_SECOND
    return Figures(invocations, billed_ms, requests + compute, cents(requests) + cents(compute))


def cents(amount: Fraction) -> Fraction:
    """Half a cent rounds up."""
    return Fraction(math.floor(amount * 100 + Fraction(1, 2)), 100)


def billed(product: Product, tenant: str) -> Figures:
    answer = product.api("POST", "/billing/calculate", {"tenant_id": tenant, **DAY})
    assert answer.status == 200, answer
    bill: Any = answer.json
    assert bill["currency"] == "USD"
    windows = product.aggregates(tenant_id=tenant, **WINDOW)
    return Figures(
        invocations=sum(window["invocations"] for window in windows),
        billed_ms=sum(window["billed_1ms_ms"] for window in windows),
        exact=Fraction(bill["total_exact"]),
        rounded=Fraction(bill["total"]),
    )


def test_the_figures_expected_here_are_those_published_with_the_trace() -> None:
    figures = [expected(rows) for rows in trace().values()]
    assert len(figures) == 13
    assert sum(one.invocations for one in figures) == 199
    assert sum(one.billed_ms for one in figures) == 10_599_170
    assert sum(one.exact for one in figures) == Fraction("0.04420309665975")


def test_the_run_prints_every_tenant_with_its_bill_exact_and_rounded(product: Product) -> None:
    printed = [line.split() for line in product.output().decode().splitlines()]
    for slug, rows in trace().items():
        (cells,) = [cells[1:] for cells in printed if cells and cells[0] == slug]
        found = [Fraction(cell.replace(",", "")) for cell in cells]
        figures = expected(rows)
        assert found == [figures.invocations, figures.billed_ms, figures.exact, figures.rounded]
    assert ["13", "in", "all", "199", "10,599,170", "0.04420309665975", "0.03"] in printed


@pytest.mark.parametrize("slug", trace())
def test_a_tenant_is_billed_what_the_file_says(product: Product, slug: str) -> None:
    assert billed(product, slug) == expected(trace()[slug])


def test_replaying_again_changes_no_bill_and_prints_the_same(product: Product, tmp_path: Path) -> None:
    printed: list[tuple[str, str]] = []
    for _ in range(2):
        out = io.StringIO()
        replay(product.broker_url, product.api_url, product.admin_key, tmp_path, out)
        sent, _, table = out.getvalue().partition("tenant ")  # between them it may say that it waits
        printed.append((sent.splitlines()[0], table))
    assert printed[0] == printed[1]
    sent, table = printed[0]
    assert sent.strip() == "sent 199 invocations of 13 tenants"
    assert "13 in all" in table
    assert table in product.output().decode()
    assert {slug: billed(product, slug) for slug in trace()} == {
        slug: expected(rows) for slug, rows in trace().items()
    }


def test_a_million_times_the_trace_is_billed_to_the_cent(product: Product) -> None:
    for slug, rows in trace().items():
        tenant = product.tenant(f"million-{slug}", currency="USD", plan=PLAN)
        answer = product.send_event(
            b'{"records":[' + ",".join(map(a_million_times, rows)).encode() + b"]}",
            {"id": slug, "type": "dev.faasbilling.usage.recorded.v1", "tenantid": tenant},
        )
        assert answer.status == 202, answer
    product.settle()
    bills = {slug: billed(product, f"million-{slug}") for slug in trace()}
    assert bills == {slug: expected(rows, MILLION) for slug, rows in trace().items()}
    assert sum(bill.exact for bill in bills.values()) == Fraction("44203.09665975")


def a_million_times(row: Row) -> str:
    second, rest = divmod(Decimal(row["end_timestamp"]), 1)
    at = f"2021-01-31T{int(second) // 3600:02}:{int(second) // 60 % 60:02}:{int(second) % 60:02}"
    return (
        f'{{"timestamp":"{at}.{int(rest * MILLION):06}Z","service_name":"{row["func"]}",'
        f'"invocations":{MILLION},"duration_seconds":{Decimal(row["duration"]) * MILLION:f},"memory_mb":256}}'
    )
