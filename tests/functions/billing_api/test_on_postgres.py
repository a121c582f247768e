"""The API over the real services and a real PostgreSQL: usage in, windows and bills out."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from functions.billing_api.app import create_app
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.service.catalogue import install_catalogue
from shared.service.fold import Fold
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY
from tests.functions.billing_api.over_postgres import services_over

NOW = datetime(2025, 10, 16, 12, tzinfo=UTC)
RECORD = {
    "timestamp": "2025-10-15T12:00:00Z",
    "tenant_id": "demo-tenant",
    "service_name": "waiter",
    "revision": "waiter-00001",
    "invocations": 1,
    "duration_seconds": 0.234,
    "memory_mb": 64.5,
    "cold_start": False,
    "labels": {"method": "GET", "status": "200"},
}
DAY_BILL = {"tenant_id": "demo", "period_start": "2025-10-15T00:00:00Z", "period_end": "2025-10-15T23:59:59Z"}
JSON = "application/json"


@dataclass
class Product:
    """The API and what a test looks at behind it."""

    api: Described
    database: Database
    fold: Fold

    def rows(self) -> dict[str, int]:
        tables = ("usage_inbox", "payload", "usage_delta", "usage_aggregate", "service", "revision")
        with self.database.statement() as connection:
            return {
                table: connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0]
                for table in tables
            }

    def windows(self, query: str = "") -> list[dict[str, Any]]:
        self.fold.run()
        listed: list[dict[str, Any]] = json.loads(self.api.get(f"/usage-aggregates?{query}").data)["items"]
        return listed


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size_max=12)
    yield database
    database.close()


@pytest.fixture
def product(database: Database) -> Product:
    def clock() -> datetime:
        return NOW

    services, fold = services_over(database, clock)
    install_catalogue(PostgresPlans(database))
    api = Described(create_app(services).test_client(), KEY)
    demo = {"name": "Demo", "slug": "demo", "currency": "RUB", "aliases": ["demo-tenant"]}
    assert api.post("/tenants", demo).status_code == 201
    assert api.put("/tenants/demo/pricing-plan", {"plan": "faas-billing-rub"}).status_code == 200
    return Product(api, database, fold)


def test_the_readme_event_is_counted_once_singly_and_once_in_an_array(product: Product) -> None:
    for body in (RECORD, [RECORD]):
        answer = product.api.post("/metrics/ingest", body)
        assert (answer.status_code, answer.get_json()) == (202, {"accepted": 1, "duplicate": 0})
    for body in (RECORD, [RECORD]):
        assert product.api.post("/metrics/ingest", body).get_json() == {"accepted": 0, "duplicate": 1}
    windows = product.windows("tenant_id=demo")
    assert [window["window_size"] for window in windows] == ["1d", "1h", "5m"]
    for window in windows:
        assert (window["invocations"], window["total_duration_ms"], window["billed_1ms_ms"]) == (2, 468, 468)
        assert (window["max_memory_mb"], window["mb_ms"]) == (64.5, "30186")
        assert (window["tenant"], window["service_name"], window["revision"]) == (
            "demo",
            "waiter",
            "waiter-00001",
        )


def test_copies_sent_at_once_are_counted_once(product: Product) -> None:
    body = json.dumps(RECORD)
    client = product.api.client

    def send(_: int) -> dict[str, int]:
        answer: dict[str, int] = (
            client.application.test_client()
            .post(
                "/api/v1/metrics/ingest",
                data=body,
                content_type=JSON,
                headers={"Authorization": f"Bearer {KEY}"},
            )
            .get_json()
        )
        return answer

    with ThreadPoolExecutor(8) as senders:
        outcomes = list(senders.map(send, range(50)))
    assert sum(outcome["accepted"] for outcome in outcomes) == 1
    assert sum(outcome["duplicate"] for outcome in outcomes) == 49
    assert {window["invocations"] for window in product.windows()} == {1}


def test_an_idempotency_key_identifies_what_was_sent_and_not_its_spelling(product: Product) -> None:
    sent = {"Idempotency-Key": "batch-7"}
    product.api.post("/metrics/ingest", RECORD, headers=sent)
    again = product.api.post("/metrics/ingest", [RECORD], headers=sent)
    assert again.get_json() == {"accepted": 0, "duplicate": 1}
    other = product.api.post("/metrics/ingest", RECORD | {"invocations": 2}, headers=sent)
    assert other.status_code == 422
    assert {window["invocations"] for window in product.windows()} == {1}


def test_a_body_of_several_tenants_is_all_or_nothing(product: Product) -> None:
    product.api.post("/tenants", {"name": "Other", "currency": "EUR"})
    both = [RECORD, RECORD | {"tenant_id": "other"}]
    before = product.rows()
    refused = product.api.post("/metrics/ingest", [*both, RECORD | {"tenant_id": "nobody"}])
    assert refused.status_code == 422
    assert [e["field"] for e in refused.get_json(force=True)["errors"]] == ["[2].tenant_id"]
    assert product.rows() == before
    assert product.api.post("/metrics/ingest", both).get_json() == {"accepted": 2, "duplicate": 0}
    assert len(product.windows("window_size=1d")) == 2
    assert len(product.windows("window_size=1d&tenant_id=other")) == 1


BAD: dict[str, tuple[object, int, str]] = {
    "no service": ({k: v for k, v in RECORD.items() if k != "service_name"}, 422, "service_name"),
    "empty service": (RECORD | {"service_name": ""}, 422, "service_name"),
    "no tenant": ({k: v for k, v in RECORD.items() if k != "tenant_id"}, 422, "tenant_id"),
    "empty tenant": (RECORD | {"tenant_id": ""}, 422, "tenant_id"),
    "unknown tenant": (RECORD | {"tenant_id": "nobody"}, 422, "tenant_id"),
    "text for a number": (RECORD | {"memory_mb": "64"}, 422, "memory_mb"),
    "number for a text": (RECORD | {"service_name": 1}, 422, "service_name"),
    "negative": (RECORD | {"duration_seconds": -1}, 422, "duration_seconds"),
    "too much memory": (RECORD | {"memory_mb": 1_048_577}, 422, "memory_mb"),
    "too many calls": (RECORD | {"invocations": 10**9 + 1}, 422, "invocations"),
    "half a call": (RECORD | {"invocations": 0.5}, 422, "invocations"),
    "naive time": (RECORD | {"timestamp": "2025-10-15T12:00:00"}, 422, "timestamp"),
    "future time": (RECORD | {"timestamp": "2025-10-16T12:05:01Z"}, 422, "timestamp"),
    "no time": (RECORD | {"timestamp": "noon"}, 422, "timestamp"),
    "unknown field": (RECORD | {"memory": 1}, 422, "memory"),
    "NUL": (RECORD | {"revision": "a\x00b"}, 422, "revision"),
    "third of three": ([RECORD, RECORD, RECORD | {"memory_mb": -1}], 422, "[2].memory_mb"),
    "in an envelope": ({"records": [RECORD | {"memory_mb": -1}]}, 422, "records[0].memory_mb"),
    "equal requests that differ": (
        [RECORD | {"request_id": "r"}, RECORD | {"request_id": "r", "invocations": 2}],
        422,
        "[1].request_id",
    ),
}
BAD_BYTES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no JSON": (b"{", 400),
    "NaN": (json.dumps(RECORD | {"memory_mb": float("nan")}).encode(), 400),
    "Infinity": (json.dumps(RECORD | {"memory_mb": float("inf")}).encode(), 400),
    "broken UTF-8": (json.dumps(RECORD).encode().replace(b"GET", b"\xff\xfe"), 400),
    "NUL byte": (json.dumps(RECORD).encode().replace(b"GET", b"\x00"), 400),
    "brackets": (b"[" * 100_000, 400),
    "brackets closed": (b"[" * 100_000 + b"]" * 100_000, 400),
    "no record": (b"[]", 422),
    "a number": (b"1", 422),
    "an absurd number": (json.dumps(RECORD).encode().replace(b"64.5", b"1e999999999"), 422),
    "50,001 records": (b"[" + b",".join([json.dumps(RECORD).encode()] * 50_001) + b"]", 413),
    "17 MiB": (b"[" + b" " * (17 * 2**20) + b"]", 413),
}


@pytest.mark.timeout(300)
def test_bad_usage_is_refused_with_its_field_named_and_leaves_nothing(product: Product) -> None:
    before = product.rows()
    for name, (body, status, field) in BAD.items():
        answer = product.api.post("/metrics/ingest", data=json.dumps(body), content_type=JSON)
        assert answer.status_code == status, (name, answer.data)
        assert field in {e["field"] for e in answer.get_json(force=True)["errors"]}, (name, answer.data)
        assert product.rows() == before, name
    for name, (sent, status) in BAD_BYTES.items():
        answer = product.api.post("/metrics/ingest", data=sent, content_type=JSON)
        assert answer.status_code == status, (name, answer.data[:1_000])
        assert product.rows() == before, name


def test_the_readme_bill_can_be_checked_by_hand(product: Product) -> None:
    product.api.post("/metrics/ingest", RECORD)
    bill = product.api.post("/billing/calculate", DAY_BILL).get_json()
    assert (bill["tenant"], bill["currency"], bill["total"]) == ("demo", "RUB", "0.00")
    assert (bill["period_start"], bill["period_end"]) == ("2025-10-15T00:00:00Z", "2025-10-16T00:00:00Z")
    calls = next(line for line in bill["lines"] if line["meter"] == "invocations")
    assert (calls["quantity"], calls["included"], calls["billable_quantity"]) == ("1", "1000000", "0")


def test_twelve_million_calls_of_no_duration_cost_190_08(product: Product) -> None:
    product.api.post("/metrics/ingest", RECORD | {"invocations": 12_000_000, "duration_seconds": 0})
    bill = product.api.post("/billing/calculate", DAY_BILL).get_json()
    assert (bill["total"], bill["total_exact"]) == ("190.08", "190.08")
    for line in bill["lines"]:
        exact = Decimal(line["billable_quantity"]) * Decimal(line["unit_amount"]) / Decimal(line["per"])
        assert Decimal(line["amount_exact"]) == exact
    assert sum(Decimal(line["amount"]) for line in bill["lines"]) == Decimal("190.08")


def test_a_rebuild_gives_what_folding_gave(product: Product) -> None:
    for n in range(3):
        body = [RECORD | {"timestamp": f"2025-10-15T12:0{n}:00Z", "invocations": n + 1}] * 2
        product.api.post("/metrics/ingest", body)
    folded = product.windows()
    request = {"tenant_id": "demo", "start_time": "2025-10-15T12:00:00Z", "end_time": "2025-10-15T13:00:00Z"}
    assert product.api.post("/metrics/aggregate", request).get_json() == {
        "rebuilt": 3,
        "left_alone": [],
        "left_alone_count": 0,
    }
    assert product.windows() == folded


def test_windows_are_filtered_and_read_page_by_page(product: Product) -> None:
    for minute in range(0, 60, 10):
        for service in ("waiter", "hello"):
            at = f"2025-10-15T12:{minute:02}:00Z"
            product.api.post("/metrics/ingest", RECORD | {"timestamp": at, "service_name": service})
    everything = product.windows()
    assert len(everything) == 2 * (6 + 1 + 1)
    paged: list[dict[str, Any]] = []
    path = "/usage-aggregates?limit=3"
    while path:
        listed = json.loads(product.api.get(path).data)
        paged += listed["items"]
        path = f"/usage-aggregates?limit=3&cursor={listed['next_cursor']}" if listed["next_cursor"] else ""
    assert paged == everything
    hello = next(s for s in product.api.get("/services").get_json()["items"] if s["name"] == "hello")
    found = product.windows(
        f"tenant_id=demo-tenant&service_id={hello['id']}&window_size=5m"
        "&start_time=2025-10-15T12:10:00Z&end_time=2025-10-15T12:30:00Z"
    )
    assert [window["window_start"] for window in found] == ["2025-10-15T12:10:00Z", "2025-10-15T12:20:00Z"]
    assert {window["service_name"] for window in found} == {"hello"}


def test_what_waits_for_a_fold_is_before_as_of_no_longer(product: Product) -> None:
    product.api.post("/metrics/ingest", RECORD)
    waiting = product.api.get("/usage-aggregates?tenant_id=demo").get_json()
    assert (waiting["items"], waiting["as_of"]) == ([], "2025-10-16T12:00:00Z")
    product.fold.run()
    folded = product.api.get("/usage-aggregates?tenant_id=demo").get_json()
    assert len(folded["items"]) == 3
    assert datetime.fromisoformat(folded["as_of"]) > NOW + timedelta(days=1)
