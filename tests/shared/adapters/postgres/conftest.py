from collections.abc import Iterator

import pytest

from shared.adapters.postgres.pool import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()
