"""Explanations and evidence over the API, the real services and a real PostgreSQL."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.service.catalogue import install_catalogue
from tests.functions.billing_api.published import call, customer
from tests.functions.billing_api.seller import MONTH, Seller, seller_on

Json = dict[str, Any]
CALLS = {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "0.01"}
_READS = """
    SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0),
           coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
    FROM pg_stat_user_tables
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    # One connection, so that what it has read is counted when it is asked.
    database = Database(database_url, pool_size_max=1)
    yield database
    database.close()


@pytest.fixture
def seller(database: Database) -> Seller:
    return seller_on(database)


@pytest.fixture
def lambda_user(seller: Seller, database: Database) -> str:
    """C1, of two services: 3 million calls of 120 ms at 1,536 MB."""
    install_catalogue(PostgresPlans(database))
    tenant = customer(seller, "acme", "aws-lambda-x86")
    call(seller, tenant, 2_000_000, "120", 1536, service_name="api", revision="api-1")
    call(seller, tenant, 600_000, "120", 1536, service_name="web", revision="web-1")
    call(seller, tenant, 400_000, "120", 1536, service_name="web", revision="web-2", day=16)
    return tenant


def asked(seller: Seller, path: str, tenant: str, **more: Any) -> Json:
    body = {"tenant_id": tenant, "period_start": MONTH[0], "period_end": MONTH[1], **more}
    answer = seller.api.post(f"/billing/{path}", body)
    assert answer.status_code == 200, answer.data
    found: Json = answer.get_json()
    return found


def pages(seller: Seller, kind: str, query: str, limit: int) -> Iterator[Json]:
    """Every page of evidence."""
    cursor = ""
    while True:
        answer = seller.api.get(f"/billing/evidence/{kind}?{query}&limit={limit}{cursor}")
        assert answer.status_code == 200, answer.data
        page: Json = answer.get_json()
        yield page
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def items(seller: Seller, kind: str, query: str, limit: int = 100) -> list[Json]:
    return [item for page in pages(seller, kind, query, limit) for item in page["items"]]


def shares(line: Json) -> dict[str, str]:
    return {share["service_name"]: share["amount"] for share in line["breakdown"]}


def span(tenant: str, meter: str = "invocations", start: str = MONTH[0], end: str = MONTH[1]) -> str:
    return f"tenant_id={tenant}&meter={meter}&start={start}&end={end}"


def test_c1_falls_to_two_services_to_the_cent(seller: Seller, lambda_user: str) -> None:
    bill = asked(seller, "calculate", lambda_user)
    explained = asked(seller, "explain", lambda_user)
    assert (explained["total"], explained["simulated"]) == (bill["total"], False) == ("2.73", False)
    charged = {line["amount"]: line for line in explained["lines"] if line["amount"] != "0.00"}
    assert charged.keys() == {"2.33", "0.40"}
    assert shares(charged["2.33"]) == {"api": "1.55", "web": "0.78"}
    assert shares(charged["0.40"]) == {"api": "0.27", "web": "0.13"}
    (web,) = [share for share in charged["0.40"]["breakdown"] if share["service_name"] == "web"]
    assert {r["revision"]: (r["quantity"], r["amount"]) for r in web["revisions"]} == {
        "web-1": ("600000", "0.08"),
        "web-2": ("400000", "0.05"),
    }
    for line, explained_line in zip(bill["lines"], explained["lines"], strict=True):
        assert line.items() <= explained_line.items()
        assert sum(Decimal(s["amount"]) for s in explained_line["breakdown"]) == Decimal(line["amount"])
        for share in explained_line["breakdown"]:
            assert sum(Decimal(r["amount"]) for r in share["revisions"]) == Decimal(share["amount"])


def test_a_line_of_a_day_falls_to_who_used_something_that_day(seller: Seller, lambda_user: str) -> None:
    days = {"period_start": "2025-10-16T00:00:00Z", "period_end": "2025-10-17T00:05:00Z"}
    calls, *_ = asked(seller, "explain", lambda_user, **days)["lines"]
    assert (calls["quantity_before"], calls["quantity_after"]) == ("2600000", "3000000")
    (share,) = calls["breakdown"]
    assert (share["service_name"], share["quantity"], share["amount"]) == ("web", "400000", "0.08")
    assert [revision["revision"] for revision in share["revisions"]] == ["web-2"]


