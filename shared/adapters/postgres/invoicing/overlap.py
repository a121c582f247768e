"""What is in the way of an invoice: no period of a tenant is on two of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from psycopg.errors import ExclusionViolation

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict, Unavailable
from shared.domain.period import Period

CONSTRAINTS: Final = frozenset({"invoice_no_overlap", "invoiced_period_no_overlap"})
_IN_THE_WAY = b"""
    SELECT i.id, i.number, p.period_start, p.period_end
    FROM invoiced_period p JOIN invoice i ON (i.tenant_id, i.id) = (p.invoice_tenant_id, p.invoice_id)
    WHERE p.tenant_id = %s AND NOT p.is_void AND i.id <> %s
      AND tstzrange(p.period_start, p.period_end) && tstzrange(%s, %s)
    ORDER BY p.period_start LIMIT 1
"""


@contextmanager
def naming_what_is_in_the_way(
    database: Database, tenant_id: UUID, invoice_id: UUID, period: Period
) -> Iterator[None]:
    """Around a whole transaction that writes an invoice on `period` of the tenant.

    Raises Conflict naming the other invoice where they overlap; Unavailable where that is gone by now.
    """
    try:
        yield
    except ExclusionViolation as error:
        if error.diag.constraint_name not in CONSTRAINTS:
            raise
        with database.statement() as connection:
            row = connection.execute(_IN_THE_WAY, (tenant_id, invoice_id, *period)).fetchone()
        if row is None:
            raise Unavailable("another invoice was in the way, and is no more") from error
        id, number, start, end = row
        called = f"invoice {number}" if number else f"the draft {id}"
        said = f"{called} of {start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ} is in the way"
        raise Conflict.because("period", said) from error
