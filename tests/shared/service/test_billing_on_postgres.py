"""Bills from real windows: each usage counted once, whatever is in how many windows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.cost import Bill
from shared.service.billing import CalculateBill
from shared.service.catalogue import install_catalogue
from shared.service.fold import Fold
from shared.service.plans import Plans
from tests.shared.adapters.postgres.rating_rows import add_tenant, fold, record

NOW = datetime(2025, 11, 2, tzinfo=UTC)
SEPTEMBER = datetime(2025, 9, 1, tzinfo=UTC)


class Product:
    """A tenant on FaaS Billing's plan, and its bills."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tenant = add_tenant(database)
        tenants, plans = PostgresTenants(database), PostgresPlans(database)
        install_catalogue(plans)
        Plans(plans=plans, tenants=tenants, clock=lambda: NOW).assign("demo", "faas-billing-rub")
        self._calculate = CalculateBill(
            tenants=tenants,
            plans=plans,
            usage=PostgresUsageReader(database),
            fold=Fold(PostgresWindows(database, new_id), lambda: NOW).run_for,
            clock=lambda: NOW,
        ).calculate

    def bill(self, start: datetime, end: datetime) -> Bill:
        return self._calculate("demo", start, end)


@pytest.fixture
def product(database_url: str) -> Iterator[Product]:
    database = Database(database_url)
    yield Product(database)
    database.close()


def test_usage_present_in_windows_of_all_sizes_is_billed_once(product: Product) -> None:
    fold(product.database, product.tenant.id, record("2025-10-15T12:00", 12_000_000))
    day = datetime(2025, 10, 15, tzinfo=UTC)
    for end in (day + timedelta(hours=23, minutes=59, seconds=59), datetime(2025, 11, 1, tzinfo=UTC)):
        assert product.bill(day, end).total == Decimal("190.08")


def test_the_published_month_of_ten_million_calls(product: Product) -> None:
    calls = record(
        "2025-10-15T12:00", 10_000_000, duration_ns=10_000_000 * 800 * 10**6, memory_bytes=512 * 2**20
    )
    fold(product.database, product.tenant.id, calls)
    bill = product.bill(datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC))
    assert [str(line.amount) for line in bill.lines] == ["155.52", "6504.92", "0.00"]
    assert bill.total == Decimal("6660.44")


def test_the_daily_bills_of_a_month_sum_to_the_monthly_one(product: Product) -> None:
    days = [SEPTEMBER + timedelta(days=day) for day in range(31)]
    fold(
        product.database,
        product.tenant.id,
        *(record(f"{day:%Y-%m-%d}T09:30", 1_000_000) for day in days[:-1]),
    )
    assert product.bill(days[0], days[-1]).total == Decimal("501.12")
    assert sum(product.bill(*pair).total for pair in pairwise(days)) == Decimal("501.12")