def test_windows_and_parts_sum_to_the_line_page_by_page(seller: Seller, lambda_user: str) -> None:
    line = next(
        line for line in asked(seller, "explain", lambda_user)["lines"] if line["meter"] == "gb_seconds_1ms"
    )
    query = span(lambda_user, line["meter"], line["start"], line["end"])
    for limit in (1, 2, 100):
        windows = items(seller, "windows", query, limit)
        assert sum(Decimal(window["quantity"]) for window in windows) == Decimal(line["quantity"])
        assert {window["window_size"] for window in windows} == {"1d"}
        parts = items(seller, "parts", query, limit)
        assert sum(Decimal(part["quantity"]) for part in parts) == Decimal(line["quantity"])
        assert [part["records"] for part in parts] == [1, 1, 1]
    assert next(pages(seller, "windows", query, 1))["quantity"] == line["quantity"]


def test_evidence_of_an_hour_is_of_that_hour_and_of_one_service_where_asked(
    seller: Seller, lambda_user: str
) -> None:
    noon = span(lambda_user, start="2025-10-15T12:00:00Z", end="2025-10-15T12:05:00Z")
    windows = items(seller, "windows", noon)
    assert {window["window_size"] for window in windows} == {"5m"}
    assert {w["service_name"]: w["quantity"] for w in windows} == {"api": "2000000", "web": "600000"}
    web = next(w["service_id"] for w in windows if w["service_name"] == "web")
    assert [w["quantity"] for w in items(seller, "windows", f"{noon}&service_id={web}")] == ["600000"]
    of_web = items(seller, "parts", f"{span(lambda_user)}&service_id={web}")
    assert sorted((part["records"], part["quantity"]) for part in of_web) == [
        (0, "0"),
        (1, "400000"),
        (1, "600000"),
    ]
    for day in (14, 17):
        unused = span(lambda_user, start=f"2025-10-{day}T00:00:00Z", end=f"2025-10-{day + 1}T00:00:00Z")
        assert items(seller, "windows", unused) == items(seller, "parts", unused) == []


def test_a_part_that_lies_in_and_beside_the_span_shows_what_of_it_lies_in(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    record = {"tenant_id": tenant, "service_name": "f", "invocations": 3}
    body = [record | {"timestamp": f"2025-10-15T12:{minute:02}:00Z"} for minute in (0, 10, 20)]
    key = {"Idempotency-Key": "batch 7"}
    assert seller.api.post("/metrics/ingest", body, headers=key).status_code == 202
    inside = span(tenant, start="2025-10-15T12:05:00Z", end="2025-10-15T12:15:00Z")
    (part,) = items(seller, "parts", inside)
    assert (part["id"], part["records"], part["quantity"]) == ("key:batch 7", 1, "3")
    between = span(tenant, start="2025-10-15T12:05:00Z", end="2025-10-15T12:10:00Z")
    (part,) = items(seller, "parts", between)
    assert (part["records"], part["quantity"], part["voided"]) == (0, "0", False)


def test_a_part_of_many_payload_rows_is_one(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    record = {"tenant_id": tenant, "service_name": "f", "timestamp": "2025-10-15T12:00:00Z"}
    body = [record | {"labels": {"n": str(n)}} for n in range(2_500)]
    assert seller.api.post("/metrics/ingest", body).status_code == 202
    (part,) = items(seller, "parts", span(tenant))
    assert (part["records"], part["quantity"]) == (2_500, "2500")


def test_void_parts_are_shown_and_are_in_no_window(seller: Seller) -> None:
    tenant = seller.sell(CALLS)
    seller.use(tenant, 100, request_id="kept")
    seller.use(tenant, 7, request_id="wrong")
    void = {"tenant_id": tenant, "request_id": "wrong", "reason": "a load test"}
    assert seller.api.post("/usage/voids", void).status_code == 200
    parts = {part["id"]: (part["quantity"], part["voided"]) for part in items(seller, "parts", span(tenant))}
    assert parts == {"req:kept": ("100", False), "req:wrong": ("7", True)}
    assert [window["quantity"] for window in items(seller, "windows", span(tenant))] == ["100"]
    (line,) = asked(seller, "explain", tenant)["lines"]
    assert shares(line) == {"f": "1.00"}


def test_a_simulation_with_the_tenants_own_plan_is_its_bill(seller: Seller, lambda_user: str) -> None:
    bill = asked(seller, "calculate", lambda_user)
    simulated = asked(seller, "calculate", lambda_user, plan="aws-lambda-x86")
    assert simulated["lines"] == bill["lines"]
    supposed = {"invocations": "3000000", "gb_seconds_1ms": "540000"}
    given = asked(seller, "calculate", lambda_user, quantities=supposed)
    assert (given["total"], given["assumed"]["quantities"]) == ("2.73", supposed)


def stored(database: Database) -> Mapping[str, int]:
    with database.statement() as connection:
        tables = [name for (name,) in connection.execute("SELECT relname FROM pg_stat_user_tables")]
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0]
            for table in tables
        }


