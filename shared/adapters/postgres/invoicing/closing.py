"""How far the periods of tenants are closed, in PostgreSQL."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from shared.adapters.postgres.pool import Connection
from shared.service.invoicing.invoice_ports import ClosedUntil as ClosedUntil

# In order, so that of two who close for the same tenants one waits, and none deadlocks. It is the tenants
# that are held, since of one that was never closed there is nothing else.
_LOCK = b"""
    SELECT FROM tenant WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
_READ = b"SELECT tenant_id, closed_until, rated_sequence FROM closing WHERE tenant_id = ANY(%s)"
_MOVE = b"""
    INSERT INTO closing (tenant_id, closed_until, rated_sequence) VALUES (%s, %s, %s)
    ON CONFLICT (tenant_id) DO UPDATE
        SET closed_until = greatest(closing.closed_until, EXCLUDED.closed_until),
            rated_sequence = EXCLUDED.rated_sequence
"""
# What was rated since the last invoice that is left is to be rated again: of all usage, where none is.
_REOPEN = b"""
    UPDATE closing c SET closed_until = p.period_start, rated_sequence = coalesce((
        SELECT max((part ->> 'sequence')::bigint)
        FROM invoiced_period left_over
        JOIN invoice i ON (i.tenant_id, i.id) = (left_over.invoice_tenant_id, left_over.invoice_id)
        CROSS JOIN LATERAL jsonb_array_elements(i.basis -> 'parts') part
        WHERE i.status <> 'draft' AND left_over.tenant_id = c.tenant_id AND NOT left_over.is_void
            AND left_over.invoice_id <> p.invoice_id AND part ->> 'tenant_id' = c.tenant_id::text
    ), 0)
    FROM invoiced_period p
    WHERE (p.invoice_tenant_id, p.invoice_id) = (%s, %s) AND c.tenant_id = p.tenant_id
"""


def lock(connection: Connection, tenant_ids: Iterable[UUID]) -> None:
    """Have nobody else close or reopen periods of these tenants until the transaction ends.

    To be taken before any invoice is locked.
    """
    connection.execute(_LOCK, (sorted(tenant_ids),))


def read(connection: Connection, tenant_ids: Iterable[UUID]) -> Mapping[UUID, ClosedUntil]:
    """Of those that anything was closed for."""
    rows = connection.execute(_READ, (list(tenant_ids),))
    return {tenant_id: ClosedUntil(at, sequence) for tenant_id, at, sequence in rows}


def move(connection: Connection, tenant_id: UUID, until: ClosedUntil) -> None:
    """Close up to there; never back, whatever a clock says."""
    connection.execute(_MOVE, (tenant_id, *until))


def reopen(connection: Connection, tenant_id: UUID, invoice_id: UUID) -> None:
    """What an invoice was about may be invoiced again, since it is void now: of its tenant, and of all whose
    usage was on it. `lock` comes first."""
    connection.execute(_REOPEN, (tenant_id, invoice_id))
