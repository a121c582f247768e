"""Money for invoices, what is given back of it, and the ledger."""

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.routes.invoicing.announcing import announcing
from functions.billing_api.schemas.common import PageQuery
from functions.billing_api.schemas.invoicing.invoices import InvoiceHead, InvoicePath
from functions.billing_api.schemas.invoicing.money import IdempotencyHeaders, PartialAmount
from functions.billing_api.schemas.invoicing.payments import (
    LedgerBalance,
    LedgerPosting,
    LedgerPostingList,
    NewPayment,
    PaidInvoice,
    Payment,
    PaymentList,
    PaymentPath,
    Refund,
    RepaidInvoice,
)
from functions.billing_api.schemas.tenants import TenantPath
from shared.domain.errors import NotFound
from shared.service.tenants import Tenants

if TYPE_CHECKING:
    from functions.invoicing import InvoicingServices

_LEDGER = "ledger"


def payment_routes(tenants: Tenants, invoicing: "InvoicingServices") -> APIBlueprint:
    api = announcing(routes("payments", "Money for invoices, and the ledger"), invoicing)

    @api.post("/invoices/<invoice>/payments", responses={201: PaidInvoice, **problems(404, 409, body=True)})
    def pay_invoice(path: InvoicePath, header: IdempotencyHeaders, body: NewPayment) -> Response:
        """Note money that came for an invoice"""
        paid = invoicing.payments.pay(
            *invoicing.refs(path.invoice),
            body.amount,
            method=body.method,
            reference=body.reference,
            received_at=body.received_at,
            idempotency_key=header.idempotency_key,
            who=g.caller.name,
        )
        head = InvoiceHead.summary(paid.invoice, invoicing.clock())
        return answer(PaidInvoice(payment=Payment.of(paid.payment), invoice=head), 201)

    @api.get("/invoices/<invoice>/payments", responses={200: PaymentList, **problems(404, 409)})
    def list_payments(path: InvoicePath) -> Response:
        """List the payments of an invoice, with what was given back of each"""
        refs, payments = invoicing.refs(path.invoice), invoicing.payments
        return answer(PaymentList.of(payments.list(*refs), payments.refunds(*refs)))

    @api.post(
        "/invoices/<invoice>/payments/<payment>/refunds",
        responses={201: RepaidInvoice, **problems(404, 409, body=True)},
    )
    def refund_payment(path: PaymentPath, header: IdempotencyHeaders, body: PartialAmount) -> Response:
        """Give a payment back, or a part of it; it is due again"""
        tenant_ref, invoice_ref = invoicing.refs(path.invoice)
        payments = invoicing.payments
        if path.payment not in {payment.id for payment in payments.list(tenant_ref, invoice_ref)}:
            raise NotFound.because("payment", f"no payment '{path.payment}' of invoice {path.invoice!r}")
        repaid = payments.refund(
            tenant_ref,
            path.payment,
            body.amount,
            reason=body.reason,
            idempotency_key=header.idempotency_key,
            who=g.caller.name,
        )
        head = InvoiceHead.summary(repaid.invoice, invoicing.clock())
        return answer(RepaidInvoice(refund=Refund.of(repaid.refund), invoice=head), 201)

    @api.get("/tenants/<tenant>/ledger", responses={200: LedgerPostingList, **problems(404)})
    def list_ledger(path: TenantPath, query: PageQuery) -> Response:
        """List what was posted for a tenant, with the balance of each account"""
        tenant = str(tenants.get(path.tenant, field="tenant").id)
        before = read_cursor(_LEDGER, query.cursor, UUID)
        statement = invoicing.payments.statement(tenant, limit=query.limit + 1, before=before)
        found, next_cursor = page(
            statement.postings, query.limit, lambda posted: write_cursor(_LEDGER, str(posted.id))
        )
        return answer(
            LedgerPostingList(
                items=[LedgerPosting.of(posted) for posted in found],
                next_cursor=next_cursor,
                balances=[LedgerBalance.of(balance) for balance in statement.balances],
            )
        )

    return api
