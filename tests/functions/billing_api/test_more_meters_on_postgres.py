"""Percentiles, levels that are held and prices per event, from POST /meters to the bill."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.seller import MONTH, Seller, seller_on

Json = dict[str, Any]
PAYMENTS = {"value": "quantities.paid", "ledger": True, "unit": "EUR", "units": "EUR"}
PER_EVENT = {"kind": "per_event", "meter": "custom.payments", "percent": "1.2", "fixed": "0.10"}
_READS = "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    # One connection, so that what it has read is counted when it is asked.
    database = Database(database_url, pool_size_max=1)
    yield database
    database.close()


@pytest.fixture
def seller(database: Database) -> Seller:
    return seller_on(database)


def define(seller: Seller, name: str, **fields: object) -> Json:
    answer = seller.api.post("/meters", {"name": name, "unit": "unit", "aggregation": "sum", **fields})
    assert answer.status_code == 201, answer.data
    defined: Json = answer.get_json()
    return defined


def per_unit(meter: str, amount: str) -> Json:
    return {"kind": "per_unit", "meter": meter, "amount": amount}


def amounts(bill: Json) -> list[str]:
    return [line["amount"] for line in bill["lines"]]


def pay(seller: Seller, tenant: str, *paid: str, day: int = 1) -> None:
    for number, amount in enumerate(paid):
        seller.use(tenant, 1, day=day + number, quantities={"paid": amount})


def test_bandwidth_is_billed_by_the_95th_percentile_of_windows(seller: Seller) -> None:
    define(seller, "p95", aggregation="percentile", percentile="95", of="window", value="egress_bytes")
    tenant = seller.sell(per_unit("custom.p95", "0.01"))
    # An hour of 12 windows: 95% of the way from the first to the last is 45% from the 11th to the 12th.
    for minute in range(0, 60, 5):
        at = f"2025-10-01T00:{minute:02}:00Z"
        record = {"tenant_id": tenant, "service_name": "f", "timestamp": at, "egress_bytes": 100 * minute}
        assert seller.api.post("/metrics/ingest", record).status_code == 202
    (line,) = seller.bill(tenant, MONTH[0], "2025-10-01T01:00:00Z")["lines"]
    assert (line["quantity"], line["amount"]) == ("5225", "52.25")
    # Of a whole month, an hour is less than five of a hundred.
    assert seller.bill(tenant)["total"] == "0.00"


def test_a_level_is_billed_on_in_a_month_without_usage(seller: Seller) -> None:
    define(seller, "seats", aggregation="weighted_sum", value="quantities.added", less="quantities.removed")
    tenant = seller.sell(per_unit("custom.seats", "31"))
    seller.use(tenant, 1, day=16, quantities={"added": "2"})
    october = seller.bill(tenant)
    assert (october["total"], october["lines"][0]["quantity"]) == ("31.00", "1")
    november = seller.bill(tenant, MONTH[1], "2025-12-01T00:00:00Z")
    assert november["total"] == "62.00"
    days = [MONTH[0], "2025-10-16T12:00:00Z", "2025-10-17T00:00:00Z", "2025-10-24T07:35:00Z", MONTH[1]]
    parts = [seller.bill(tenant, *span)["total"] for span in pairwise(days)]
    assert sum(int(part.replace(".", "")) for part in parts) == 3_100
    assert parts[:2] == ["0.00", "1.00"]


def test_the_bill_follows_events_that_come_late_or_are_voided(seller: Seller) -> None:
    define(seller, "payments", **PAYMENTS)
    tenant = seller.sell({**PER_EVENT, "free_events": 3, "free_amount": "500"})
    pay(seller, tenant, "200", "100", "100", "50", day=10)
    assert seller.bill(tenant)["total"] == "0.70"
    # A smaller one, but earlier: now the third of before, of 100, is the fourth.
    pay(seller, tenant, "10", day=2)
    assert seller.bill(tenant)["total"] == "2.00"
    bounds = [MONTH[0], "2025-10-11T12:00:00Z", "2025-10-13T00:00:00Z", MONTH[1]]
    assert [seller.bill(tenant, *span)["total"] for span in pairwise(bounds)] == ["0.00", "1.30", "0.70"]
    [cost] = seller.accruals.accrue(tenant)
    assert f"{cost.amount}" == "2.00"


def test_a_price_per_event_reads_the_ledger_of_the_month_and_nothing_that_grows_with_records(
    seller: Seller, database: Database
) -> None:
    define(seller, "payments", **PAYMENTS)
    tenant = seller.sell(PER_EVENT)
    record = {"tenant_id": tenant, "service_name": "f"}

    def send(count: int, month: str) -> None:
        records = [
            {**record, "timestamp": f"{month}-15T12:00:00.{n:06}Z", "quantities": {"paid": "1"}}
            for n in range(count)
        ]
        assert seller.api.post("/metrics/ingest", records).status_code == 202

    def reads() -> dict[str, int]:
        seller.bill(tenant)

        def counted() -> dict[str, int]:
            with database.statement() as connection:
                connection.execute("SELECT pg_stat_force_next_flush()")
            with database.statement() as connection:
                return dict(connection.execute(_READS).fetchall())

        before = counted()
        seller.bill(tenant)
        return {name: rows - before.get(name, 0) for name, rows in counted().items()}

    send(3, "2025-10")
    send(2, "2025-09")
    few = reads()
    send(500, "2025-10")
    send(700, "2025-09")
    many = reads()
    assert seller.bill(tenant)["total"] == "56.34"
    assert (few["usage_meter_ledger"], many["usage_meter_ledger"]) == (3, 503)
    touched = {name for name, rows in many.items() if rows}
    assert not {
        n for n in touched if n.startswith(("payload", "usage_inbox", "usage_meter_w", "usage_meter_v"))
    }
    assert {name for name in touched if many[name] > few[name]} <= {"usage_meter_ledger", "tenant_usage"}


def test_prices_per_event_need_a_ledger_and_events(seller: Seller) -> None:
    define(seller, "summed", value="quantities.paid")
    define(seller, "payments", **PAYMENTS)
    wrong = [
        {**PER_EVENT, "meter": "custom.summed"},
        {**PER_EVENT, "meter": "custom.nothing"},
        {**PER_EVENT, "meter": "invocations"},
    ]
    for price in wrong:
        refused = seller.api.post("/pricing-plans", {"name": "p", "currency": "USD", "prices": [price]})
        assert refused.status_code == 422, price
        assert [error["field"] for error in refused.get_json()["errors"]] == ["prices[0].meter"]
    seller.offer("per event", PER_EVENT)
    body = {
        "period_start": MONTH[0],
        "period_end": MONTH[1],
        "plan": "per event",
        "quantities": {"custom.payments": "450"},
    }
    refused = seller.api.post("/billing/calculate", body)
    assert refused.status_code == 422
    [error] = refused.get_json()["errors"]
    assert error["field"] == "quantities"
    assert "does not tell its events" in error["message"]


def test_what_a_meter_says_is_answered_and_kept(seller: Seller) -> None:
    defined = define(
        seller,
        "held",
        aggregation="weighted_sum",
        value="quantities.more",
        less=["quantities.less", "memory_mb"],
    )
    [version] = defined["versions"]
    assert (version["value"], version["less"]) == (["quantities.more"], ["quantities.less", "memory_mb"])
    [version] = define(seller, "p99", aggregation="percentile", percentile="99.9", value="duration_ms")[
        "versions"
    ]
    assert (version["percentile"], version["of"], version["ledger"]) == ("99.9", None, False)
    [version] = define(seller, "payments", **PAYMENTS)["versions"]
    assert version["ledger"] is True
    assert seller.api.get("/meters/payments").get_json()["versions"] == [version]


@pytest.mark.parametrize(
    ("wrong", "faulty"),
    [
        ({"aggregation": "percentile"}, {"percentile"}),
        ({"aggregation": "percentile", "percentile": "100.1", "of": "labels.x"}, {"percentile", "of"}),
        (
            {"aggregation": "max", "percentile": "95", "less": "errors", "ledger": True},
            {"percentile", "less", "ledger"},
        ),
        ({"aggregation": "sum", "rounding": "total", "ledger": True}, {"rounding"}),
        ({"aggregation": "sum", "ledger": "yes"}, {"ledger"}),
        ({"aggregation": "weighted_sum", "less": ["errors", "labels.x"], "of": "window"}, {"less", "of"}),
        ({"aggregation": "weighted_sum", "value": None, "less": "errors"}, {"value"}),
    ],
)
def test_every_fault_is_named_and_nothing_is_kept(seller: Seller, wrong: Json, faulty: set[str]) -> None:
    refused = seller.api.post("/meters", {"name": "m", "unit": "u", "value": "errors", **wrong})
    assert refused.status_code == 422
    assert {error["field"] for error in refused.get_json()["errors"]} == faulty
    assert seller.api.get("/meters").get_json()["items"] == []


def test_a_version_has_the_same_percentile_and_ledger_as_before(seller: Seller) -> None:
    define(seller, "p95", aggregation="percentile", percentile="95", value="errors")
    define(seller, "payments", **PAYMENTS)
    since = {"effective_from": "2025-12-01T00:00:00Z"}
    for name, version, faulty in (
        (
            "p95",
            {"aggregation": "percentile", "percentile": "99", "of": "window", "value": "errors"},
            {"percentile", "of"},
        ),
        ("payments", {"aggregation": "sum", "value": "quantities.paid"}, {"ledger"}),
    ):
        refused = seller.api.post(f"/meters/{name}/versions", {**since, **version})
        assert refused.status_code == 422
        assert {error["field"] for error in refused.get_json()["errors"]} == faulty
