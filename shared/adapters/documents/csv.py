"""Invoices and credit notes as CSV, for spreadsheets and ledgers."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Final

from shared.domain.invoicing.document import DocumentLine, FreeTier, InvoiceDocument
from shared.domain.period import Period

COLUMNS: Final = (
    "row",
    "kind",
    "document",
    "number",
    "corrects",
    "tenant",
    "issued_at",
    "due_at",
    "line",
    "section",
    "description",
    "adjusts",
    "start",
    "end",
    "quantity",
    "unit",
    "unit_amount",
    "per",
    "included",
    "used",
    "remaining",
    "flat_amount",
    "tax",
    "percent",
    "inclusive",
    "base",
    "amount",
    "currency",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, in any of its languages."""

_Row = Mapping[str, str]


def invoice_csv(document: InvoiceDocument) -> str:
    """RFC 4180, with a header. `row` says what a row is: line, share (of the line before it), tax, credit,
    net, tax_total, total, amount_due, exempt or free_tier.

    Amounts are exact and in the row's `currency`, instants UTC, periods half-open; every row names its
    document, so that files can be put together. Text that a spreadsheet would run has an apostrophe before
    it.
    """
    text = StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    heading = _heading(document)
    writer.writerows({**heading, **row} for row in _rows(document))
    return text.getvalue()


def _heading(document: InvoiceDocument) -> _Row:
    return {
        "document": document.kind,
        "number": _safe(document.number),
        "corrects": _safe(document.corrects or ""),
        "tenant": _safe(document.tenant_slug),
        "issued_at": _instant(document.issued_at),
        "due_at": _instant(document.due_at) if document.due_at else "",
        "currency": document.currency,
    }


def _rows(document: InvoiceDocument) -> Iterator[_Row]:
    for line in document.lines:
        yield from _line(line)
    yield _sum("net", document.net)
    for tax in document.taxes:
        yield {
            **_sum("tax", tax.amount),
            "tax": _safe(tax.name),
            "percent": _number(tax.percent),
            "inclusive": "true" if tax.inclusive else "false",
            "base": _number(tax.base),
        }
    yield _sum("tax_total", document.tax_total)
    if document.exempt_reason:
        yield {"row": "exempt", "description": _safe(document.exempt_reason), "currency": ""}
    yield _sum("total", document.total)
    for credit in document.credits:
        yield {
            **_sum("credit", credit.amount),
            "kind": _safe(credit.kind),
            "description": _safe(credit.description),
        }
    yield _sum("amount_due", document.amount_due)
    yield from map(_free, document.free_tier)


def _line(line: DocumentLine) -> Iterator[_Row]:
    yield {
        **_sum("line", line.amount),
        **_period(line.period),
        "kind": line.kind,
        "line": _safe(line.id),
        "section": _safe(line.section),
        "description": _safe(line.description),
        "adjusts": _safe(line.adjusts or ""),
        "quantity": _quantity(line.quantity),
        "unit": _safe(line.unit),
        "unit_amount": _number(line.unit_amount),
        "per": _number(line.per),
        "included": _number(line.included),
        "flat_amount": _number(line.flat_amount),
        "tax": _safe(", ".join(line.tax)),
    }
    for share in line.shares:
        yield {
            **_sum("share", share.amount),
            **_period(line.period),
            "line": _safe(line.id),
            "section": _safe(line.section),
            "description": _safe(share.label),
            "quantity": _quantity(share.quantity),
            "unit": _safe(line.unit),
        }


def _free(free: FreeTier) -> _Row:
    # No amount, so no currency beside it.
    return {
        "row": "free_tier",
        **_period(free.period),
        "description": _safe(free.meter),
        "unit": _safe(free.unit),
        "included": _number(free.included),
        "used": _number(free.used),
        "remaining": _number(free.remaining),
        "currency": "",
    }


def _sum(row: str, amount: Decimal) -> _Row:
    return {"row": row, "amount": _number(amount)}


def _period(period: Period) -> _Row:
    return {"start": _instant(period.start), "end": _instant(period.end)}


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _quantity(quantity: str) -> str:
    return _number(Decimal(quantity)) if quantity else ""


def _number(value: Decimal) -> str:
    return f"{value:f}"


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
