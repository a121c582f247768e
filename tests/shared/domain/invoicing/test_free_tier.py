from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.invoicing.document import FreeTier
from shared.domain.invoicing.free_tier import free_tier
from shared.domain.period import Period
from tests.shared.domain.rating.entered import CALLS, MONTH, month, parts, plan_of

PLAN = plan_of(
    {"kind": "per_unit", "meter": CALLS, "amount": "1", "included": "10"},
    {"kind": "per_unit", "meter": "errors", "amount": "1"},
)


@pytest.mark.parametrize(("used", "free", "left"), [(0, 0, 10), (4, 4, 6), (10, 10, 0), (12, 10, 0)])
def test_what_was_free_and_what_is_left_of_it(used: int, free: int, left: int) -> None:
    (summary,) = free_tier(month(PLAN, used))
    wanted = FreeTier(CALLS, summary.unit, Decimal(10), Decimal(free), Decimal(left), MONTH)
    assert summary == wanted


def test_weeks_say_what_of_the_month_is_used_by_their_end() -> None:
    weeks = [free_tier(week)[0].used for week in parts(PLAN, 3, 5, 12)]
    assert weeks == [3, 5, 10]


def test_after_a_change_of_plan_the_allowance_is_that_of_the_last_one() -> None:
    more = plan_of({"kind": "per_unit", "meter": CALLS, "amount": "1", "included": "15"})
    first, last = parts(PLAN, 3, 12)[0], month(more, 12)
    (summary,) = free_tier([*first, *last])
    assert (summary.included, summary.used, summary.remaining) == (Decimal(15), Decimal(12), Decimal(3))


def test_each_month_that_a_period_touches_has_its_own() -> None:
    (line, _) = month(PLAN, 12)
    later = replace(
        line, counting=Period(MONTH.end, MONTH.end + timedelta(days=30)), end=MONTH.end + timedelta(days=9)
    )
    assert len(free_tier([line, later])) == 2
