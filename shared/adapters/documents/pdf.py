"""Invoices and credit notes as PDF."""

from shared.domain.invoicing.document import InvoiceDocument


def invoice_pdf(document: InvoiceDocument) -> bytes:
    """A4 pages with text that can be selected; the same bytes for the same document, whenever it is made."""
    # What draws pages is imported when the first one is drawn: no function waits for it to start.
    from shared.adapters.documents.pages import draw

    return draw(document)
