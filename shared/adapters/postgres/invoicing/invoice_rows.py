"""Invoices as rows: read, drafted, made final, and what becomes of them then."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.invoicing import settlements
from shared.adapters.postgres.pool import Connection
from shared.domain.invoicing.basis import Basis
from shared.domain.invoicing.document import InvoiceDocument, canonical
from shared.domain.invoicing.holds import HoldReason, Override
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.lines import InvoiceLine, LineKey
from shared.domain.invoicing.taxes import Rate
from shared.domain.period import Period
from shared.service.invoicing.invoice_ports import StoredInvoice

_SELECT = """
    SELECT id, tenant_id, period_start, period_end, currency, status, number, issued_at, due_at, document,
           basis, billing_entity_id, organisation_id, rated_sequence, rated_at, created_at, void_reason
    FROM invoice WHERE tenant_id = %s AND id = %s
"""
_KEY = "id, usage_tenant_id, counting_start, counting_end, plan_id, plan_version, price, meter, part"
_LINES = f"""
    SELECT {_KEY}, adjusts_invoice_id FROM invoice_line WHERE tenant_id = %s AND invoice_id = %s
    ORDER BY position
""".encode()
_OVERRIDES = b"""
    SELECT who, why, reasons, at FROM invoice_override WHERE tenant_id = %s AND invoice_id = %s ORDER BY id
"""
_DRAFT = """
    INSERT INTO invoice ({columns}) VALUES ({values})
    ON CONFLICT (tenant_id, id) DO UPDATE SET {changes}
"""
_LINE = """
    INSERT INTO invoice_line (tenant_id, invoice_id, id, position, kind, usage_tenant_id, period_start,
        period_end, counting_start, counting_end, plan_id, plan_version, price, meter, part, currency, amount,
        adjusts_invoice_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_FINALISE = b"""
    UPDATE invoice SET status = %s, number = %s, issued_at = %s, due_at = %s, paid_at = %s
    WHERE tenant_id = %s AND id = %s AND status = 'draft'
"""
_SET_STATUS = b"""
    UPDATE invoice SET status = %(status)s,
        paid_at = CASE %(status)s WHEN 'paid' THEN coalesce(paid_at, %(at)s) WHEN 'final' THEN NULL
            ELSE paid_at END,
        uncollectible_at = CASE %(status)s WHEN 'uncollectible' THEN %(at)s ELSE uncollectible_at END,
        voided_at = CASE %(status)s WHEN 'void' THEN %(at)s ELSE voided_at END,
        void_reason = CASE %(status)s WHEN 'void' THEN %(reason)s ELSE void_reason END
    WHERE tenant_id = %(tenant_id)s AND id = %(id)s
"""


def load(
    connection: Connection, tenant_id: UUID, invoice_id: UUID, *, lock: bool = False
) -> StoredInvoice | None:
    """An invoice of the tenant; where it is to be locked, until the transaction ends."""
    # Weaker than FOR UPDATE, so that adjustments of other invoices may refer to it meanwhile.
    query = f"{_SELECT} {'FOR NO KEY UPDATE' if lock else ''}".encode()
    row = connection.execute(query, (tenant_id, invoice_id)).fetchone()
    if row is None:
        return None
    id, _, start, end, currency, status, number, issued_at, due_at, document, basis, *rest = row
    entity_id, organisation_id, rated_sequence, rated_at, created_at, void_reason = rest
    said = InvoiceDocument.from_dict(json.loads(document))
    invoice = Invoice(
        id=id,
        tenant_id=tenant_id,
        period=Period(start, end),
        currency=currency,
        status=Status(status),
        number=number,
        issued_at=issued_at,
        due_at=due_at,
        settlement=None
        if status == Status.DRAFT
        else settlements.of(connection, tenant_id, invoice_id, said.total),
    )
    return StoredInvoice(
        invoice,
        said,
        tuple(lines(connection, tenant_id, invoice_id, said)),
        None if basis is None else Basis.from_dict(basis),
        entity_id,
        organisation_id,
        rated_sequence,
        rated_at,
        created_at,
        tuple(
            Override(who, why, frozenset(map(HoldReason, reasons)), at)
            for who, why, reasons, at in connection.execute(_OVERRIDES, (tenant_id, invoice_id))
        ),
        void_reason,
    )


def put_draft(connection: Connection, draft: StoredInvoice) -> None:
    """The draft with its lines, in the place of what there is of it."""
    row = _draft_row(draft)
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in row if name not in ("id", "created_at"))
    query = _DRAFT.format(
        columns=", ".join(row), values=", ".join(f"%({name})s" for name in row), changes=changes
    )
    connection.execute(query.encode(), row)
    of = (draft.invoice.tenant_id, draft.invoice.id)
    connection.execute("DELETE FROM invoice_line WHERE tenant_id = %s AND invoice_id = %s", of)
    connection.execute(
        "DELETE FROM invoiced_period WHERE invoice_tenant_id = %s AND invoice_id = %s AND tenant_id <> %s",
        (*of, draft.invoice.tenant_id),
    )
    with connection.cursor() as cursor:
        rows = [_line_row(draft, position, line) for position, line in enumerate(draft.lines)]
        cursor.executemany(_LINE, rows)
        cursor.executemany(
            "INSERT INTO invoiced_period (tenant_id, invoice_tenant_id, invoice_id, period_start, period_end)"
            " VALUES (%s, %s, %s, %s, %s)",
            [
                (part.tenant_id, *of, *part.period)
                for part in (draft.basis.parts if draft.basis else ())
                if part.tenant_id != draft.invoice.tenant_id
            ],
        )


