"""Invoices and credit notes as files, and what is behind their lines."""

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.explain import ExplainDepth
from functions.billing_api.schemas.invoicing.credit_notes import CreditNotePath
from functions.billing_api.schemas.invoicing.documents import file_answer
from functions.billing_api.schemas.invoicing.explained import ExplainedInvoice
from functions.billing_api.schemas.invoicing.invoices import InvoicePath

if TYPE_CHECKING:
    from functions.invoicing import InvoicingServices
    from shared.domain.invoicing.document import InvoiceDocument

PDF: Final = "application/pdf"
CSV: Final = "text/csv"
_PDF: Final = {200: file_answer(PDF, "A4 pages with text that can be selected."), **problems(404, 409)}
_CSV: Final = {
    200: file_answer(CSV, "RFC 4180 in UTF-8, with a header: every line, share, tax and sum, exactly."),
    **problems(404, 409),
}


def document_routes(invoicing: "InvoicingServices") -> APIBlueprint:
    api = routes("documents", "Invoices and credit notes as files, and explained")

    def pdf(document: "InvoiceDocument") -> Response:
        return _file(document, invoicing.pdf(document), PDF, "pdf")

    def csv(document: "InvoiceDocument") -> Response:
        return _file(document, invoicing.csv(document).encode(), f"{CSV}; charset=utf-8", "csv")

    @api.get("/invoices/<invoice>/document.pdf", responses=_PDF)
    def get_invoice_pdf(path: InvoicePath) -> Response:
        """Read an invoice as PDF; a draft says that it is one"""
        return pdf(invoicing.invoice(path.invoice).document)

    @api.get("/invoices/<invoice>/document.csv", responses=_CSV)
    def get_invoice_csv(path: InvoicePath) -> Response:
        """Read an invoice as CSV"""
        return csv(invoicing.invoice(path.invoice).document)

    @api.get("/invoices/<invoice>/explain", responses={200: ExplainedInvoice, **problems(404, 409)})
    def explain_invoice(path: InvoicePath, query: ExplainDepth) -> Response:
        """Explain an invoice line by line, by the prices that were frozen with it, and its adjustments"""
        explanation = invoicing.explain.run(
            invoicing.invoice(path.invoice), levels=query.levels, most=query.top
        )
        return answer(ExplainedInvoice.of(explanation))

    @api.get("/credit-notes/<credit_note>/document.pdf", responses=_PDF)
    def get_credit_note_pdf(path: CreditNotePath) -> Response:
        """Read a credit note as PDF"""
        return pdf(invoicing.credit_notes.get(None, path.credit_note).document)

    @api.get("/credit-notes/<credit_note>/document.csv", responses=_CSV)
    def get_credit_note_csv(path: CreditNotePath) -> Response:
        """Read a credit note as CSV"""
        return csv(invoicing.credit_notes.get(None, path.credit_note).document)

    return api


def _file(document: "InvoiceDocument", content: bytes, content_type: str, suffix: str) -> Response:
    """Named by the number; a draft, which has none, by its tenant and its first day."""
    first_day = document.period.start.astimezone(ZoneInfo(document.timezone)).date()
    name = document.number or f"draft-{document.tenant_slug}-{first_day}"
    file = Response(content, content_type=content_type)
    file.headers.set("Content-Disposition", "attachment", filename=f"{name}.{suffix}")
    return file
