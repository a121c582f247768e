"""Credit notes: invoices taken back, whole or line by line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.references import blaming
from functions.billing_api.routes.invoicing.announcing import announcing
from functions.billing_api.schemas.common import PageQuery
from functions.billing_api.schemas.invoicing.credit_notes import (
    CreditedInvoice,
    CreditNote,
    CreditNoteHead,
    CreditNoteList,
    CreditNotePath,
    CreditNotePreview,
    CreditNoteQuery,
    NewCreditNote,
)
from functions.billing_api.schemas.invoicing.documents import InvoiceDocument
from functions.billing_api.schemas.invoicing.invoices import InvoiceHead, InvoicePath
from functions.billing_api.schemas.invoicing.money import IdempotencyHeaders
from shared.domain.errors import Fault, Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from functions.invoicing import InvoicingServices
    from shared.service.invoicing.money_ports import CreditNote as StoredNote

_LIST: Final = "credit-notes"
_LINE_ID: Final = re.compile(r"(lines\[\d+\])\.line_id")


def credit_note_routes(invoicing: "InvoicingServices") -> APIBlueprint:
    api = announcing(routes("credit-notes", "Invoices taken back"), invoicing)

    def listed(query: PageQuery, tenant_ref: str | None, invoice_ref: str | None) -> Response:
        notes: Sequence[StoredNote] = invoicing.credit_notes.list(
            tenant_ref,
            invoice_ref,
            limit=query.limit + 1,
            after=read_cursor(_LIST, query.cursor, UUID),
        )
        found, next_cursor = page(notes, query.limit, lambda note: write_cursor(_LIST, str(note.id)))
        items = [CreditNoteHead.summary(note) for note in found]
        return answer(CreditNoteList(items=items, next_cursor=next_cursor))

    @api.post(
        "/invoices/<invoice>/credit-notes",
        responses={201: CreditedInvoice, **problems(404, 409, body=True)},
    )
    def issue_credit_note(path: InvoicePath, header: IdempotencyHeaders, body: NewCreditNote) -> Response:
        """Credit lines of an invoice, or all that is left of it"""
        with _calling_lines():
            credited = invoicing.credit_notes.issue(
                *invoicing.refs(path.invoice),
                body.wanted,
                reason=body.reason,
                idempotency_key=header.idempotency_key,
                who=g.caller.name,
            )
        head = InvoiceHead.summary(credited.invoice, invoicing.clock())
        issued = answer(CreditedInvoice(credit_note=CreditNote.of(credited.note), invoice=head), 201)
        issued.headers["Location"] = f"{api.url_prefix}/credit-notes/{credited.note.id}"
        return issued

    @api.post(
        "/invoices/<invoice>/credit-notes/preview",
        responses={200: CreditNotePreview, **problems(404, 409, body=True)},
    )
    def preview_credit_note(path: InvoicePath, body: NewCreditNote) -> Response:
        """Show what a credit note would say; nothing is kept"""
        with _calling_lines():
            document = invoicing.credit_notes.preview(
                *invoicing.refs(path.invoice), body.wanted, reason=body.reason
            )
        return answer(CreditNotePreview(document=InvoiceDocument.of(document)))

    @api.get("/invoices/<invoice>/credit-notes", responses={200: CreditNoteList, **problems(404, 409)})
    def list_invoice_credit_notes(path: InvoicePath, query: PageQuery) -> Response:
        """List the credit notes of an invoice"""
        return listed(query, *invoicing.refs(path.invoice))

    @api.get("/credit-notes", responses={200: CreditNoteList, **problems()})
    def list_credit_notes(query: CreditNoteQuery) -> Response:
        """List credit notes"""
        with blaming():
            return listed(query, query.tenant_id, None)

    @api.get("/credit-notes/<credit_note>", responses={200: CreditNote, **problems(404, 409)})
    def get_credit_note(path: CreditNotePath) -> Response:
        """Find a credit note"""
        return answer(CreditNote.of(invoicing.credit_notes.get(None, path.credit_note)))

    return api


@contextmanager
def _calling_lines() -> Iterator[None]:
    """Lines are named by `id` in requests."""
    try:
        yield
    except Rejected as error:
        faults = (Fault(_LINE_ID.sub(r"\1.id", fault.field), fault.message) for fault in error.faults)
        raise type(error)(*faults, total=error.total) from error
