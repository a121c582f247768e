"""What stands behind every kind of line, asked for as the explained line says, on a real PostgreSQL."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.evidenced import CALL, NIGHT, TOKEN, USED, WEEKEND, Asked, asked_of
from tests.functions.billing_api.seller import MONTH

SUMS = (
    CALL,
    CALL | {"meter": "gb_seconds_1ms"},
    {"kind": "per_unit", "meters": ["gb_seconds", "gb_seconds_100ms"], "amount": "1"},
    CALL | {"band": NIGHT},
    CALL | {"meter": "cold_starts", "band": WEEKEND, "name": "weekends"},
    CALL | {"where": {"capacity": ["spot", ""]}},
    CALL | {"band": NIGHT, "where": {"capacity": "spot"}, "except": {"region": "us"}},
    {
        "kind": "graduated",
        "meter": "invocations",
        "tiers": [{"up_to": "100", "amount": "2"}, {"amount": "1"}],
    },
    {"kind": "package", "meter": "errors", "amount": "5", "size": "100"},
    TOKEN,
    TOKEN | {"meter": "custom.valued"},
    TOKEN | {"band": NIGHT},
    TOKEN | {"where": {"model": ["large", ""]}, "except": {"tier": "a"}},
    TOKEN | {"band": WEEKEND, "except": {"model": "large"}},
    {"kind": "per_unit", "meters": ["invocations", "custom.valued"], "amount": "1"},
    {"kind": "per_event", "meter": "custom.paid", "percent": "1.2", "fixed": "0.10", "free_events": 2},
)
OTHERS = (
    {"kind": "flat", "amount": "10"},
    {"kind": "percentage", "percent": "10", "of": ["weekends"]},
    {"kind": "free_value", "included": "3", "of": ["weekends"]},
)


@pytest.fixture
def asked(database_url: str) -> Iterator[Asked]:
    # One connection, so that what evidence asks for beside its snapshot would be missed.
    database = Database(database_url, pool_size_max=1)
    yield asked_of(database)
    database.close()


def test_all_pages_behind_every_line_that_is_a_sum_sum_to_it(asked: Asked) -> None:
    lines = asked.explained(*SUMS)
    assert sum(Decimal(line["quantity"]) > 0 for line in lines) >= len(SUMS)
    for line in lines:
        for kind in ("windows", "parts"):
            assert asked.sum(kind, line) == Decimal(line["quantity"]), (kind, line)
        for query in line["evidence"]:
            windows = asked.items("windows", query)
            page = asked.page("windows", query)
            assert sum(Decimal(w["quantity"]) for w in windows) == Decimal(page["quantity"])
            assert page["items"] == windows
            assert "note" not in page


def test_what_a_part_of_a_month_counts_has_evidence_of_that_part(asked: Asked) -> None:
    span = {"period_start": "2025-10-17T16:15:00Z", "period_end": "2025-10-18T00:15:00Z"}
    lines = asked.explained(*SUMS, **span)
    assert {line["quantity"] for line in lines} != {"0"}
    for line in lines:
        for kind in ("windows", "parts"):
            assert asked.sum(kind, line) == Decimal(line["quantity"]), (kind, line)


def test_a_line_says_what_to_ask_in_the_words_of_its_price(asked: Asked) -> None:
    both = CALL | {"band": WEEKEND, "where": {"capacity": ["spot"]}, "except": {"region": ["us"]}}
    (line, _) = asked.explained(both)
    (query,) = line["evidence"]
    assert (query["meter"], query["start"], query["end"]) == ("invocations", line["start"], line["end"])
    assert {field: json.loads(query[field]) for field in ("band", "where", "except")} == {
        field: both[field] for field in ("band", "where", "except")
    }
    assert [query["meter"] for query in asked.explained(SUMS[2])[0]["evidence"]] == [
        "gb_seconds",
        "gb_seconds_100ms",
    ]


def test_lines_that_count_nothing_and_usage_that_is_supposed_have_no_evidence(asked: Asked) -> None:
    lines = asked.explained(SUMS[4], *OTHERS)
    # Two months of Kathmandu: October's lines, and November's.
    assert ["evidence" in line for line in lines] == [True, False, False, False] * 2
    assert "evidence" not in asked.explained(CALL, usage_factor="2")[0]
    assert "evidence" not in asked.explained(CALL, quantities={"invocations": "2"})[0]


def test_windows_and_parts_of_one_service_are_its_own(asked: Asked) -> None:
    query = {"meter": "custom.tokens", "start": MONTH[0], "end": MONTH[1]}
    windows = asked.items("windows", query)
    of = {w["service_name"]: w["service_id"] for w in windows}
    for name, tokens in (("api", "110.5"), ("web", "20.25")):
        of_one = query | {"service_id": of[name]}
        page = asked.page("windows", of_one)
        assert page["quantity"] == tokens
        assert {w["service_name"] for w in page["items"]} == {name}
        assert sum(Decimal(part["quantity"]) for part in asked.items("parts", of_one)) == Decimal(tokens)


def test_a_window_says_the_values_of_dimensions_that_it_is_of(asked: Asked) -> None:
    span = {"start": "2025-10-17T18:10:00Z", "end": "2025-10-17T18:20:00Z"}
    calls = asked.items("windows", span | {"meter": "invocations"})
    assert [window["dimensions"] for window in calls if "dimensions" in window] == [
        {"capacity": "spot", "region": "us"}
    ]
    (tokens,) = asked.items("windows", span | {"meter": "custom.tokens"})
    assert tokens["dimensions"] == {"model": "large", "tier": "a"}
    assert "records" not in tokens
    assert (tokens["quantity"], tokens["sum"], tokens["count"]) == ("3", "3", 1)


def test_pages_leave_out_none_of_the_windows_of_one_revision_that_begin_together(asked: Asked) -> None:
    at, models = "2025-10-20T12:00:00Z", [f"m{number}" for number in range(5)]
    for number, model in enumerate(models):
        asked.use(at, 100, "1", {"capacity": model, "model": model}, 6 * number)
    span = {"start": at, "end": "2025-10-20T12:05:00Z"}
    for meter, label in (("invocations", "capacity"), ("custom.tokens", "model")):
        windows = asked.items("windows", span | {"meter": meter})
        assert sorted(window["dimensions"][label] for window in windows) == models
        assert len({window["revision_id"] for window in windows}) == 1


def test_a_band_of_which_nothing_lies_in_the_time_has_no_evidence(asked: Asked) -> None:
    span = {"start": "2025-10-17T16:20:00Z", "end": "2025-10-17T16:25:00Z", "band": json.dumps(WEEKEND)}
    for meter in ("invocations", "custom.tokens"):
        page = asked.page("windows", span | {"meter": meter})
        assert (page["items"], page["quantity"]) == ([], "0")
        assert asked.items("parts", span | {"meter": meter}) == []


def test_a_void_part_of_a_custom_meter_is_shown_and_in_no_window(asked: Asked) -> None:
    (at, *_) = USED[1]
    void = {"tenant_id": "acme", "request_id": f"{at} 1", "reason": "a test"}
    assert asked.api.post("/usage/voids", void).status_code == 200
    query = {"meter": "custom.tokens", "start": MONTH[0], "end": MONTH[1]}
    page = asked.page("windows", query)
    assert page["quantity"] == "110.75"
    parts = {part["id"]: (part["quantity"], part["voided"]) for part in asked.items("parts", query)}
    assert parts[f"req:{at} 1"] == ("20", True)


def test_values_beyond_those_that_are_kept_apart_count_as_others_in_parts_too(asked: Asked) -> None:
    record = {"tenant_id": "acme", "service_name": "f", "timestamp": "2025-10-20T12:00:00Z"}
    many = [
        record | {"labels": {"capacity": f"c{n:04}", "model": f"m{n:04}"}, "quantities": {"tokens": "1"}}
        for n in range(1_010)
    ]
    assert asked.api.post("/metrics/ingest", many).status_code == 202
    other = {"where": {"capacity": "__other__"}}, {"where": {"model": "__other__"}}
    calls, tokens, *_ = asked.explained(CALL | other[0], TOKEN | other[1])
    for line in (calls, tokens):
        assert int(line["quantity"]) > 10
        for kind in ("windows", "parts"):
            assert asked.sum(kind, line) == Decimal(line["quantity"]), kind


@pytest.mark.parametrize("kind", ["windows", "parts"])
def test_every_fault_of_what_is_asked_is_named(asked: Asked, kind: str) -> None:
    query = {"meter": "invocations", "start": MONTH[0], "end": MONTH[1]}
    wrong = {"band": '{"from": "7", "to": "08:03"}', "where": "{}", "except": "eu", "start": "today"}
    found = asked.refused(kind, query | wrong)
    assert found.keys() == {"band", "where", "except", "start"}
    assert all(said in found["band"] for said in ("name: is missing", "from: must be", "to: must lie"))
    assert "JSON" in asked.refused(kind, query | {"band": "night"})["band"]
    both = {"where": '{"region": "eu"}', "except": '{"region": ["eu", "us"]}'}
    assert asked.refused(kind, query | both) == {"except.region": "leaves nothing of where"}
    assert asked.refused(kind, query | {"meter": "custom.nothing"}).keys() == {"meter"}
    assert asked.refused(kind, query | {"meter": "custom.Not"}).keys() == {"meter"}
    for meter in ("invocations", "custom.tokens"):
        undeclared = query | {"meter": meter, "where": '{"colour": "red"}'}
        assert "'colour'" in asked.refused(kind, undeclared)["where"]
