"""Postings in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.adapters.postgres.invoicing.amounts import in_currency
from shared.adapters.postgres.pool import Connection
from shared.domain.invoicing.postings import Account, Entry, Posting
from shared.service.invoicing.money_ports import Posted

_POST = b"""
    INSERT INTO posting (tenant_id, id, at, kind, source_id, invoice_id, entries)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_ENTER = b"""
    INSERT INTO posting_entry (tenant_id, posting_id, position, account, currency, amount)
    SELECT %s, %s, position - 1, account, %s, amount
    FROM unnest(%s::text[], %s::numeric[]) WITH ORDINALITY e (account, amount, position)
"""
_SELECT = """
    SELECT p.id, p.at, p.source_id, p.invoice_id, p.kind, min(e.currency),
           array_agg(e.account ORDER BY e.position), array_agg(e.amount ORDER BY e.position)
    FROM posting p JOIN posting_entry e ON (e.tenant_id, e.posting_id) = (p.tenant_id, p.id)
    WHERE p.tenant_id = %(tenant_id)s AND {}
    GROUP BY p.tenant_id, p.id ORDER BY p.id
"""
_OF_INVOICE = _SELECT.format("p.invoice_id = %(invoice_id)s").encode()
_PAGE = f"""
    {_SELECT.format("(%(before)s::uuid IS NULL OR p.id < %(before)s)")} DESC LIMIT %(limit)s
""".encode()


def post(
    connection: Connection,
    tenant_id: UUID,
    id: UUID,
    at: datetime,
    posting: Posting,
    *,
    source_id: UUID,
    invoice_id: UUID | None,
) -> None:
    """Enter a posting into the books; nothing where it moves nothing. `source_id` is the row that it is
    about: of one kind there is one posting about it."""
    if not posting.entries:
        return
    accounts, amounts = zip(*posting.entries, strict=True)
    connection.execute(_POST, (tenant_id, id, at, posting.kind, source_id, invoice_id, len(accounts)))
    connection.execute(_ENTER, (tenant_id, id, posting.currency, list(accounts), list(amounts)))


def of_invoice(connection: Connection, tenant_id: UUID, invoice_id: UUID) -> Sequence[Posting]:
    """All that was posted for an invoice, in order of time."""
    rows = connection.execute(_OF_INVOICE, {"tenant_id": tenant_id, "invoice_id": invoice_id})
    return [_posting_of(*row[4:]) for row in rows]


def page(connection: Connection, tenant_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Posted]:
    """The tenant's postings, the newest first, from the one behind `before`."""
    rows = connection.execute(_PAGE, {"tenant_id": tenant_id, "limit": limit, "before": before})
    return [
        Posted(id, at, source_id, invoice_id, _posting_of(*posting))
        for id, at, source_id, invoice_id, *posting in rows
    ]


def _posting_of(kind: str, currency: str, accounts: Iterable[str], amounts: Iterable[Any]) -> Posting:
    entries = zip(map(Account, accounts), (in_currency(amount, currency) for amount in amounts), strict=True)
    return Posting(kind, currency, tuple(Entry(*entry) for entry in entries))
