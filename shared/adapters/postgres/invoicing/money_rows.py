"""Payments, refunds, credit notes and credit grants as rows."""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.invoicing import grants
from shared.adapters.postgres.invoicing.amounts import in_currency
from shared.domain.invoicing.document import InvoiceDocument, canonical
from shared.service.invoicing.money_ports import CreditGrant, CreditNote, Payment, Refund

PAYMENT: Final = """
    SELECT p.id, p.invoice_id, p.currency, p.amount, p.received_at, p.recorded_at, p.recorded_by, p.method,
           p.reference, p.idempotency_key, (
               SELECT coalesce(sum(r.amount), 0) FROM refund r
               WHERE (r.tenant_id, r.payment_id) = (p.tenant_id, p.id))
    FROM payment p
"""
REFUND: Final = """
    SELECT r.id, r.payment_id, r.grant_id, r.currency, r.amount, r.refunded_at, r.refunded_by, r.reason,
           r.idempotency_key
    FROM refund r
"""
NOTE: Final = """
    SELECT n.id, n.tenant_id, n.invoice_id, n.billing_entity_id, n.document, n.reason, n.issued_by,
           n.idempotency_key
    FROM credit_note n
"""
GRANT: Final = f"SELECT g.amount, g.created_by, g.invoice_id, {grants.SELECTED} FROM credit_grant g"


def payment_of(row: Sequence[Any]) -> Payment:
    id, invoice_id, currency, amount, received_at, recorded_at, recorded_by, method, reference, *rest = row
    idempotency_key, refunded = rest
    return Payment(
        id=id,
        invoice_id=invoice_id,
        currency=currency,
        amount=in_currency(amount, currency),
        received_at=received_at,
        recorded_at=recorded_at,
        recorded_by=recorded_by,
        method=method,
        reference=reference,
        idempotency_key=idempotency_key,
        refunded=in_currency(refunded, currency),
    )


def refund_of(row: Sequence[Any]) -> Refund:
    id, payment_id, grant_id, currency, amount, *rest = row
    return Refund(id, payment_id, grant_id, currency, in_currency(amount, currency), *rest)


def note_of(row: Sequence[Any]) -> CreditNote:
    id, tenant_id, invoice_id, entity_id, document, *rest = row
    said = InvoiceDocument.from_dict(json.loads(document))
    return CreditNote(id, tenant_id, invoice_id, entity_id, said, *rest)


def credit_of(row: Sequence[Any]) -> CreditGrant:
    amount, created_by, invoice_id, *columns = row
    grant = grants.grant_of(columns)
    return CreditGrant(grant, in_currency(amount, grant.currency), created_by, invoice_id)


def payment_row(payment: Payment) -> dict[str, object]:
    return {
        "id": payment.id,
        "invoice_id": payment.invoice_id,
        "currency": payment.currency,
        "amount": payment.amount,
        "received_at": payment.received_at,
        "recorded_at": payment.recorded_at,
        "recorded_by": payment.recorded_by,
        "method": payment.method,
        "reference": payment.reference,
        "idempotency_key": payment.idempotency_key,
    }


def refund_row(refund: Refund) -> dict[str, object]:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "grant_id": refund.grant_id,
        "currency": refund.currency,
        "amount": refund.amount,
        "refunded_at": refund.refunded_at,
        "refunded_by": refund.refunded_by,
        "reason": refund.reason,
        "idempotency_key": refund.idempotency_key,
    }


def note_row(note: CreditNote) -> dict[str, object]:
    document = note.document
    lines = [{"line_id": line.id, "amount": f"{line.amount:f}"} for line in document.lines]
    return {
        "id": note.id,
        "invoice_id": note.invoice_id,
        "billing_entity_id": note.billing_entity_id,
        "number": document.number,
        "currency": document.currency,
        "net": document.net,
        "tax_total": document.tax_total,
        "total": document.total,
        "lines": Jsonb(lines),
        "reason": note.reason,
        "document": canonical(document),
        "issued_at": document.issued_at,
        "issued_by": note.issued_by,
        "idempotency_key": note.idempotency_key,
    }


def named(ref: str) -> dict[str, object]:
    """Nothing has an unprintable number, and not every such text can be sent."""
    try:
        id = UUID(ref)
    except ValueError:
        id = None
    return {"id": id, "number": ref if ref.isprintable() else ""}
