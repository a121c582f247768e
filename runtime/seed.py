"""What a fresh installation starts with: the bundled trace's tenants, one to try things on, and a seller."""

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Final

from runtime.trace import read_trace
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id, system_clock
from shared.domain.errors import NotFound
from shared.domain.tenant import Tenant
from shared.service.catalogue import install_catalogue
from shared.service.invoicing.parties import Parties
from shared.service.plans import Plans
from shared.service.tenants import Tenants

TRACE_PLAN: Final = "aws-lambda-x86-no-free-tier"
DEMO_PLAN: Final = "faas-billing-rub"
WHO: Final = "seed"
SELLER_NAME: Final = "example-platform"
SELLER: Final = {
    "name": SELLER_NAME,
    "legal_name": "Example Platform Ltd",
    "address": ["1 Example Street", "London EC1A 1AA", "United Kingdom"],
    "tax_ids": [{"name": "Company number", "value": "00000000"}],
    "country": "GB",
    "bank_details": ["IBAN: GB00 EXAM 0000 0000 0000 00", "BIC: EXAMGB2L"],
    "email": "billing@platform.example",
}


def seed(database_url: str) -> None:
    """Adds what is not there yet, and changes nothing that is. Raises Unavailable without the database."""
    with closing(Database(database_url, pool_size_max=1)) as database:
        store, directory = PostgresPlans(database), PostgresTenants(database)
        tenants = Tenants(directory, system_clock, new_id)
        plans = Plans(plans=store, tenants=directory, clock=system_clock)
        parties = Parties(
            parties=PostgresParties(database, new_id), tenants=directory, clock=system_clock, new_id=new_id
        )

        def add(slug: str, name: str, currency: str, plan: str, aliases: Sequence[str] = ()) -> None:
            try:
                tenants.get(slug)
            except NotFound:
                tenants.create(name=name, slug=slug, currency=currency, timezone="UTC", aliases=aliases)
            # A plan chosen since, or one scheduled, is the user's business.
            if plans.of_tenant(slug).current is None:
                plans.assign(slug, plan)
            _bill(parties, tenants.get(slug))

        install_catalogue(store)
        # Whoever sells by a name of their own wants no other.
        if not parties.entities(limit=1):
            parties.create_entity(SELLER, who=WHO)
        for app, invocations in read_trace().items():
            add(invocations[0].tenant, app, "USD", TRACE_PLAN)
        add("demo", "Demo", "RUB", DEMO_PLAN, aliases=["demo-tenant"])


def _bill(parties: Parties, tenant: Tenant) -> None:
    """Billing details, where the tenant has none and the seller of the seed is there."""
    with suppress(NotFound):
        parties.buyer(tenant)
        return
    with suppress(NotFound):
        seller = parties.entity(SELLER_NAME)
        details = {
            "billing_entity_id": str(seller.id),
            "legal_name": f"Customer {tenant.slug}",
            "address": ["2 Example Street", "London EC1A 1AB", "United Kingdom"],
            "email": f"{tenant.slug}@customer.example",
        }
        parties.replace_details(tenant, details, who=WHO)
