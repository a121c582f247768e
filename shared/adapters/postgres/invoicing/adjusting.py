"""Which invoices correct another, in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.breakdown import ConnectionBreakdown
from shared.adapters.postgres.invoicing import invoice_rows
from shared.adapters.postgres.pool import Database
from shared.service.invoicing.invoice_ports import StoredInvoice

_ADJUSTING = b"""
    SELECT i.id FROM invoice i WHERE i.tenant_id = %(tenant_id)s AND i.status <> 'void' AND EXISTS (
        SELECT FROM invoice_line l
        WHERE (l.tenant_id, l.invoice_id) = (i.tenant_id, i.id) AND l.adjusts_invoice_id = %(id)s)
    ORDER BY i.id
"""


class PostgresExplained:
    """ExplainedReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def view(self) -> Iterator[ConnectionBreakdown]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield ConnectionBreakdown(connection)

    def adjusting(self, tenant_id: UUID, invoice_id: UUID) -> Sequence[StoredInvoice]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            rows = connection.execute(_ADJUSTING, {"tenant_id": tenant_id, "id": invoice_id}).fetchall()
            found = (invoice_rows.load(connection, tenant_id, id) for (id,) in rows)
            return [stored for stored in found if stored is not None]
