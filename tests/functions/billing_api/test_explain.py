"""Why a bill is what it is, and what stands behind it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.domain.aggregate import SeriesName
from shared.domain.facts import WindowFacts
from shared.domain.windows import WindowSize
from shared.service.evidence_ports import CoveringWindow, PartPlace, StoredPart, WindowPlace
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.explain_fakes import series
from tests.functions.billing_api.fakes import Backend

DEMO = {
    "tenant_id": "demo",
    "period_start": "2025-10-01T00:00:00Z",
    "period_end": "2025-11-01T00:00:00Z",
}
SPAN = "tenant_id=demo&meter=invocations&start=2025-10-15T12:00:00Z&end=2025-10-15T13:00:00Z"
NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
TIERS = [{"up_to": "10", "amount": "1"}, {"amount": "0.5", "flat": "3"}]
PLAN = {
    "name": "tiered",
    "currency": "EUR",
    "prices": [
        {"kind": "graduated", "name": "calls", "meter": "invocations", "tiers": TIERS},
        {"kind": "per_unit", "meter": "gb_seconds_1ms", "amount": "1"},
        {"kind": "percentage", "percent": "10", "of": ["calls"]},
    ],
}


@pytest.fixture(autouse=True)
def demo(api: Described, backend: Backend) -> None:
    api.post("/tenants", {"name": "Demo", "currency": "EUR"})
    assert api.post("/pricing-plans", PLAN).status_code == 201
    api.put("/tenants/demo/pricing-plan", {"plan": "tiered"})
    backend.series.used = {
        series("api", "api-1", 1): WindowFacts(invocations=10),
        (series("api", "api-1", 1)[0], *series("api", "api-2", 2)[1:]): WindowFacts(invocations=5),
        series("web", "web-1", 3): WindowFacts(invocations=5),
    }


def explained(api: Described, **more: Any) -> Any:
    body = {**DEMO, "period_start": "2025-10-01T00:00:00Z", **more}
    answer = api.post("/billing/explain", body)
    assert answer.status_code == 200, answer.data
    return answer.get_json()


def test_a_line_says_its_tier_its_rounding_and_to_whom_it_falls(api: Described) -> None:
    bill = explained(api)
    assert (bill["simulated"], bill["plan"], bill["total"]) == (False, "tiered", "19.80")
    first, second, memory, percentage = bill["lines"]
    assert (second["kind"], second["part"]) == ("graduated", "tier 2")
    assert second["tier"] == {
        "number": 2,
        "over": "10",
        "up_to": None,
        "amount": "0.5",
        "per": "1",
        "flat": "3",
    }
    assert (second["quantity_before"], second["quantity_after"]) == ("0", "20")
    assert (second["amount_exact_after"], second["amount_after"], second["amount_before"]) == (
        "8",
        "8.00",
        "0.00",
    )
    assert second["rounding"] == (
        "round(8) - round(0) = 8.00 - 0.00 = 8.00 EUR, half away from zero at 2 digits after the point"
    )
    assert [(share["service_name"], share["quantity"], share["amount"]) for share in second["breakdown"]] == [
        ("api", "15", "6.00"),
        ("web", "5", "2.00"),
    ]
    assert [(r["revision"], r["quantity"], r["amount"]) for r in second["breakdown"][0]["revisions"]] == [
        ("api-1", "10", "4.00"),
        ("api-2", "5", "2.00"),
    ]
    assert "each invocation rounded up to 1 ms" in memory["quantity_rounding"]
    assert "durations_ns" in memory["quantity_rounding"]
    assert "quantity_rounding" not in first
    assert [(s["service_name"], s["amount"]) for s in percentage["breakdown"]] == [
        ("api", "1.35"),
        ("web", "0.45"),
    ]
    assert all("quantity" not in share for share in percentage["breakdown"])


def test_services_alone_are_enough_where_that_is_asked_for(api: Described) -> None:
    (share, *_) = explained(api, by="service")["lines"][0]["breakdown"]
    assert (share["service_name"], share["amount"]) == ("api", "7.50")
    assert "revisions" not in share


def test_the_largest_shares_are_told_and_the_others_are_one(api: Described) -> None:
    shares = explained(api, top=1)["lines"][0]["breakdown"]
    assert [(s["service_id"], s["amount"], s.get("merged")) for s in shares] == [
        (str(UUID(int=1)), "7.50", None),
        (None, "2.50", 1),
    ]


def test_what_is_supposed_is_explained_too(api: Described) -> None:
    bill = explained(api, usage_factor="2")
    assert (bill["simulated"], bill["assumed"]["usage_factor"]) == (True, "2")
    assert [s["quantity"] for s in bill["lines"][0]["breakdown"]] == ["30", "10"]
    supposed = explained(api, quantities={"invocations": "20"})
    (share,) = supposed["lines"][0]["breakdown"]
    assert (share["service_id"], share["quantity"], share["amount"]) == (None, "20", "10.00")


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"by": "label"}, ["by"]),
        ({"top": 0}, ["top"]),
        ({"tenant_id": "nobody", "plan": "nope"}, ["tenant_id", "plan"]),
        ({"period_start": "2025-10-01T00:01:00Z"}, ["period_start"]),
    ],
)
def test_every_fault_of_a_question_is_named(
    api: Described, change: dict[str, Any], fields: list[str]
) -> None:
    answer = api.post("/billing/explain", DEMO | change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == fields


def window(number: int, invocations: int) -> CoveringWindow[WindowFacts]:
    place = WindowPlace(NOON + timedelta(minutes=5 * number), UUID(int=1), UUID(int=2))
    facts = WindowFacts(records=1, invocations=invocations)
    name = SeriesName("default", "api", "api-1")
    return CoveringWindow(WindowSize.M5, place, place.revision_id, name, facts)


def test_windows_come_page_by_page_and_sum_to_the_quantity(api: Described, backend: Backend) -> None:
    backend.shelf.covering = [window(0, 3), window(1, 4), window(2, 5)]
    first = api.get(f"/billing/evidence/windows?{SPAN}&limit=2").get_json()
    assert (first["meter"], first["unit"], first["quantity"]) == ("invocations", "invocation", "12")
    assert first["items"][0] == {
        "window_size": "5m",
        "window_start": "2025-10-15T12:00:00Z",
        "window_end": "2025-10-15T12:05:00Z",
        "service_id": str(UUID(int=1)),
        "namespace": "default",
        "service_name": "api",
        "revision_id": str(UUID(int=2)),
        "revision": "api-1",
        "records": 1,
        "invocations": 3,
        "quantity": "3",
    }
    second = api.get(f"/billing/evidence/windows?{SPAN}&cursor={first['next_cursor']}").get_json()
    assert [item["quantity"] for item in second["items"]] == ["5"]
    assert second["next_cursor"] is None


class Body:
    def __init__(self, *records: dict[str, Any]) -> None:
        self.body = json.dumps({"records": records})
        self.recorded_at = self.received_at = NOON


def part(number: int, *, is_void: bool = False) -> StoredPart:
    place = PartPlace(NOON, NOON + timedelta(hours=2), UUID(int=number), NOON)
    return StoredPart(place, "/spool", str(number), NOON, is_void)


def record(minute: int, service: str = "api", calls: int = 1) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minute)
    return {"service_name": service, "timestamp": at.isoformat(), "invocations": calls}


def test_parts_show_what_of_them_lies_in_the_span(api: Described, backend: Backend) -> None:
    backend.shelf.stored = [
        (part(1), [Body(record(-5), record(0)), Body(record(1, "web", 7))]),
        (part(2, is_void=True), [Body(record(-1, calls=9))]),
    ]
    first = api.get(f"/billing/evidence/parts?{SPAN}&limit=1").get_json()
    assert first["items"] == [
        {
            "source": "/spool",
            "id": "1",
            "received_at": "2025-10-15T12:00:00Z",
            "recorded_at": "2025-10-15T12:00:00Z",
            "touches_from": "2025-10-15T12:00:00Z",
            "touches_until": "2025-10-15T14:00:00Z",
            "records": 2,
            "quantity": "8",
            "voided": False,
        }
    ]
    second = api.get(f"/billing/evidence/parts?{SPAN}&cursor={first['next_cursor']}").get_json()
    assert [(i["id"], i["records"], i["quantity"], i["voided"]) for i in second["items"]] == [
        ("2", 0, "0", True)
    ]


def test_parts_of_one_service_count_its_records_only(api: Described, backend: Backend) -> None:
    backend.shelf.services = {UUID(int=5): ("default", "web")}
    backend.shelf.stored = [(part(1), [Body(record(0), record(0, "web", 7), record(1, "web", 2))])]
    (item,) = api.get(f"/billing/evidence/parts?{SPAN}&service_id={UUID(int=5)}").get_json()["items"]
    assert (item["records"], item["quantity"]) == (2, "9")


@pytest.mark.parametrize("path", ["windows", "parts"])
@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (
            "tenant_id=nobody&meter=calls&start=2025-10-15T12:01:00Z&end=2025-10-15T13:00:00Z",
            [
                "tenant_id",
                "meter",
                "start",
            ],
        ),
        (f"{SPAN}&service_id={UUID(int=9)}", ["service_id"]),
        (f"{SPAN}&cursor=x", ["cursor"]),
        ("tenant_id=demo&meter=invocations&start=2025-10-15T12:00:00Z", ["end"]),
        (f"{SPAN}&limit=0", ["limit"]),
    ],
)
def test_every_fault_of_a_request_for_evidence_is_named(
    api: Described, path: str, query: str, fields: list[str]
) -> None:
    answer = api.get(f"/billing/evidence/{path}?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == fields


def test_a_page_of_parts_is_short_since_each_is_read(api: Described) -> None:
    assert api.get(f"/billing/evidence/parts?{SPAN}&limit=101").status_code == 422
