"""The tenants that a fresh installation starts with: those of the bundled trace, and one to try things on."""

from collections.abc import Sequence
from contextlib import closing
from typing import Final

from runtime.trace import read_trace
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id, system_clock
from shared.domain.errors import NotFound
from shared.service.catalogue import install_catalogue
from shared.service.plans import Plans
from shared.service.tenants import Tenants

TRACE_PLAN: Final = "aws-lambda-x86-no-free-tier"
DEMO_PLAN: Final = "faas-billing-rub"


def seed(database_url: str) -> None:
    """Adds what is not there yet, and changes nothing that is. Raises Unavailable without the database."""
    with closing(Database(database_url, pool_size_max=1)) as database:
        store, directory = PostgresPlans(database), PostgresTenants(database)
        tenants = Tenants(directory, system_clock, new_id)
        plans = Plans(plans=store, tenants=directory, clock=system_clock)

        def add(slug: str, name: str, currency: str, plan: str, aliases: Sequence[str] = ()) -> None:
            try:
                tenants.get(slug)
            except NotFound:
                tenants.create(name=name, slug=slug, currency=currency, timezone="UTC", aliases=aliases)
            # A plan chosen since, or one scheduled, is the user's business.
            if plans.of_tenant(slug).current is None:
                plans.assign(slug, plan)

        install_catalogue(store)
        for app, invocations in read_trace().items():
            add(invocations[0].tenant, app, "USD", TRACE_PLAN)
        add("demo", "Demo", "RUB", DEMO_PLAN, aliases=["demo-tenant"])
