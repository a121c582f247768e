"""Ticks that come late, twice, at once or by a wrong clock close each period once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from tests.invoicing.audit import faults
from tests.invoicing.house import FOREVER_S, OCTOBER, House

DAY = timedelta(days=1)
END = OCTOBER + 200 * DAY
PRICES = [
    {"kind": "per_unit", "meter": "invocations", "amount": "1.01"},
    {"kind": "flat", "amount": "10"},
]
hours = st.integers(0, 24 * 200)
names = count()


@pytest.fixture(scope="module")
def house(module_database_url: str) -> Iterator[House]:
    database = Database(module_database_url, pool_size_max=6)
    house = House(database).opened()
    house.plan("basic", PRICES)
    yield house
    database.close()


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    ticks=st.lists(st.tuples(hours, st.booleans()), max_size=12),
    used=st.lists(st.integers(0, 190), min_size=1, max_size=4),
    cycle=st.sampled_from([{}, {"anchor": "2025-01-31"}, {"interval": "week"}]),
)
def test_whatever_the_clock_says_at_each_tick_periods_follow_each_other_and_none_is_twice(
    house: House, ticks: list[tuple[int, bool]], used: list[int], cycle: dict[str, str]
) -> None:
    slug = f"t{next(names)}"
    house.now = OCTOBER
    house.customer(slug, "basic", cycle=cycle)
    house.now = END
    for number, day in enumerate(used):
        house.use(slug, f"e{number}", OCTOBER + day * DAY)
    for hour, at_once in ticks:
        house.now = OCTOBER + timedelta(hours=hour)
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(house.invoicing.closing.run, FOREVER_S) for _ in range(1 + at_once)]
            assert not any(one.result().more for one in running)
    house.close(END)
    invoices = house.finals(slug)
    periods = [one.invoice.period for one in invoices]
    assert all(first.end == second.start for first, second in pairwise(periods)), "none is missing"
    assert periods[0].start <= OCTOBER + min(used) * DAY
    assert periods[0].start <= OCTOBER
    assert periods[-1].end <= END - timedelta(hours=1) < periods[-1].end + 31 * DAY
    assert sum(one.document.net for one in invoices) >= len(used)
    assert len({one.invoice.number for one in invoices}) == len(invoices)
    assert faults(house.database) == []


def test_a_clock_that_jumps_back_changes_nothing_and_one_far_ahead_is_not_undone(house: House) -> None:
    house.now = OCTOBER
    house.customer("jumps", "basic")
    house.close(OCTOBER + 40 * DAY)
    (october,) = house.finals("jumps")
    for days in (20, 1, -400):
        assert house.close(OCTOBER + days * DAY)[:3] == (0, 0, 0)
    assert house.finals("jumps") == [october]
    house.close(OCTOBER + 100 * DAY)
    assert len(house.finals("jumps")) == 3
    assert house.close(OCTOBER + 40 * DAY)[:3] == (0, 0, 0)
    assert len(house.finals("jumps")) == 3
    assert faults(house.database) == []
