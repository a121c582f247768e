"""Invoices of tenants on PostgreSQL, from usage to the last of them, with a clock of the tests' own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from shared.adapters.postgres.invoicing.holds import PostgresHeldLetters
from shared.adapters.postgres.invoicing.invoices import PostgresInvoices
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.events import Fact
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.plan import Plan
from shared.domain.plan_document import plan_from_dict
from shared.domain.tenant import Tenant
from shared.service.fold import Fold
from shared.service.invoicing.closing import Closed, Closing
from shared.service.invoicing.invoice_ports import StoredInvoice
from shared.service.invoicing.invoices import Invoices
from shared.service.plans import Plans
from tests.shared.adapters.postgres.rating_rows import fold, record

FOR_EVER = float("inf")
CALLS = {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "1"}
FEE = {"kind": "flat", "name": "fee", "amount": "30"}


def at(text: str) -> datetime:
    """Such as `2025-11-01` or `2025-11-01T01`, in UTC."""
    return datetime.fromisoformat(text if "T" not in text or ":" in text else f"{text}:00").replace(
        tzinfo=UTC
    )


FAR = datetime(2200, 1, 1, tzinfo=UTC)
"""The dead letters have been read, as they are read by every sweep."""


class Office:
    """A seller without a name yet, and its tenants; calls cost 1 each."""

    def __init__(self, database: Database, now: str = "2025-11-01T01:05") -> None:
        self.database = database
        self.now = at(now)
        self.tenants = PostgresTenants(database)
        self.plans = PostgresPlans(database)
        self.parties = PostgresParties(database, new_id)
        self.store = PostgresInvoices(database, new_id)
        self.letters = PostgresHeldLetters(database)
        self.letters.replace([], FAR)
        self.outbox = PostgresOutbox(database)
        folding = Fold(PostgresWindows(database, new_id), self.clock)
        self.subscriptions = Plans(plans=self.plans, tenants=self.tenants, clock=self.clock)
        self.invoices = Invoices(
            store=self.store, tenants=self.tenants, fold=folding.run_for, clock=self.clock, new_id=new_id
        )
        self.closing = Closing(store=self.store, fold=folding.run_for, clock=self.clock, new_id=new_id)
        self.entity_id = new_id()

    def clock(self) -> datetime:
        return self.now

    def close(self, now: str | None = None, *, deadline: float = FOR_EVER) -> Closed:
        if now is not None:
            self.now = at(now)
        return self.closing.run(deadline)

    def seller(self, *, grace_s: int = 3600) -> None:
        entity = BillingEntity(
            self.entity_id,
            "seller",
            "Seller LLC",
            (),
            (),
            "DE",
            "UTC",
            "INV-",
            "CN-",
            grace_s,
            14,
            (),
            "",
            self.now,
        )
        with self.parties.changing() as book:
            book.put_entity(entity)

    def tenant(
        self, slug: str = "acme", *, created: str = "2025-10-01", plan: Plan | None = None, zone: str = "UTC"
    ) -> Tenant:
        """With details, and with a plan where one is given."""
        tenant = Tenant(new_id(), slug, slug, None, "RUB", zone, at(created), at(created))
        self.tenants.add(tenant)
        self.details(tenant)
        if plan is not None:
            self.subscriptions.assign(slug, str(plan.id))
        return tenant

    def details(
        self,
        tenant: Tenant,
        *,
        cycle: BillingCycle | None = None,
        zero_invoices: bool = False,
        organisation: Organisation | None = None,
    ) -> None:
        details = BillingDetails(
            tenant.id,
            None,
            tenant.name,
            (),
            (),
            "",
            zero_invoices=zero_invoices,
            cycle=cycle or BillingCycle(),
            organisation_id=None if organisation is None else organisation.id,
        )
        with self.parties.changing(tenant.id) as book:
            book.put_details(details)

    def organisation(self, payer: Tenant, *others: Tenant) -> Organisation:
        """All on one invoice to the payer."""
        organisation = Organisation(new_id(), "group", "Group", "RUB", "children", self.now)
        with self.parties.changing() as book:
            book.put_organisation(organisation)
        for tenant in (payer, *others):
            self.details(tenant, organisation=organisation)
        paid = replace(organisation, invoicing="parent", payer_tenant_id=payer.id)
        with self.parties.changing() as book:
            book.put_organisation(paid)
        return paid

    def tax(
        self, tenant: Tenant, percent: str, *, until: str | None = None, since: str | None = None
    ) -> None:
        rate = TaxRate(
            new_id(),
            tenant.id,
            "VAT",
            Decimal(percent),
            False,
            at(since) if since else None,
            at(until) if until else None,
        )
        with self.parties.changing(tenant.id) as book:
            book.put_tax_rate(rate)

    def plan(self, *prices: dict[str, str], name: str = "basic") -> Plan:
        document = {"name": name, "currency": "RUB", "prices": list(prices or (CALLS,))}
        plan = plan_from_dict(document, id=new_id(), created_at=at("2025-01-01"))
        self.plans.add(plan)
        return plan

    def use(self, tenant: Tenant, when: str, calls: int) -> None:
        fold(self.database, tenant.id, record(when, calls))

    def of(self, tenant: Tenant | None = None) -> Sequence[StoredInvoice]:
        """In order of their periods."""
        found = self.invoices.list(tenant.slug if tenant else None, limit=1000)
        return sorted(found, key=lambda stored: (stored.invoice.period, stored.invoice.id))

    def said(self, tenant: Tenant | None = None) -> list[tuple[str, str, str]]:
        """The start of the period, status and total of each invoice."""
        return [
            (f"{one.invoice.period.start:%Y-%m-%d}", str(one.invoice.status), f"{one.document.total:f}")
            for one in self.of(tenant)
        ]

    def closed_until(self, tenant: Tenant) -> datetime | None:
        rows = self.rows("SELECT closed_until FROM closing WHERE tenant_id = %s", tenant.id)
        return rows[0][0] if rows else None  # type: ignore[return-value]

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def facts(self) -> list[Fact]:
        with self.outbox.take(1000) as taken:
            self.outbox.done(id for id, _ in taken)
        return [fact for _, fact in taken]

    def gap(self, tenant: Tenant, since: str) -> None:
        """A batch of the tenant's never came."""
        source = new_id()
        self.execute(
            "INSERT INTO usage_source VALUES (%s, %s, '/sender', 9)",
            tenant.id,
            source,
        )
        self.execute("INSERT INTO metering_gap VALUES (%s, %s, 3, 4, %s)", tenant.id, source, at(since))

    def execute(self, query: str, *parameters: object) -> None:
        with self.database.statement() as connection:
            connection.execute(query.encode(), parameters)
