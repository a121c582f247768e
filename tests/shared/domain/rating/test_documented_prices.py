"""The examples of docs/prices.md, as a reader would copy them."""

import json
import re
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from shared.domain.quantities import Quantities, nothing
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.kinds import PRICE_KINDS
from shared.domain.rating.line import total
from shared.domain.rating.rate import rate
from tests.shared.domain.rating.entered import MONTH, Used, month_total, plan_of, totals

PAGE = (Path(__file__).parents[4] / "docs" / "prices.md").read_text(encoding="utf-8")
EXAMPLES = {
    kind: json.loads(text)
    for kind, text in re.findall(r"^## (\w+)$.*?^```json$(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
}


def test_there_is_an_example_of_every_kind() -> None:
    assert list(EXAMPLES) == list(PRICE_KINDS)
    for kind, prices in EXAMPLES.items():
        assert kind in {price["kind"] for price in prices}


@pytest.mark.parametrize(
    ("kind", "used", "owed"),
    [
        ("per_unit", {"invocations": "3000000", "gb_seconds_1ms": "540000"}, "2.73"),
        ("graduated", "0", "100.00"),
        ("graduated", "5", "100.00"),
        ("graduated", "5.001", "150.00"),
        ("graduated", "12", "170.00"),
        ("graduated", "22", "235.00"),
        ("volume", 5, "35.00"),
        ("volume", 6, "39.00"),
        ("volume", 20, "120.00"),
        ("package", 201, "10.00"),
        ("reserved", {"cpu_seconds": "1080000"}, "1000.00"),
        ("reserved", {"cpu_seconds": "2160000"}, "1300.00"),
        ("flat", 0, "10.00"),
        ("licensed", 0, "10.00"),
        ("percentage", 2_000, "2060.00"),
        ("percentage", 100, "129.00"),
        ("minimum_spend", 5, "150.00"),
        ("free_value", {"invocations": "10000000", "gb_seconds_100ms": "375000"}, "3.20"),
    ],
)
def test_an_example_comes_to_what_the_page_says(kind: str, used: Used, owed: str) -> None:
    assert month_total(plan_of(*EXAMPLES[kind]), used) == Decimal(owed)


def test_the_example_of_a_price_per_event_charges_the_fourth() -> None:
    def reached(at: datetime, *values: int) -> Cumulative:
        return Cumulative(MONTH, at, Quantities({}, nothing, lambda _: [Fraction(value) for value in values]))

    plan = plan_of(*EXAMPLES["per_event"])
    lines = rate(plan, reached(MONTH.start), reached(MONTH.end, 200, 100, 100, 50))
    assert total(lines, plan.currency) == Decimal("0.70")


def test_the_example_of_a_maximum_charges_what_is_left_of_it() -> None:
    assert totals(plan_of(*EXAMPLES["maximum_spend"]), 32, 35) == ["160.00", "10.00"]
