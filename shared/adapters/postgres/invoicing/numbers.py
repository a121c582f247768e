"""Numbers of invoices and credit notes in PostgreSQL."""

from uuid import UUID

from shared.adapters.postgres.pool import Connection
from shared.domain.invoicing.numbers import Counter

_TAKE = b"""
    INSERT INTO invoice_series AS s (billing_entity_id, series, year, next) VALUES (%s, %s, %s, 2)
    ON CONFLICT (billing_entity_id, series, year) DO UPDATE SET next = s.next + 1
    RETURNING next - 1
"""
_ISSUE = b"""
    INSERT INTO issued_number (billing_entity_id, series, year, number, label, tenant_id, document_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


def take_number(connection: Connection, counter: Counter) -> int:
    """The next number; whoever else wants one waits until this transaction ends, and gets the same one where
    it is rolled back."""
    row = connection.execute(_TAKE, counter).fetchone()
    assert row is not None
    number: int = row[0]
    return number


def issue_number(
    connection: Connection, counter: Counter, number: int, *, label: str, tenant_id: UUID, document_id: UUID
) -> None:
    """Keep what a number was given to, before that itself is written with it: it refers to this."""
    connection.execute(_ISSUE, (*counter, number, label, tenant_id, document_id))
