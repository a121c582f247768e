"""Declared dimensions as a user meets them: declared, counted by, reported by."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

DECLARED = datetime(2025, 10, 14, 23, 50, tzinfo=UTC)
FROM = "2025-10-15T00:00:00Z"
NOW = datetime(2025, 10, 16, tzinfo=UTC)
WINDOWS = b"SELECT window_size, revision_id, records, invocations FROM usage_window ORDER BY 1, 2"
DAY = ("2025-10-15T00:00:00Z", "2025-10-16T00:00:00Z")


@dataclass
class Product:
    api: Described
    database: Database
    fold: Fold
    now: list[datetime]

    def declare(self, *labels: str, at: datetime = DECLARED, **fields: object) -> Any:
        before, self.now[0] = self.now[0], at
        answer = self.api.put("/tenants/acme/dimensions", {"dimensions": labels, **fields})
        self.now[0] = before
        return answer

    def use(self, at: str = "12:00:00", *, day: int = 15, calls: int = 1, **labels: str) -> None:
        record = {
            "tenant_id": "acme",
            "service_name": "f",
            "revision": "r1",
            "timestamp": f"2025-10-{day:02}T{at}Z",
            "invocations": calls,
            "duration_ns": calls * 10**6,
            "labels": {"other": f"{calls}", **labels},
        }
        assert self.api.post("/metrics/ingest", record).status_code == 202

    def report(self, query: str = "", size: str = "1d") -> list[dict[str, Any]]:
        self.fold.run()
        answer = self.api.get(f"/usage-aggregates?tenant_id=acme&window_size={size}&{query}")
        assert answer.status_code == 200, answer.data
        listed: list[dict[str, Any]] = answer.get_json()["items"]
        return listed

    def by(self, query: str) -> dict[tuple[str, ...], int]:
        return {(*row["dimensions"].values(),): row["invocations"] for row in self.report(query)}


@pytest.fixture
def product(database_url: str) -> Iterator[Product]:
    database, now = Database(database_url), [NOW]
    services, fold = services_over(database, lambda: now[0])
    install_catalogue(PostgresPlans(database))
    api = Described(create_app(services).test_client(), KEY)
    assert api.post("/tenants", {"name": "acme", "currency": "USD"}).status_code == 201
    yield Product(api, database, fold, now)
    database.close()


def test_a_declaration_takes_effect_at_the_first_instant_that_can_be(product: Product) -> None:
    nothing = product.api.get("/tenants/acme/dimensions").get_json()
    assert (nothing["dimensions"], nothing["declarations"], nothing["changes"]) == ([], [], [])
    declared = product.declare("region", "team").get_json()
    assert declared["dimensions"] == []
    in_force = {"effective_from": FROM, "effective_until": None, "dimensions": ["region", "team"]}
    assert declared["declarations"] == [in_force]
    [change] = declared["changes"]
    assert (change["who"], change["before"], change["after"]) == ("admin", [], [in_force])
    assert change["at"] == "2025-10-14T23:50:00Z"
    later = product.api.get("/tenants/acme/dimensions").get_json()
    assert later["dimensions"] == ["region", "team"]
    assert later["earliest"] == "2025-10-16T00:10:00Z"


def test_what_was_to_take_effect_later_is_replaced_and_what_is_declared_twice_changes_nothing(
    product: Product,
) -> None:
    product.declare("region", effective_from="2025-10-15T06:00:00Z")
    product.declare("team")
    again = product.declare("team").get_json()
    assert [(one["effective_from"], one["dimensions"]) for one in again["declarations"]] == [(FROM, ["team"])]
    assert [[one["dimensions"] for one in change["after"]] for change in again["changes"]] == [
        [["team"]],
        [["region"]],
    ]
    ended = product.declare(at=NOW).get_json()
    assert [(one["dimensions"], one["effective_until"]) for one in ended["declarations"]] == [
        (["team"], "2025-10-16T00:10:00Z"),
        ([], None),
    ]


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"effective_from": "2025-10-14T23:55:00Z"}, {"effective_from": "first instant is 2025-10-15T00:00"}),
        ({"effective_from": "2025-10-15T07:01:00Z"}, {"effective_from": "nearest is 2025-10-15T07:00"}),
        ({"effective_from": "2025-10-14T01:01:00Z"}, {"effective_from": "nearest is 2025-10-15T00:00"}),
        (
            {"dimensions": ["a", "", "a", "b,c", "\u0007"], "effective_from": "2025-10-14T00:00:00Z"},
            {
                "dimensions[1]": "1 to 256",
                "dimensions[2]": "twice",
                "dimensions[3]": "comma",
                "dimensions[4]": "printable",
                "effective_from": "first instant",
            },
        ),
        ({"dimensions": [f"l{n}" for n in range(9)]}, {"dimensions": "at most 8"}),
    ],
)
def test_what_cannot_be_declared_is_refused_with_every_fault(
    product: Product, fields: dict[str, object], faults: dict[str, str]
) -> None:
    refused = product.declare("region", at=DECLARED, **fields)
    assert refused.status_code == 422
    found = {error["field"]: error["message"] for error in refused.get_json()["errors"]}
    assert found.keys() == faults.keys()
    assert all(said in found[field] for field, said in faults.items())
    assert product.api.get("/tenants/acme/dimensions").get_json()["changes"] == []


def test_each_record_is_counted_by_the_declaration_in_force_at_its_own_timestamp(product: Product) -> None:
    product.declare("region")
    product.declare("region", "team", at=DECLARED + timedelta(hours=12))
    product.use("23:59:59", day=14, calls=1, region="eu", team="x")
    product.use("00:00:00", calls=10, region="eu", team="x")
    product.use("11:59:59", calls=100, region="us", team="x")
    product.use("12:00:00", calls=1_000, region="us", team="x")
    product.use("12:00:00", calls=10_000)
    product.use("12:00:00", calls=100_000, region="", team="y")
    assert product.by("by=region,team&start_time=2025-10-15T00:00:00Z") == {
        ("eu", ""): 10,
        ("us", ""): 100,
        ("us", "x"): 1_000,
        ("", ""): 10_000,
        ("", "y"): 100_000,
    }
    [before] = product.report("by=region,team&end_time=2025-10-15T00:00:00Z")
    assert (before["dimensions"], before["invocations"]) == ({"region": "", "team": ""}, 1)


def test_windows_of_a_revision_are_one_unless_they_are_to_be_told_apart(product: Product) -> None:
    product.use(calls=1, day=14, region="eu")
    [plain] = product.report()
    product.declare("region", "team")
    for n, region in enumerate(("eu", "us", "eu", "")):
        product.use(calls=10**n, region=region, team=f"t{n}")
    old, merged = product.report()
    assert old == plain
    assert "dimensions" not in merged
    assert (merged["revision_id"], merged["service_name"]) == (plain["revision_id"], "f")
    assert (merged["invocations"], merged["records"], merged["p95_duration_ms"]) == (
        1_111,
        4,
        plain["p95_duration_ms"],
    )
    assert product.by("by=region&start_time=2025-10-15T00:00:00Z") == {
        ("eu",): 101,
        ("us",): 10,
        ("",): 1_000,
    }
    assert len({row["id"] for row in product.report("by=region,team")}) == 5


def test_a_report_leaves_out_other_values(product: Product) -> None:
    product.declare("region", "team")
    for n, region in enumerate(("eu", "us", "eu", "")):
        product.use(calls=10**n, region=region, team=f"t{n}")
    assert [row["invocations"] for row in product.report('where={"region":"eu"}')] == [101]
    both = 'where={"region":["us",""],"team":["t1","t2"]}&by=team'
    assert product.by(both) == {("t1",): 10}
    assert product.report('where={"nothing":"eu"}') == []


def test_pages_of_windows_that_are_told_apart_leave_nothing_out(product: Product) -> None:
    product.declare("region")
    for n in range(7):
        product.use(calls=2**n, region=f"r{n % 5}")
    for by, rows in (("&by=region", 15), ("", 3)):
        path, seen = f"/usage-aggregates?tenant_id=acme&limit=2{by}", []
        product.fold.run()
        while path:
            page = product.api.get(path).get_json()
            seen += [row["invocations"] for row in page["items"]]
            cursor = page["next_cursor"]
            path = f"/usage-aggregates?tenant_id=acme&limit=2{by}&cursor={cursor}" if cursor else ""
        assert (len(seen), sum(seen)) == (rows, 3 * 127)
    cursor = product.api.get("/usage-aggregates?limit=1&by=region").get_json()["next_cursor"]
    assert product.api.get(f"/usage-aggregates?limit=1&cursor={cursor}").status_code == 422


@pytest.mark.parametrize(
    "query", ["by=", "by=a,a", "by=a,", "where=eu", "where={}", "where=[]", 'where={"a":1}', 'where={"a":[]}']
)
def test_a_report_by_what_is_no_dimension_is_refused(product: Product, query: str) -> None:
    refused = product.api.get(f"/usage-aggregates?{query}")
    assert refused.status_code == 422
    assert [error["field"] for error in refused.get_json()["errors"]] == [query.partition("=")[0]]


def test_a_rebuild_gives_the_same_windows_and_none_of_another_series(product: Product) -> None:
    product.declare("region")
    for n, region in enumerate(("eu", "us", "eu", "")):
        product.use(calls=10**n, region=region)
    folded = product.report("by=region", size="5m")
    with product.database.statement() as connection:
        stored = connection.execute(WINDOWS).fetchall()
        connection.execute("DELETE FROM usage_window WHERE window_size <> '1h'")
    body = {"tenant_id": "acme", "start_time": DAY[0], "end_time": DAY[1]}
    assert product.api.post("/metrics/aggregate", body).status_code == 200
    assert product.report("by=region", size="5m") == folded
    with product.database.statement() as connection:
        again = connection.execute(WINDOWS).fetchall()
        raw = connection.execute("SELECT count(*) FROM usage_raw").fetchall()
    assert again == stored
    assert raw == [(12,)]


def test_a_void_takes_back_what_was_counted_apart(product: Product) -> None:
    product.declare("region")
    event = {"tenant_id": "acme", "service_name": "f", "timestamp": "2025-10-15T12:00:00Z"}
    for n, region in enumerate(("eu", "us")):
        record = {**event, "request_id": f"q{n}", "labels": {"region": region}}
        assert product.api.post("/metrics/ingest", record).status_code == 202
    assert product.by("by=region") == {("eu",): 1, ("us",): 1}
    void = {"tenant_id": "acme", "request_id": "q0", "reason": "a test"}
    assert product.api.post("/usage/voids", void).status_code == 200
    assert product.by("by=region") == {("us",): 1}


def test_custom_meters_of_a_tenant_with_dimensions_count_as_ever(product: Product) -> None:
    product.declare("region")
    meter = {"name": "calls", "unit": "call", "aggregation": "sum", "value": "invocations"}
    assert product.api.post("/meters", {**meter, "dimensions": ["region"]}).status_code == 201
    product.use(calls=3, region="eu")
    product.use(calls=4, region="us")
    product.report()
    with product.database.statement() as connection:
        rows = connection.execute(
            "SELECT r.base_id, w.dimensions, w.sum FROM usage_meter_window w"
            " JOIN revision r ON (r.tenant_id, r.id) = (w.tenant_id, w.revision_id)"
            " WHERE window_size = '1d' ORDER BY 3"
        ).fetchall()
    assert [(base, json.loads(values), int(total)) for base, values, total in rows] == [
        (None, ["eu"], 3),
        (None, ["us"], 4),
    ]


def test_a_line_is_broken_down_to_the_values_of_dimensions(product: Product) -> None:
    product.declare("region")
    for calls, region in ((100, "eu"), (200, "us"), (33, "eu"), (1, "")):
        product.use(calls=calls, region=region)
    plan = {
        "name": "p",
        "currency": "USD",
        "prices": [{"kind": "per_unit", "meter": "invocations", "amount": "0.01"}],
    }
    assert product.api.post("/pricing-plans", plan).status_code == 201
    body = {"tenant_id": "acme", "period_start": DAY[0], "period_end": DAY[1], "plan": "p"}
    shares = {}
    for by in ("service", "revision", "dimensions"):
        answer = product.api.post("/billing/explain", {**body, "by": by})
        assert answer.status_code == 200, answer.data
        [line] = answer.get_json()["lines"]
        assert line["amount"] == "3.34"
        shares[by] = line["breakdown"]
    [service] = shares["service"]
    assert "revisions" not in service
    [revision] = shares["revision"][0]["revisions"]
    assert "dimensions" not in revision
    assert (revision["revision"], revision["quantity"], revision["amount"]) == ("r1", "334", "3.34")
    [revision] = shares["dimensions"][0]["revisions"]
    assert [(one["dimensions"], one["quantity"], one["amount"]) for one in revision["shares"]] == [
        ({"region": "us"}, "200", "2.00"),
        ({"region": "eu"}, "133", "1.33"),
        ({}, "1", "0.01"),
    ]
