"""Whatever happens to a customer: what is charged for a closed month is what its true usage costs, to the
cent, the ledger balances, and nothing is negative that may not be."""

from collections.abc import Iterator

import pytest

from shared.adapters.postgres.pool import Database
from tests.invoicing.__main__ import run

HAPPENED = """
    SELECT EXISTS (SELECT FROM invoice_line WHERE kind = 'adjustment')
       AND EXISTS (SELECT FROM invoice WHERE status = 'void')
       AND EXISTS (SELECT FROM credit_use WHERE kind = 'applied')
       AND EXISTS (SELECT FROM credit_note) AND EXISTS (SELECT FROM payment)
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size_max=4)
    yield database
    database.close()


def test_charges_less_what_was_taken_back_are_the_rating_of_true_usage(database: Database) -> None:
    """The same ones each time, so that enough happens in them; `python -m tests.invoicing` tries others."""
    run(database, histories=30, steps=25, derandomize=True)
    with database.statement() as connection:
        ((happened,),) = connection.execute(HAPPENED)
    assert happened, "histories in which nothing happens prove nothing"
