"""What an invoice says: frozen to the byte whatever changes later, and the same in every form."""

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO

import pytest
from pypdf import PdfReader

from functions.billing_api.answers import answer
from functions.billing_api.schemas.invoicing.documents import InvoiceDocument
from shared.domain.invoicing.document import canonical
from tests.functions.billing_api.invoiced import BUYER, SELLER, Invoiced, Json, invoiced_on
from tests.shared.adapters.documents import samples

SHAPES = samples.every_shape()
VAT = {"name": "VAT", "percent": "20"}


@pytest.fixture
def shop(database_url: str) -> Iterator[Invoiced]:
    with invoiced_on(database_url) as shop:
        yield shop


def forms(shop: Invoiced, invoice: Json) -> list[bytes]:
    """The document by all ways there are."""
    path = f"/invoices/{invoice['id']}"
    whole = shop.api.get(path).data
    start = whole.index(b'"document":')
    return [whole[start:], *(shop.api.get(f"{path}/document.{form}").data for form in ("pdf", "csv"))]


@pytest.mark.parametrize("name", SHAPES)
def test_the_api_answers_a_document_as_it_was_frozen(name: str) -> None:
    document = SHAPES[name]
    assert answer(InvoiceDocument.of(document)).get_data(as_text=True) == canonical(document)


def test_no_byte_of_a_final_invoice_changes_whatever_happens_later(shop: Invoiced) -> None:
    tenant = shop.tenant()
    rate = shop.ask("POST", f"/tenants/{tenant}/tax-rates", VAT, 201)
    shop.use(tenant, 10, request_id="a load test")
    final = shop.final(tenant)
    before = forms(shop, final)

    shop.later(days=40)
    shop.ask("PUT", f"/tenants/{tenant}/billing-details", {**BUYER, "legal_name": "Other", "language": "ru"})
    shop.ask(
        "PUT", "/billing-entities/platform", {**SELLER, "legal_name": "Sold Ltd", "timezone": "Asia/Tokyo"}
    )
    shop.ask("POST", f"/tenants/{tenant}/tax-rates/{rate['id']}/end", {})
    prices = [{"kind": "per_unit", "meter": "invocations", "amount": "7"}]
    shop.ask("POST", f"/pricing-plans/{tenant}/versions", {"prices": prices}, 201)
    shop.ask("PATCH", f"/pricing-plans/{tenant}", {"name": f"{tenant}-renamed", "active": False})
    shop.use(tenant, 1_000)
    shop.ask("POST", "/usage/voids", {"tenant_id": tenant, "request_id": "a load test", "reason": "it was"})
    with shop.database.statement() as connection:
        connection.execute(
            "UPDATE tenant SET (name, timezone) = ('Other', 'Asia/Tokyo') WHERE slug = %s", (tenant,)
        )
    assert forms(shop, final) == before

    shop.pay(final, amount="1")
    note = {"reason": "late", "lines": [{"id": final["document"]["lines"][0]["id"], "amount": "5"}]}
    shop.ask("POST", f"/invoices/{final['id']}/credit-notes", note, 201)
    assert forms(shop, final) == before

    next_one = shop.draft(tenant)
    adjusted = {line["adjusts"] for line in next_one["document"]["lines"] if line["kind"] == "adjustment"}
    assert adjusted == {final["number"]}
    assert next_one["document"]["buyer"]["name"] == "Other"


def test_an_invoice_is_a_pdf_named_by_its_number_and_a_draft_says_that_it_is_one(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.use(tenant, 90)
    draft = shop.draft(tenant)
    drafted = shop.api.get(f"/invoices/{draft['id']}/document.pdf")
    assert drafted.headers["Content-Disposition"] == f"attachment; filename=draft-{tenant}-2026-03-01.pdf"
    assert "not a demand for payment" in PdfReader(BytesIO(drafted.data)).pages[0].extract_text()
    final = shop.ask("POST", f"/invoices/{draft['id']}/finalize", {})
    issued = shop.api.get(f"/invoices/{final['number']}/document.pdf")
    assert issued.headers["Content-Disposition"] == "attachment; filename=INV-2026-000001.pdf"
    text = PdfReader(BytesIO(issued.data)).pages[0].extract_text()
    assert "INV-2026-000001" in text
    assert "€100.00" in text
    assert "not a demand for payment" not in text
    assert "10 per month, by its seconds 1 month €10.00 €10.00" in " ".join(text.split())


def test_an_invoice_and_a_credit_note_are_csv_as_well(shop: Invoiced) -> None:
    final = shop.final(shop.tenant())
    file = shop.api.get(f"/invoices/{final['id']}/document.csv")
    assert file.headers["Content-Disposition"] == "attachment; filename=INV-2026-000001.csv"
    rows = list(csv.DictReader(StringIO(file.get_data(as_text=True), newline="")))
    assert [row["amount"] for row in rows if row["row"] == "line"] == ["90.00", "10.00"]
    path = f"/invoices/{final['id']}/credit-notes"
    note = shop.ask("POST", path, {"reason": "all"}, 201)["credit_note"]
    credited = shop.api.get(f"/credit-notes/{note['number']}/document.csv").get_data(as_text=True)
    assert "CN-2026-000001" in credited
    pdf = shop.api.get(f"/credit-notes/{note['id']}/document.pdf")
    assert "Credit note" in PdfReader(BytesIO(pdf.data)).pages[0].extract_text()
    assert json.loads(shop.api.get("/invoices/none/document.pdf").data)["status"] == 404


def test_an_invoice_is_explained_by_its_own_prices_and_with_what_corrects_it(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.use(tenant, 30, service_name="g")
    final = shop.final(tenant, 60)
    prices = [{"kind": "per_unit", "meter": "invocations", "amount": "7"}]
    shop.later(days=40)
    shop.ask("POST", f"/pricing-plans/{tenant}/versions", {"prices": prices}, 201)
    explained = shop.ask("GET", f"/invoices/{final['id']}/explain?by=service")
    usage, fee = explained["lines"]
    assert [one["line"] for one in explained["lines"]] == final["document"]["lines"]
    assert not usage["changed"]
    assert {share["service_name"]: share["amount"] for share in usage["now"]["breakdown"]} == {
        "f": "60.00",
        "g": "30.00",
    }
    assert (fee["now"]["kind"], fee["now"]["amount"]) == ("flat", "10.00")
    assert explained["adjustments"] == []

    shop.use(tenant, 5, request_id="late")
    next_one = shop.draft(tenant)
    explained = shop.ask("GET", f"/invoices/{final['number']}/explain")
    usage, fee = explained["lines"]
    assert (usage["line"]["amount"], usage["now"]["amount"], usage["changed"]) == ("90.00", "95.00", True)
    assert not fee["changed"]
    assert {
        (one["invoice_id"], one["of_line"], one["line"]["amount"]) for one in explained["adjustments"]
    } == {
        (next_one["id"], usage["line"]["id"], "-90.00"),
        (next_one["id"], usage["line"]["id"], "95.00"),
    }
    adjusted = shop.ask("GET", f"/invoices/{next_one['id']}/explain")["lines"]
    assert [one["now"] for one in adjusted if one["line"]["kind"] == "adjustment"] == [None, None]
