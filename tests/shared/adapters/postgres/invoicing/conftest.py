from collections.abc import Iterator

import pytest

from shared.adapters.postgres.pool import Database
from tests.shared.adapters.postgres.invoicing.invoice_rows import Books, books_on


@pytest.fixture(scope="module")
def shared_database(module_database_url: str) -> Iterator[Database]:
    database = Database(module_database_url)
    yield database
    database.close()


@pytest.fixture
def books(shared_database: Database) -> Books:
    return books_on(shared_database)
