from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.meters import METERS
from shared.domain.period import Period, PeriodSlice
from shared.domain.what_if import WhatIf, read_quantities, scaled

OCTOBER = Period(datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC))
NOVEMBER = Period(OCTOBER.end, datetime(2025, 12, 1, tzinfo=UTC))


def test_quantities_are_read_to_the_digit() -> None:
    read = read_quantities({"invocations": "3000000", "gb_seconds": "0.000000000000000001", "errors": 7})
    assert read == {"invocations": 3_000_000, "gb_seconds": Fraction(1, 10**18), "errors": 7}


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({}, ["quantities"]),
        ([], ["quantities"]),
        ({"calls": "1", "gb_seconds": 1.5}, ["quantities.calls", "quantities.gb_seconds"]),
        ({"invocations": "-1", "errors": "1e3"}, ["quantities.invocations", "quantities.errors"]),
        ({"invocations": None, "errors": True}, ["quantities.invocations", "quantities.errors"]),
    ],
)
def test_every_quantity_that_is_none_is_named(value: object, faults: list[str]) -> None:
    with pytest.raises(Rejected) as refusal:
        read_quantities(value)
    assert [fault.field for fault in refusal.value.faults] == faults


def test_an_unknown_meter_is_told_the_known_ones() -> None:
    with pytest.raises(Rejected, match="no such meter; known are invocations, "):
        read_quantities({"calls": "1"})


def test_usage_is_spread_evenly_and_there_is_none_before() -> None:
    start, end = datetime(2025, 10, 22, tzinfo=UTC), datetime(2025, 11, 11, tzinfo=UTC)
    supposed = WhatIf(Period(start, end), {"invocations": Fraction(200)})
    october = PeriodSlice(OCTOBER, start, OCTOBER.end)
    november = PeriodSlice(NOVEMBER, NOVEMBER.start, end)
    reached = [
        supposed.used_until(part, at)["invocations"]
        for part, at in (
            (october, OCTOBER.start),
            (october, start),
            (october, OCTOBER.end),
            (november, NOVEMBER.start),
            (november, NOVEMBER.start + timedelta(days=5)),
            (november, end),
            (november, NOVEMBER.end),
        )
    ]
    assert reached == [0, 0, 100, 0, 50, 100, 100]
    assert supposed.used_until(november, end).keys() == METERS.keys()
    assert supposed.used_until(november, end)["errors"] == 0


@given(
    st.fractions(0, 10**9, max_denominator=10**6),
    st.sets(st.integers(1, 31 * 288 - 1), max_size=5),
)
def test_the_parts_of_a_month_sum_to_what_was_supposed(quantity: Fraction, cuts: set[int]) -> None:
    supposed = WhatIf(OCTOBER, {"invocations": quantity})
    part = PeriodSlice(OCTOBER, *OCTOBER)
    inner = [OCTOBER.start + timedelta(minutes=5) * cut for cut in sorted(cuts)]
    reached = [supposed.used_until(part, at)["invocations"] for at in (OCTOBER.start, *inner, OCTOBER.end)]
    assert sum(after - before for before, after in pairwise(reached)) == quantity
    assert reached == sorted(reached)


def test_all_quantities_are_multiplied() -> None:
    assert scaled({"invocations": Fraction(4), "errors": Fraction(0)}, Fraction(3, 2)) == {
        "invocations": 6,
        "errors": 0,
    }
