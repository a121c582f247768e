"""All that makes and settles invoices over one PostgreSQL, with a clock and usage data of the tests' own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from functions.invoicing import InvoicingServices
from shared.adapters.postgres.invoicing.holds import PostgresHeldLetters
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id
from shared.domain.plan import Subscription
from shared.domain.tenant import Tenant
from shared.service.invoicing.closing import Closed
from shared.service.invoicing.invoice_ports import StoredInvoice
from shared.service.invoicing.parties import Parties
from shared.service.invoicing.tax_rates import TaxRates
from shared.service.plan_authoring import PlanAuthoring
from shared.service.plans import Plans
from tests.shared.service.pipeline import NOON
from tests.shared.service.voiding import Voiding

OCTOBER: Final = datetime(2025, 10, 1, tzinfo=UTC)
SELLER: Final = {
    "name": "platform",
    "legal_name": "Example Platform Ltd",
    "address": ["1 High Street"],
    "country": "GB",
    "email": "billing@example.com",
    "grace_s": 3_600,
}
WHO: Final = "a test"
FOREVER_S: Final = 1e9
LETTERS_READ_AT: Final = datetime(2200, 1, 1, tzinfo=UTC)
Prices = Sequence[Mapping[str, object]]


class House(Voiding):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.now = OCTOBER
        directory, plans = PostgresTenants(database), PostgresPlans(database)
        parties = PostgresParties(database, new_id)
        self.invoicing = InvoicingServices(database, self.fold.run_for, clock=self.clock)
        self.parties = Parties(parties=parties, tenants=directory, clock=self.clock, new_id=new_id)
        self.tax_rates = TaxRates(parties=parties, clock=self.clock, new_id=new_id)
        self.plans = Plans(plans=plans, tenants=directory, clock=self.clock)
        self.authoring = PlanAuthoring(plans=plans, tenants=directory, clock=self.clock, new_id=new_id)
        self._plans = plans
        # As every sweep reads them.
        PostgresHeldLetters(database).replace([], LETTERS_READ_AT)

    def opened(self) -> "House":
        """With a seller."""
        self.parties.create_entity(SELLER, who=WHO)
        return self

    def plan(self, name: str, prices: Prices, currency: str = "EUR") -> str:
        document = {"name": name, "currency": currency, "prices": list(prices)}
        return self.authoring.create(document, who=WHO).name

    def customer(
        self,
        slug: str,
        plan: str,
        *,
        tax_percent: str | None = "20",
        timezone: str = "UTC",
        cycle: Mapping[str, str] | None = None,
    ) -> Tenant:
        """A tenant with a plan from the beginning, a buyer, and perhaps a tax on top of prices."""
        tenant = self.tenants.create(name=slug, currency="EUR", timezone=timezone)
        self.plans.assign(slug, plan)
        buyer = {"legal_name": f"{slug} Ltd", "address": ["Paris"], "email": "ap@example.com"}
        self.parties.replace_details(tenant, {**buyer, "cycle": cycle or {}}, who=WHO)
        if tax_percent is not None:
            self.tax_rates.add(tenant.id, {"name": "VAT", "percent": tax_percent}, who=WHO)
        return tenant

    def use(self, tenant: str, id: str, at: datetime, calls: int = 1) -> None:
        """So many calls of a millisecond, as one event."""
        after_s = int((at - NOON).total_seconds())
        self.send(id, "\n".join(f"f {after_s} 1000000" for _ in range(calls)), tenant=tenant)

    def grant(self, tenant: str, amount: str) -> UUID:
        return self.invoicing.credits.grant(tenant, "prepaid", Decimal(amount), who=WHO).grant.id

    def close(self, at: datetime | None = None) -> Closed:
        """All that is due, now or `at`."""
        self.now = at or self.now
        return self.invoicing.closing.run(FOREVER_S)

    def finals(self, tenant: str) -> list[StoredInvoice]:
        """Those that are not void, in order of time."""
        found = self.invoicing.invoices.list(tenant, limit=1_000)
        kept = [one for one in found if one.invoice.status not in ("draft", "void")]
        return sorted(kept, key=lambda one: one.invoice.period)

    def subscriptions(self, tenant: Tenant) -> Sequence[Subscription]:
        return self._plans.subscriptions(tenant.id)
