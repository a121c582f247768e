"""Invoices: drafted, looked at, made final, and closed by hand."""

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.routes.invoicing.announcing import announcing
from functions.billing_api.schemas.invoicing.invoices import (
    FinalizeRequest,
    GeneratedInvoice,
    GenerateRequest,
    HoldList,
    Invoice,
    InvoiceHead,
    InvoiceList,
    InvoicePath,
    InvoiceQuery,
    RateRequest,
)
from functions.billing_api.schemas.invoicing.money import Reason

if TYPE_CHECKING:
    from functions.invoicing import InvoicingServices
    from shared.service.invoicing.invoice_ports import StoredInvoice

_LIST = "invoices"


def invoice_routes(invoicing: "InvoicingServices") -> APIBlueprint:
    api = announcing(routes("invoices", "What is charged, period by period"), invoicing)
    _add_reading(api, invoicing)
    _add_drafts(api, invoicing)
    _add_closing(api, invoicing)
    return api


def _add_reading(api: APIBlueprint, invoicing: "InvoicingServices") -> None:
    @api.get("/invoices", responses={200: InvoiceList, **problems()})
    def list_invoices(query: InvoiceQuery) -> Response:
        """List invoices"""
        after = read_cursor(_LIST, query.cursor, UUID)
        with blaming():
            stored = invoicing.invoices.list(
                query.tenant_id, query.status, limit=query.limit + 1, after=after
            )
        found, next_cursor = page(stored, query.limit, lambda one: write_cursor(_LIST, str(one.invoice.id)))
        now = invoicing.clock()
        items = [InvoiceHead.summary(one, now) for one in found]
        return answer(InvoiceList(items=items, next_cursor=next_cursor))

    @api.get("/invoices/<invoice>", responses={200: Invoice, **problems(404, 409)})
    def get_invoice(path: InvoicePath) -> Response:
        """Find an invoice: what it says, and what became of it"""
        return _shown(invoicing, invoicing.invoice(path.invoice))


def _add_drafts(api: APIBlueprint, invoicing: "InvoicingServices") -> None:
    @api.post("/billing/generate", responses={201: GeneratedInvoice, **problems(409, body=True)})
    def generate_invoice(body: GenerateRequest) -> Response:
        """Draft the invoice of a period, or rate the draft that there is again"""
        with blaming():
            draft = invoicing.invoices.generate(
                body.tenant_id, body.period_start, body.period_end, g.caller.name
            )
        created = answer(GeneratedInvoice.of(draft, invoicing.clock()), 201)
        created.headers["Location"] = f"{api.url_prefix}/invoices/{draft.invoice.id}"
        return created

    @api.delete("/invoices/<invoice>", responses={200: Invoice, **problems(404, 409)})
    def discard_invoice(path: InvoicePath) -> Response:
        """Discard a draft"""
        draft = invoicing.invoice(path.invoice)
        invoicing.invoices.discard(*_of(draft))
        return _shown(invoicing, draft)

    @api.post("/invoices/<invoice>/rate", responses={200: Invoice, **problems(404, 409, body=True)})
    def rate_invoice(path: InvoicePath, body: RateRequest) -> Response:  # noqa: ARG001
        """Rate a draft again"""
        return _shown(invoicing, invoicing.invoices.rerate(*_of(invoicing.invoice(path.invoice))))

    @api.get("/invoices/<invoice>/holds", responses={200: HoldList, **problems(404, 409)})
    def list_invoice_holds(path: InvoicePath) -> Response:
        """List all that holds a draft back, with the ways out"""
        draft = invoicing.invoice(path.invoice)
        return answer(HoldList.of(invoicing.invoices.holds(*_of(draft)), draft.overrides))

    @api.post("/invoices/<invoice>/finalize", responses={200: Invoice, **problems(404, 409, body=True)})
    def finalize_invoice(path: InvoicePath, body: FinalizeRequest) -> Response:
        """Make a draft final, rated again, under the next number of its seller"""
        tenant_ref, invoice_id = _of(invoicing.invoice(path.invoice))
        override = None if body.override is None else body.override.overriding
        return _shown(
            invoicing,
            invoicing.invoices.finalise(tenant_ref, invoice_id, who=g.caller.name, override=override),
        )


def _add_closing(api: APIBlueprint, invoicing: "InvoicingServices") -> None:
    @api.post("/invoices/<invoice>/void", responses={200: Invoice, **problems(404, 409, body=True)})
    def void_invoice(path: InvoicePath, body: Reason) -> Response:
        """Void a final invoice that no money came for; its period may be invoiced again"""
        tenant_ref, invoice_ref = invoicing.refs(path.invoice)
        return _shown(
            invoicing, invoicing.payments.void(tenant_ref, invoice_ref, body.reason, who=g.caller.name)
        )

    @api.post("/invoices/<invoice>/write-off", responses={200: Invoice, **problems(404, 409, body=True)})
    def write_off_invoice(path: InvoicePath, body: Reason) -> Response:
        """Give up what is due of an invoice"""
        tenant_ref, invoice_ref = invoicing.refs(path.invoice)
        return _shown(
            invoicing,
            invoicing.payments.write_off(tenant_ref, invoice_ref, reason=body.reason, who=g.caller.name),
        )


def _shown(invoicing: "InvoicingServices", stored: "StoredInvoice") -> Response:
    return answer(Invoice.of(stored, invoicing.clock()))


def _of(stored: "StoredInvoice") -> tuple[str, UUID]:
    return str(stored.invoice.tenant_id), stored.invoice.id
