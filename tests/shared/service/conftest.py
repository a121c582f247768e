from collections.abc import Iterator

import pytest

from shared.adapters.postgres.pool import Database
from tests.redis_on_disk import letters_url
from tests.shared.service.pipeline import Product
from tests.shared.service.triage_desk import desk, store

__all__ = ["desk", "letters_url", "store"]


@pytest.fixture
def product(database_url: str) -> Iterator[Product]:
    database = Database(database_url, pool_size_max=16)
    yield Product(database)
    database.close()