def finalise(connection: Connection, invoice: Invoice, at: datetime) -> None:
    """The draft, written as it is to stay, is final now; its number was issued before."""
    paid_at = at if invoice.status is Status.PAID else None
    connection.execute(
        _FINALISE,
        (
            str(invoice.status),
            invoice.number,
            invoice.issued_at,
            invoice.due_at,
            paid_at,
            invoice.tenant_id,
            invoice.id,
        ),
    )


def set_status(
    connection: Connection, tenant_id: UUID, invoice: Invoice, at: datetime, reason: str | None = None
) -> None:
    """What became of a final invoice, at `at`; `reason` is why it is void."""
    of = {"tenant_id": tenant_id, "id": invoice.id, "status": str(invoice.status), "at": at, "reason": reason}
    connection.execute(_SET_STATUS, of)


def discard(connection: Connection, tenant_id: UUID, invoice_id: UUID) -> None:
    """Remove a draft with its lines."""
    connection.execute("DELETE FROM invoice WHERE tenant_id = %s AND id = %s", (tenant_id, invoice_id))


def add_override(
    connection: Connection, id: UUID, tenant_id: UUID, invoice_id: UUID, override: Override
) -> None:
    connection.execute(
        "INSERT INTO invoice_override (tenant_id, id, invoice_id, at, who, why, reasons)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            tenant_id,
            id,
            invoice_id,
            override.at,
            override.who,
            override.why,
            sorted(map(str, override.reasons)),
        ),
    )


def lines(
    connection: Connection, tenant_id: UUID, invoice_id: UUID, said: InvoiceDocument
) -> list[InvoiceLine]:
    """The lines of an invoice, which its document shows so; their rates are called as on it."""
    shown = {line.id: line for line in said.lines}
    rates = {tax.name: Rate(tax.name, tax.percent, tax.inclusive) for tax in said.taxes}
    rows = connection.execute(_LINES, (tenant_id, invoice_id))
    return [
        InvoiceLine(_key_of(key), tuple(rates[name] for name in shown[id].tax), shown[id], adjusts_invoice_id)
        for id, *key, adjusts_invoice_id in rows
    ]


def _key_of(row: Sequence[Any]) -> LineKey | None:
    """Of the columns from `usage_tenant_id` to `part`."""
    tenant_id, start, end, plan_id, plan_version, price, meter, part = row
    if plan_id is None:
        return None
    return LineKey(tenant_id, Period(start, end), plan_id, plan_version, price, meter, part)


def _draft_row(draft: StoredInvoice) -> dict[str, object]:
    invoice, document = draft.invoice, draft.document
    return {
        "tenant_id": invoice.tenant_id,
        "id": invoice.id,
        "status": str(Status.DRAFT),
        "billing_entity_id": draft.billing_entity_id,
        "organisation_id": draft.organisation_id,
        "period_start": invoice.period.start,
        "period_end": invoice.period.end,
        "currency": invoice.currency,
        "net": document.net,
        "tax_total": document.tax_total,
        "carried_over": document.carried_over,
        "total": document.total,
        "credits_applied": document.credit_total,
        "amount_due": document.amount_due,
        "rated_sequence": draft.rated_sequence,
        "created_at": draft.created_at,
        "rated_at": draft.rated_at,
        "document": canonical(document),
        "basis": None if draft.basis is None else Jsonb(draft.basis.to_dict()),
    }


def _line_row(draft: StoredInvoice, position: int, line: InvoiceLine) -> tuple[object, ...]:
    invoice, key, shown = draft.invoice, line.key, line.shown
    counting = (None, None) if key is None else key.counting
    return (
        invoice.tenant_id,
        invoice.id,
        shown.id,
        position,
        shown.kind,
        invoice.tenant_id if key is None else key.tenant_id,
        *shown.period,
        *counting,
        key and key.plan_id,
        key and key.plan_version,
        *((key.price, key.meter, key.part) if key else ("", "", "")),
        invoice.currency,
        shown.amount,
        line.adjusts,
    )
