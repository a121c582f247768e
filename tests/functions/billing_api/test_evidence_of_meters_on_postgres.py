"""What stands behind lines of custom meters that do not add up, on a real PostgreSQL."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.evidenced import TOKEN, Asked, Json, asked_of


@pytest.fixture
def asked(database_url: str) -> Iterator[Asked]:
    # One connection, so that what evidence asks for beside its snapshot would be missed.
    database = Database(database_url, pool_size_max=1)
    yield asked_of(database)
    database.close()


@pytest.mark.parametrize(
    ("meter", "said", "shown"),
    [
        ("biggest", "greatest value", {"max": "100", "count": 5}),
        ("last", "last instant", {"latest": "0.25", "latest_at": "2025-10-18T00:15:00Z"}),
        ("users", "counts once", {"count": 5}),
        ("p95", "in order", {"sum": "130.75", "count": 5, "max": "100"}),
        ("peaks", "in order", {"sum": "130.75", "count": 5, "max": "100"}),
        ("held", "still held", {"sum": "125.75", "count": 5}),
    ],
)
def test_windows_that_do_not_add_up_show_what_the_meter_counts_and_say_why(
    asked: Asked, meter: str, said: str, shown: Json
) -> None:
    (line, _) = asked.explained(TOKEN | {"meter": f"custom.{meter}"})
    (query,) = line["evidence"]
    page = asked.page("windows", query)
    assert (page["meter"], page["unit"], page["quantity"]) == (f"custom.{meter}", "token", None)
    assert said in page["note"]
    parts = asked.page("parts", query)
    assert parts["note"] == page["note"]
    for found in (page["items"], parts["items"]):
        assert all(item["quantity"] is None for item in found)
        assert together([item for item in found if item.get("records") != 0], shown) == shown


def together(found: list[Json], wanted: Json) -> Json:
    """What windows, or parts, hold together of these facts."""
    last = max(found, key=lambda item: str(item.get("latest_at")))
    facts: Json = {"latest": last.get("latest"), "latest_at": last.get("latest_at")}
    facts["sum"] = f"{sum(Decimal(item.get('sum', 0)) for item in found)}"
    facts["count"] = sum(item.get("count", 0) for item in found)
    facts["max"] = f"{max(Decimal(item.get('max', 0)) for item in found)}"
    return {name: facts[name] for name in wanted}


def test_a_percentile_of_windows_shows_windows_of_5_minutes(asked: Asked) -> None:
    sizes = {
        meter: {
            window["window_size"]
            for line in asked.explained(TOKEN | {"meter": f"custom.{meter}"})[:1]
            for query in line["evidence"]
            for window in asked.items("windows", query)
        }
        for meter in ("peaks", "p95")
    }
    assert sizes["peaks"] == {"5m"}
    assert "1d" in sizes["p95"]


def test_a_meter_that_rounds_its_total_shows_what_is_not_rounded_and_says_so(asked: Asked) -> None:
    (line, _) = asked.explained(TOKEN | {"meter": "custom.stepped"})
    (query,) = line["evidence"]
    page = asked.page("windows", query)
    assert (line["quantity"], page["quantity"]) == ("1000", "130.75")
    assert "rounds" in page["note"]
