from collections.abc import Iterator

import pytest

from runtime.seed import SELLER, seed
from runtime.trace import read_trace
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id, system_clock
from shared.domain.errors import NotFound
from shared.service.invoicing.parties import Parties
from shared.service.plans import Plans
from shared.service.tenants import Tenants


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size_max=1)
    yield database
    database.close()


@pytest.fixture
def tenants(database: Database) -> Tenants:
    return Tenants(PostgresTenants(database), system_clock, new_id)


@pytest.fixture
def plans(database: Database) -> Plans:
    return Plans(plans=PostgresPlans(database), tenants=PostgresTenants(database), clock=system_clock)


@pytest.fixture
def parties(database: Database) -> Parties:
    return Parties(
        parties=PostgresParties(database, new_id),
        tenants=PostgresTenants(database),
        clock=system_clock,
        new_id=new_id,
    )


def test_the_tenants_of_the_trace_and_demo_have_their_plans(
    database_url: str, tenants: Tenants, plans: Plans
) -> None:
    seed(database_url)
    for app in read_trace():
        tenant = tenants.get(app[:8])
        assert (tenant.name, tenant.currency, tenant.timezone) == (app, "USD", "UTC")
        assert _plan_of(plans, app[:8]) == "aws-lambda-x86-no-free-tier"
    assert tenants.get("demo-tenant").slug == "demo"
    assert tenants.get("demo").currency == "RUB"
    assert _plan_of(plans, "demo") == "faas-billing-rub"
    assert len(tenants.list(limit=100)) == 14


def test_seeding_again_changes_nothing_that_a_user_chose_since(
    database_url: str, tenants: Tenants, plans: Plans
) -> None:
    seed(database_url)
    before = tenants.list(limit=100)
    slug = next(iter(read_trace()))[:8]
    plans.assign(slug, "aws-lambda-x86-no-free-tier")
    current = plans.of_tenant(slug)
    seed(database_url)
    assert tenants.list(limit=100) == before
    assert plans.of_tenant(slug) == current


def test_the_tenants_have_a_seller_and_billing_details(
    database_url: str, parties: Parties, tenants: Tenants
) -> None:
    seed(database_url)
    (seller,) = parties.entities(limit=10)
    assert seller.legal_name == "Example Platform Ltd"
    for tenant in tenants.list(limit=100):
        buyer = parties.buyer(tenant)
        assert buyer.seller == seller
        assert buyer.details.legal_name == f"Customer {tenant.slug}"


def test_who_sells_by_another_name_gets_no_second_seller(
    database_url: str, parties: Parties, tenants: Tenants
) -> None:
    parties.create_entity({**SELLER, "name": "mine"}, who="me")
    seed(database_url)
    assert [entity.name for entity in parties.entities(limit=10)] == ["mine"]
    with pytest.raises(NotFound):
        parties.buyer(tenants.get("demo"))


def test_billing_details_given_since_stay(database_url: str, parties: Parties, tenants: Tenants) -> None:
    seed(database_url)
    demo = tenants.get("demo")
    mine = parties.replace_details(demo, {"legal_name": "Mine", "email": "me@mine.example"}, who="me")
    seed(database_url)
    assert parties.buyer(demo) == mine


def _plan_of(plans: Plans, slug: str) -> str:
    current = plans.of_tenant(slug).current
    assert current is not None
    assert current.starts_at is None
    return current.plan.name
