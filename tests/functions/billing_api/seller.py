"""A seller with plans of any kind, over the real API, services and PostgreSQL."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from functions.billing_api.app import create_app
from shared.adapters.postgres.accruals import PostgresAccruals
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id
from shared.service.accrual import AccrueCost
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY
from tests.functions.billing_api.over_postgres import services_over

NOW = datetime(2025, 11, 2, tzinfo=UTC)
MONTH = ("2025-10-01T00:00:00Z", "2025-11-01T00:00:00Z")
Json = Mapping[str, Any]


@dataclass
class Seller:
    """Sells by plans of its own, one tenant each."""

    api: Described
    plans: PostgresPlans
    accruals: AccrueCost
    numbers: Iterator[int]

    def sell(self, *prices: Json, currency: str = "USD") -> str:
        """A new tenant with a plan of these prices; its slug."""
        name = f"t{next(self.numbers)}"
        self.offer(name, *prices, currency=currency)
        assert self.api.post("/tenants", {"name": name, "currency": currency}).status_code == 201
        assert self.api.put(f"/tenants/{name}/pricing-plan", {"plan": name}).status_code == 200
        return name

    def offer(self, name: str, *prices: Json, currency: str = "USD") -> dict[str, Any]:
        """A new plan of these prices, as it is answered."""
        answer = self.api.post("/pricing-plans", {"name": name, "currency": currency, "prices": prices})
        assert answer.status_code == 201, answer.data
        plan: dict[str, Any] = answer.get_json()
        return plan

    def use(self, tenant: str, calls: int, *, day: int = 15, **usage: Any) -> None:
        at = f"2025-10-{day:02}T12:00:00Z"
        record = {"tenant_id": tenant, "service_name": "f", "timestamp": at, "invocations": calls, **usage}
        assert self.api.post("/metrics/ingest", record).get_json() == {"accepted": 1, "duplicate": 0}

    def bill(self, tenant: str, start: str = MONTH[0], end: str = MONTH[1]) -> dict[str, Any]:
        body = {"tenant_id": tenant, "period_start": start, "period_end": end}
        answer = self.api.post("/billing/calculate", body)
        assert answer.status_code == 200, answer.data
        bill: dict[str, Any] = answer.get_json()
        return bill


def seller_on(database: Database) -> Seller:
    def clock() -> datetime:
        return NOW

    services, _ = services_over(database, clock)
    api = Described(create_app(services).test_client(), KEY)
    accruals = AccrueCost(
        tenants=PostgresTenants(database), accruals=PostgresAccruals(database, new_id), clock=clock
    )
    return Seller(api, PostgresPlans(database), accruals, count())
