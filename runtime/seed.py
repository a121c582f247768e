"""The tenants that a fresh installation starts with: those of the bundled trace, and one to try things on."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from runtime.trace import read_trace
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id, system_clock
from shared.domain.errors import Conflict, NotFound
from shared.service.catalogue import install_catalogue
from shared.service.plans import Plans
from shared.service.tenants import Tenants

TRACE_PLAN: Final = "aws-lambda-x86-no-free-tier"
DEMO_PLAN: Final = "faas-billing-rub"


def seed(database_url: str) -> None:
    """Adds what is not there yet, and changes nothing that is. Raises Unavailable without the database."""
    database = Database(database_url, pool_size_max=1)
    try:
        store, directory = PostgresPlans(database), PostgresTenants(database)
        install_catalogue(store)
        _seed(
            Tenants(directory, system_clock, new_id),
            Plans(plans=store, tenants=directory, clock=system_clock),
        )
    finally:
        database.close()


def _seed(tenants: Tenants, plans: Plans) -> None:
    for app, invocations in read_trace().items():
        _add(tenants, plans, slug=invocations[0].tenant, name=app, currency="USD", plan=TRACE_PLAN)
    _add(tenants, plans, slug="demo", name="Demo", currency="RUB", plan=DEMO_PLAN, aliases=["demo-tenant"])


def _add(
    tenants: Tenants,
    plans: Plans,
    *,
    slug: str,
    name: str,
    currency: str,
    plan: str,
    aliases: Sequence[str] = (),
) -> None:
    try:
        tenants.get(slug)
    except NotFound:
        with suppress(Conflict):  # another process was first
            tenants.create(name=name, slug=slug, currency=currency, timezone="UTC", aliases=aliases)
    # A plan chosen since, or one scheduled, is the user's business.
    if plans.of_tenant(slug).current is None:
        plans.assign(slug, plan)
