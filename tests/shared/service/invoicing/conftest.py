from collections.abc import Iterator

import pytest

from shared.adapters.postgres.pool import Database
from tests.shared.service.invoicing.audit import check_books
from tests.shared.service.invoicing.till import Till, till_on


@pytest.fixture(scope="module")
def money_database(module_database_url: str) -> Iterator[Database]:
    database = Database(module_database_url)
    yield database
    database.close()


@pytest.fixture
def till(money_database: Database) -> Iterator[Till]:
    """Whose books are right at the end, whatever was done."""
    till = till_on(money_database)
    yield till
    check_books(till)
