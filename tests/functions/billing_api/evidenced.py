"""A tenant with every kind of meter, and what stands behind its lines as a client asks for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from functions.billing_api.app import create_app
from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY
from tests.functions.billing_api.over_postgres import services_over
from tests.functions.billing_api.seller import MONTH, NOW

Json = dict[str, Any]
NIGHT = {"name": "night", "from": "22:00", "to": "06:00"}
WEEKEND = {"name": "weekend", "from": "00:00", "to": "00:00", "weekdays": ["sat", "sun"]}
CALL = {"kind": "per_unit", "meter": "invocations", "amount": "1"}
TOKEN = {"kind": "per_unit", "meter": "custom.tokens", "amount": "1"}
METERS = (
    {"name": "tokens", "aggregation": "sum", "value": "quantities.tokens", "dimensions": ["model", "tier"]},
    {"name": "valued", "aggregation": "count", "value": "quantities.tokens"},
    {"name": "biggest", "aggregation": "max", "value": "quantities.tokens"},
    {"name": "last", "aggregation": "latest", "value": "quantities.tokens"},
    {"name": "users", "aggregation": "unique", "of": "labels.user", "dimensions": ["region"]},
    {"name": "p95", "aggregation": "percentile", "percentile": "95", "value": "quantities.tokens"},
    {
        "name": "peaks",
        "aggregation": "percentile",
        "percentile": "95",
        "of": "window",
        "value": "quantities.tokens",
    },
    {
        "name": "held",
        "aggregation": "weighted_sum",
        "value": "quantities.tokens",
        "less": "quantities.dropped",
    },
    {"name": "paid", "aggregation": "sum", "value": "quantities.tokens", "ledger": True},
    {
        "name": "stepped",
        "aggregation": "sum",
        "value": "quantities.tokens",
        "rounding": "total",
        "step": "1000",
    },
)
USED = (
    # Friday to Sunday, 17 to 19 October, by the clocks of Kathmandu: 5:45 ahead of UTC.
    ("2025-10-17T15:00:00Z", 1, "100", {"capacity": "spot", "model": "large", "user": "a", "region": "eu"}),
    ("2025-10-17T16:20:00Z", 10, "20", {"capacity": "spot", "model": "small", "user": "b", "region": "eu"}),
    ("2025-10-17T18:10:00Z", 200, "3", {"capacity": "", "model": "large", "tier": "a", "user": "a"}),
    ("2025-10-17T18:15:00Z", 3_000, None, {"capacity": "spot", "user": "c", "region": "us"}),
    ("2025-10-18T00:10:00Z", 40_000, "7.5", {"model": "large", "tier": "b"}),
    ("2025-10-18T00:15:00Z", 500_000, "0.25", {"capacity": "held", "user": "a", "region": "eu"}),
)


@dataclass
class Asked:
    """A client of the API that knows one tenant."""

    api: Described

    def use(self, at: str, calls: int, tokens: str | None, labels: Json, number: int = 0) -> None:
        record = {
            "tenant_id": "acme",
            "service_name": ("api", "web")[number % 2],
            "revision": f"r{number % 3}",
            "timestamp": at,
            "request_id": f"{at} {number}",
            "invocations": calls,
            "duration_ns": calls * 1_234_567,
            "memory_mb": 512,
            "errors": number,
            "cold_starts": 1,
            "labels": labels,
        }
        if tokens is not None:
            record["quantities"] = {"tokens": tokens, "dropped": "1"}
        assert self.api.post("/metrics/ingest", record).get_json() == {"accepted": 1, "duplicate": 0}

    def explained(self, *prices: Json, **more: Any) -> list[Json]:
        """The lines of October, by these prices."""
        plan = {"name": "asked", "currency": "USD", "prices": prices}
        body = {"tenant_id": "acme", "period_start": MONTH[0], "period_end": MONTH[1], "pricing_plan": plan}
        answer = self.api.post("/billing/explain", body | more)
        assert answer.status_code == 200, answer.data
        lines: list[Json] = answer.get_json()["lines"]
        return lines

    def pages(self, kind: str, query: Json, limit: int = 100) -> Iterator[Json]:
        asked = {"tenant_id": "acme", "limit": limit, **query}
        while True:
            answer = self.api.get(f"/billing/evidence/{kind}?{urlencode(asked)}")
            assert answer.status_code == 200, answer.data
            page: Json = answer.get_json()
            yield page
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]

    def page(self, kind: str, query: Json) -> Json:
        """The only one."""
        (page,) = self.pages(kind, query)
        return page

    def items(self, kind: str, query: Json, limit: int = 2) -> list[Json]:
        return [item for page in self.pages(kind, query, limit) for item in page["items"]]

    def sum(self, kind: str, line: Json) -> Decimal:
        """Over all pages, of all meters that the line counts."""
        assert line["evidence"], line
        found = (item for query in line["evidence"] for item in self.items(kind, query))
        return sum((Decimal(item["quantity"]) for item in found), Decimal(0))

    def refused(self, kind: str, query: Json) -> dict[str, str]:
        """What is said of each field."""
        answer = self.api.get(f"/billing/evidence/{kind}?{urlencode({'tenant_id': 'acme'} | query)}")
        assert answer.status_code == 422, answer.data
        return {fault["field"]: fault["message"] for fault in answer.get_json()["errors"]}


def asked_of(database: Database) -> Asked:
    """The tenant lives in Kathmandu, has declared two dimensions, and used all that there is to count."""
    now = [datetime(2025, 9, 1, tzinfo=UTC)]
    services, _ = services_over(database, lambda: now[0])
    asked = Asked(Described(create_app(services).test_client(), KEY))
    body = {"name": "acme", "currency": "USD", "timezone": "Asia/Kathmandu"}
    assert asked.api.post("/tenants", body).status_code == 201
    declared = {"dimensions": ["capacity", "region"], "effective_from": "2025-09-02T00:00:00Z"}
    assert asked.api.put("/tenants/acme/dimensions", declared).status_code == 200
    for meter in METERS:
        answer = asked.api.post("/meters", {"unit": "token", **meter})
        assert answer.status_code == 201, answer.data
    now[0] = NOW
    for number, (at, calls, tokens, labels) in enumerate(USED):
        asked.use(at, calls, tokens, labels, number)
    return asked
