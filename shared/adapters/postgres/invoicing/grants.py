"""Credit grants in PostgreSQL, and what was used of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.invoicing.amounts import in_currency
from shared.adapters.postgres.pool import Connection
from shared.domain import money
from shared.domain.invoicing.credits import CreditUse, Grant
from shared.service.invoicing.money_ports import InvoiceCredits, UseKind
from shared.service.ports import NewId

SELECTED: Final = """
    g.id, g.kind, g.description, g.currency, g.amount - coalesce((
        SELECT sum(CASE u.kind WHEN 'returned' THEN -u.amount ELSE u.amount END) FROM credit_use u
        WHERE (u.tenant_id, u.grant_id) = (g.tenant_id, g.id)), 0),
    g.priority, g.created_at, g.expires_at
"""
# In order, so that of two who use credits one waits, and none deadlocks.
_LOCK = b"SELECT FROM credit_grant WHERE tenant_id = %s ORDER BY id FOR NO KEY UPDATE"
_REMAINING = f"SELECT {SELECTED} FROM credit_grant g WHERE g.tenant_id = %s ORDER BY g.id".encode()
_ADD = b"""
    INSERT INTO credit_grant (tenant_id, id, kind, currency, amount, priority, expires_at, description,
                              created_at, created_by, invoice_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (tenant_id, id) DO NOTHING RETURNING id
"""
_USE = b"""
    INSERT INTO credit_use (tenant_id, id, grant_id, kind, currency, amount, invoice_id, at)
    SELECT %s, id, grant_id, %s, currency, amount, %s, %s
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[]) u (id, grant_id, currency, amount)
"""
_OF_INVOICE = f"""
    SELECT v.kind, v.amount, {SELECTED}
    FROM credit_use v JOIN credit_grant g ON (g.tenant_id, g.id) = (v.tenant_id, v.grant_id)
    WHERE v.tenant_id = %s AND v.invoice_id = %s ORDER BY v.id
""".encode()


def remaining(connection: Connection, tenant_id: UUID, *, lock: bool) -> Sequence[Grant]:
    """What remains of the tenant's grants, those of which something does.

    With `lock`, nobody else uses any of them until the transaction ends. It must be READ COMMITTED: another
    snapshot would not have what was used while the lock was waited for.
    """
    if lock:
        lock_all(connection, tenant_id)
    grants = (grant_of(row) for row in connection.execute(_REMAINING, (tenant_id,)))
    return [grant for grant in grants if grant.remaining]


def lock_all(connection: Connection, tenant_id: UUID) -> None:
    """Have nobody else use a grant of the tenant until the transaction ends; see `remaining`."""
    assert connection.isolation_level in (None, IsolationLevel.READ_COMMITTED)
    connection.execute(_LOCK, (tenant_id,))


def add(
    connection: Connection, tenant_id: UUID, grant: Grant, amount: Decimal, who: str, invoice_id: UUID | None
) -> bool:
    """Grant `amount`; False where there is a grant of that id. `invoice_id` is that which was below zero, or
    that of the credit note: None for credit that was bought or given away."""
    row = (
        *(tenant_id, grant.id, grant.kind, grant.currency, amount, grant.priority, grant.expires_at),
        *(grant.description, grant.created_at, who, invoice_id),
    )
    return connection.execute(_ADD, row).fetchone() is not None


def use(
    connection: Connection,
    tenant_id: UUID,
    uses: Sequence[CreditUse],
    kind: UseKind,
    at: datetime,
    invoice_id: UUID | None,
    new_id: NewId,
) -> Sequence[UUID]:
    """Note what became of grants; the ids of these uses, in their order."""
    assert (invoice_id is not None) == (kind in ("applied", "returned"))
    ids = [new_id() for _ in uses]
    columns = (
        [use.grant.id for use in uses],
        [use.grant.currency for use in uses],
        [use.amount for use in uses],
    )
    if uses:
        connection.execute(_USE, (tenant_id, kind, invoice_id, at, ids, *columns))
    return ids


def of_invoice(connection: Connection, tenant_id: UUID, invoice_id: UUID) -> InvoiceCredits:
    uses: list[CreditUse] = []
    returned: dict[UUID, Decimal] = {}
    for kind, amount, *row in connection.execute(_OF_INVOICE, (tenant_id, invoice_id)):
        use = CreditUse(grant := grant_of(row), in_currency(amount, row[3]))
        if kind == "applied":
            uses.append(use)
        else:
            returned[grant.id] = money.total((returned.get(grant.id, Decimal(0)), use.amount), grant.currency)
    return InvoiceCredits(uses, returned)


def grant_of(row: Sequence[Any]) -> Grant:
    """Of the columns of SELECTED."""
    id, kind, description, currency, left, priority, created_at, expires_at = row
    return Grant(
        id, kind, description, currency, in_currency(left, currency), priority, created_at, expires_at
    )
