"""Tenants that are invoiced, over the real API, services and PostgreSQL, by a clock of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from functions.billing_api.app import create_app
from shared.adapters.postgres.pool import Database
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY
from tests.functions.billing_api.over_postgres import services_over

Json = dict[str, Any]
AFTER_MARCH = datetime(2026, 4, 1, 2, tzinfo=UTC)
"""The month is over, and its grace."""
SELLER: Json = {
    "name": "platform",
    "legal_name": "Example Platform Ltd",
    "address": ["1 High Street", "London"],
    "tax_ids": [{"name": "VAT", "value": "GB123456789"}],
    "country": "GB",
    "bank_details": ["IBAN GB00 0000"],
    "email": "billing@example.com",
}
BUYER: Json = {"legal_name": "Demo SARL", "address": ["Paris"], "email": "ap@example.com"}
PRICES = [
    {"kind": "per_unit", "meter": "invocations", "amount": "1"},
    {"kind": "flat", "amount": "10"},
]


@dataclass
class Invoiced:
    """`now` is what the product takes for the time; `names` makes slugs."""

    api: Described
    database: Database
    now: datetime = AFTER_MARCH
    names: Iterator[int] = field(default_factory=count)

    def ask(self, method: str, path: str, body: object = None, status: int = 200, **rest: Any) -> Json:
        """The answer, which has that status."""
        answer = self.api.call(method, path, body, **rest)
        assert answer.status_code == status, answer.data
        found: Json = answer.get_json(force=True)
        return found

    def refused(self, method: str, path: str, body: object, status: int, **rest: Any) -> dict[str, str]:
        """The faults, by field."""
        problem = self.ask(method, path, body, status, **rest)
        return {error["field"]: error["message"] for error in problem["errors"]}

    def tenant(self, *, currency: str = "EUR", buyer: Json | None = BUYER, **rest: Any) -> str:
        """A new one with a plan: 1 for an invocation, and 10 a month."""
        name = f"t{next(self.names)}"
        self.ask("POST", "/tenants", {"name": name, "currency": currency, **rest}, 201)
        self.ask("POST", "/pricing-plans", {"name": name, "currency": currency, "prices": PRICES}, 201)
        self.ask("PUT", f"/tenants/{name}/pricing-plan", {"plan": name})
        if buyer is not None:
            self.ask("PUT", f"/tenants/{name}/billing-details", buyer)
        return name

    def use(self, tenant: str, calls: int, at: str = "2026-03-15T12:00:00Z", **usage: Any) -> None:
        record = {"tenant_id": tenant, "service_name": "f", "timestamp": at, "invocations": calls, **usage}
        self.ask("POST", "/metrics/ingest", record, 202)

    def draft(self, tenant: str) -> Json:
        return self.ask("POST", "/billing/generate", {"tenant_id": tenant}, 201)

    def final(self, tenant: str, calls: int = 90) -> Json:
        """A final invoice over `calls` and 10."""
        self.use(tenant, calls)
        return self.ask("POST", f"/invoices/{self.draft(tenant)['id']}/finalize", {})

    def pay(self, invoice: Json, key: str | None = None, **payment: Any) -> Json:
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"method": "bank_transfer", **payment}
        return self.ask("POST", f"/invoices/{invoice['id']}/payments", body, 201, headers=headers)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@contextmanager
def invoiced_on(database_url: str) -> Iterator[Invoiced]:
    """With one seller."""
    database = Database(database_url)
    times: list[Invoiced] = []
    services, _ = services_over(database, lambda: times[0].now if times else AFTER_MARCH)
    times.append(Invoiced(Described(create_app(services).test_client(), KEY), database))
    try:
        times[0].ask("POST", "/billing-entities", SELLER, 201)
        yield times[0]
    finally:
        database.close()