def test_nothing_is_stored_by_what_is_supposed(seller: Seller, lambda_user: str, database: Database) -> None:
    asked(seller, "calculate", lambda_user)
    before = stored(database)
    plan = {"name": "new", "currency": "EUR", "prices": [CALLS]}
    asked(seller, "calculate", lambda_user, pricing_plan=plan)
    asked(seller, "calculate", lambda_user, usage_factor="2.5")
    asked(seller, "explain", lambda_user, pricing_plan=plan)
    comparison = asked(seller, "compare", lambda_user, plans=[{"own": True}, {"pricing_plan": plan}])
    assert [(p["currency"], p["total"], p["difference"]) for p in comparison["plans"]] == [
        ("USD", "2.73", "0.00"),
        ("EUR", "30000.00", None),
    ]
    assert stored(database) == before


def reads(database: Database) -> Mapping[str, tuple[int, int]]:
    """How often each table was looked into, and how many rows were read of it."""
    with database.statement() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    with database.statement() as connection:
        return {name: (scans, rows) for name, scans, rows in connection.execute(_READS)}


def looked_into(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> set[str]:
    return {name for name, (scans, _) in after.items() if scans > before.get(name, (0, 0))[0]}


def test_bills_read_windows_and_only_evidence_of_parts_reads_payloads(
    seller: Seller, lambda_user: str, database: Database
) -> None:
    asked(seller, "calculate", lambda_user)  # what was sent is folded
    for path, more in (
        ("calculate", {}),
        ("calculate", {"usage_factor": "2"}),
        ("explain", {}),
        ("compare", {"plans": [{"own": True}, {"plan": "aws-lambda-x86-no-free-tier"}]}),
    ):
        before = reads(database)
        asked(seller, path, lambda_user, **more)
        touched = looked_into(before, reads(database))
        assert "usage_window" in touched, path
        assert not {name for name in touched if name.startswith(("payload", "usage_inbox"))}, path
    before = reads(database)
    items(seller, "windows", span(lambda_user))
    assert not {n for n in looked_into(before, reads(database)) if n.startswith(("payload", "usage_inbox"))}
    before = reads(database)
    items(seller, "parts", span(lambda_user))
    assert {n for n in looked_into(before, reads(database)) if n.startswith("payload")}


@pytest.mark.parametrize("path", ["calculate", "explain"])
def test_a_bill_reads_as_much_however_many_records_there_are(
    seller: Seller, database: Database, path: str
) -> None:
    tenant = seller.sell(CALLS)

    def rows_read() -> int:
        asked(seller, path, tenant)
        before = reads(database)["usage_window"]
        asked(seller, path, tenant)
        return reads(database)["usage_window"][1] - before[1]

    seller.use(tenant, 1)
    few = rows_read()
    record = {"tenant_id": tenant, "service_name": "f", "timestamp": "2025-10-15T12:00:00Z"}
    body = [record | {"labels": {"n": str(n)}} for n in range(2_000)]
    assert seller.api.post("/metrics/ingest", body).status_code == 202
    assert asked(seller, path, tenant)["total"] == "20.01"
    assert rows_read() == few > 0


def test_the_documented_examples_cost_what_they_say(seller: Seller, lambda_user: str) -> None:
    scaleway = {
        "plan": "scaleway-functions",
        "period_start": MONTH[0],
        "period_end": MONTH[1],
        "quantities": {"invocations": "30000000", "gb_seconds": "3750000"},
    }
    bill = seller.api.post("/billing/calculate", scaleway).get_json()
    assert (bill["total"], bill["currency"]) == ("44.55", "EUR")
    plans = [{"own": True}, {"plan": "aws-lambda-x86-no-free-tier"}]
    compared = asked(seller, "compare", lambda_user, plans=plans)["plans"]
    assert [(plan["total"], plan["difference"]) for plan in compared] == [("2.73", "0.00"), ("9.60", "6.87")]
    requests = asked(seller, "explain", lambda_user)["lines"][0]
    assert requests["description"] == "0.20 per 1,000,000 invocations, after 1,000,000 included per month"
    assert requests["rounding"] == (
        "round(0.4) - round(0) = 0.40 - 0.00 = 0.40 USD, half away from zero at 2 digits after the point"
    )
