import csv
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest

from shared.adapters.documents.csv import COLUMNS, invoice_csv
from shared.domain.invoicing.document import AppliedCredit, InvoiceDocument, Share, TaxLine
from tests.shared.adapters.documents import samples

SHAPES = samples.every_shape()


def rows(document: InvoiceDocument) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(invoice_csv(document), newline="")))


def of(kind: str, document: InvoiceDocument) -> list[dict[str, str]]:
    return [row for row in rows(document) if row["row"] == kind]


@pytest.mark.parametrize("name", SHAPES)
def test_every_amount_of_a_document_is_in_its_csv_exactly(name: str) -> None:
    document = SHAPES[name]

    def amounts(kind: str) -> list[str]:
        return [row["amount"] for row in of(kind, document)]

    assert amounts("line") == [f"{line.amount:f}" for line in document.lines]
    assert amounts("share") == [f"{share.amount:f}" for line in document.lines for share in line.shares]
    assert amounts("tax") == [f"{tax.amount:f}" for tax in document.taxes]
    assert amounts("credit") == [f"{credit.amount:f}" for credit in document.credits]
    for name in ("net", "tax_total", "total", "amount_due"):
        assert amounts(name) == [f"{getattr(document, name):f}"]


def test_the_rows_of_a_document_add_up() -> None:
    document = samples.rich()

    def summed(kind: str) -> Decimal:
        return sum((Decimal(row["amount"]) for row in of(kind, document)), Decimal(0))

    assert summed("line") == summed("net")
    assert summed("tax") == summed("tax_total")
    assert summed("total") - summed("credit") == summed("amount_due")


def test_a_line_keeps_its_exact_price_quantity_and_instants() -> None:
    document = samples.one_line()
    exact = replace(
        document.lines[0], quantity="1234567890123456789.000000000000000001", unit_amount=Decimal("1E-18")
    )
    (row,) = of("line", replace(document, lines=(exact,)))
    assert row["quantity"] == "1234567890123456789.000000000000000001"
    assert row["unit_amount"] == "0.000000000000000001"
    assert (row["start"], row["end"]) == ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
    assert row["currency"] == "EUR"


def test_every_row_names_its_document_and_every_amount_has_a_currency() -> None:
    for row in rows(samples.credit_note()):
        assert (row["document"], row["number"], row["corrects"]) == (
            "credit_note",
            "CN-2026-000003",
            "INV-2026-000001",
        )
        assert row["issued_at"] == "2026-03-31T15:00:00Z"
        assert row["currency"] == "JPY"


def test_lines_end_as_rfc_4180_says_and_text_is_quoted_where_it_must_be() -> None:
    document = samples.one_line()
    odd = 'one, "two"\r\nthree; четыре'
    document = replace(document, lines=(replace(document.lines[0], description=odd),))
    written = invoice_csv(document)
    assert written.startswith(",".join(COLUMNS) + "\r\n")
    assert written.endswith("\r\n")
    assert '"one, ""two""\r\nthree; четыре"' in written
    assert of("line", document)[0]["description"] == odd


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_text_of_a_user_runs_in_a_spreadsheet(start: str) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    document = samples.one_line()
    line = replace(
        document.lines[0],
        id=evil,
        section=evil,
        description=evil,
        unit=evil,
        adjusts=evil,
        tax=(evil,),
        shares=(Share(evil, "1", document.lines[0].amount),),
    )
    document = replace(
        document,
        number=evil,
        corrects=evil,
        tenant_slug=evil,
        exempt_reason=evil,
        lines=(line,),
        taxes=(TaxLine(evil, Decimal(1), False, Decimal(1), Decimal(1)),),
        credits=(AppliedCredit(evil, evil, Decimal(1)),),
        free_tier=tuple(replace(free, meter=evil, unit=evil) for free in samples.rich().free_tier),
    )
    cells = {cell for row in rows(document) for cell in row.values()}
    assert f"'{evil}" in cells
    assert [cell for cell in cells if cell.startswith(start)] == []


def test_negative_amounts_and_quantities_stay_numbers() -> None:
    taken_back = of("line", samples.rich())[3]
    assert (taken_back["quantity"], taken_back["amount"]) == ("-15", "-15.00")


def test_the_free_tier_is_there_and_has_no_amount() -> None:
    free = of("free_tier", samples.rich())[1]
    assert (free["included"], free["used"], free["remaining"]) == ("400000", "1234.5", "398765.5")
    assert (free["amount"], free["currency"]) == ("", "")
