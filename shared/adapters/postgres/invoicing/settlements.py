"""What is owed for invoices, from all that happened to them, in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from shared.adapters.postgres.invoicing.amounts import in_currency
from shared.adapters.postgres.pool import Connection
from shared.domain import money
from shared.domain.invoicing.settlement import Settlement

# What credit notes took off what was due is posted to the receivable; what was paid of the rest is credit
# now, and what remains went back to the grants.
_SETTLEMENTS = b"""
    SELECT i.tenant_id, i.id, i.currency,
        (SELECT coalesce(sum(u.amount), 0) FROM credit_use u
         WHERE (u.tenant_id, u.invoice_id, u.kind) = (i.tenant_id, i.id, 'applied')),
        (SELECT coalesce(sum(p.amount - (
            SELECT coalesce(sum(r.amount), 0) FROM refund r
            WHERE (r.tenant_id, r.payment_id) = (p.tenant_id, p.id))), 0)
         FROM payment p WHERE (p.tenant_id, p.invoice_id) = (i.tenant_id, i.id)),
        -posted.credited,
        (SELECT coalesce(sum(g.amount), 0) FROM credit_grant g
         WHERE (g.tenant_id, g.invoice_id, g.kind) = (i.tenant_id, i.id, 'credit_note')),
        (SELECT coalesce(sum(n.total), 0) FROM credit_note n
         WHERE (n.tenant_id, n.invoice_id) = (i.tenant_id, i.id)),
        -posted.written_off
    FROM unnest(%s::uuid[], %s::uuid[]) asked (tenant_id, id) JOIN invoice i USING (tenant_id, id),
    LATERAL (
        SELECT coalesce(sum(e.amount) FILTER (WHERE p.kind = 'credit_note'), 0) AS credited,
               coalesce(sum(e.amount) FILTER (WHERE p.kind = 'write_off'), 0) AS written_off
        FROM posting p JOIN posting_entry e ON (e.tenant_id, e.posting_id) = (p.tenant_id, p.id)
        WHERE (p.tenant_id, p.invoice_id, e.account) = (i.tenant_id, i.id, 'accounts_receivable')) posted
"""


class Asked(NamedTuple):
    """A final invoice and what it came to."""

    tenant_id: UUID
    invoice_id: UUID
    total: Decimal


def of(connection: Connection, tenant_id: UUID, invoice_id: UUID, total: Decimal) -> Settlement:
    """Of one final invoice. To settle it, hold its row locked from an earlier statement on."""
    return of_all(connection, [Asked(tenant_id, invoice_id, total)])[invoice_id]


def of_all(connection: Connection, asked: Iterable[Asked]) -> Mapping[UUID, Settlement]:
    """By invoice."""
    totals = {(one.tenant_id, one.invoice_id): one.total for one in asked}
    tenant_ids, invoice_ids = [key[0] for key in totals], [key[1] for key in totals]
    rows = connection.execute(_SETTLEMENTS, (tenant_ids, invoice_ids))
    return {
        invoice_id: _settlement(totals[tenant_id, invoice_id], currency, amounts)
        for tenant_id, invoice_id, currency, *amounts in rows
    }


def _settlement(total: Decimal, currency: str, amounts: Sequence[Decimal]) -> Settlement:
    applied, paid, credited, refundable, notes, written_off = (in_currency(a, currency) for a in amounts)
    return Settlement(
        total=in_currency(total, currency),
        applied=applied,
        paid=paid,
        credited=credited,
        refundable=refundable,
        returned=money.difference(money.difference(notes, credited), refundable),
        written_off=written_off,
    )
