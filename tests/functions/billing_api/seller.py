"""A seller with plans of any kind, over the real API, services and PostgreSQL."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from eventing.usage import decode
from functions.billing_api.app import create_app
from functions.billing_api.auth import Authenticator
from functions.billing_api.ingest import IngestBody
from functions.billing_api.ports import ApiServices
from shared.adapters.postgres.accruals import PostgresAccruals
from shared.adapters.postgres.oversight import PostgresOversight
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.usage_report import PostgresUsageReport
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.plan_document import plan_from_dict
from shared.service.accrual import AccrueCost
from shared.service.billing import CalculateBill
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.plans import Plans
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY, Backend

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
        document = {"name": name, "currency": currency, "prices": prices}
        self.plans.add(plan_from_dict(document, id=new_id(), created_at=NOW))
        assert self.api.post("/tenants", {"name": name, "currency": currency}).status_code == 201
        assert self.api.put(f"/tenants/{name}/pricing-plan", {"plan": name}).status_code == 200
        return name

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

    tenants, plans = PostgresTenants(database), PostgresPlans(database)
    series, windows = PostgresSeries(database, new_id), PostgresWindows(database, new_id)
    fold = Fold(windows, clock)
    ingest = IngestUsage(
        decode=decode, tenants=tenants, series=series, log=PostgresUsageLog(database), clock=clock
    )
    services = ApiServices(
        authenticator=Authenticator(KEY),
        check=database.check,
        tenants=Tenants(tenants, clock, new_id),
        ingest=IngestBody(ingest, tenants, clock),
        usage=PostgresUsageReport(database),
        rebuild=Rebuild(windows, fold, series, decode).run,
        oversight=PostgresOversight(database),
        triage=Backend().triage,
        plans=Plans(plans=plans, tenants=tenants, clock=clock),
        calculate=CalculateBill(
            tenants=tenants, plans=plans, usage=PostgresUsageReader(database), fold=fold.run_for, clock=clock
        ).calculate,
    )
    accruals = AccrueCost(tenants=tenants, accruals=PostgresAccruals(database, new_id), clock=clock)
    return Seller(Described(create_app(services).test_client(), KEY), plans, accruals, count())
