"""Whatever happens after it, a final invoice says the same, to the byte: its row, the API, PDF and CSV."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import psycopg
import pytest

from tests.functions.billing_api.invoiced import AFTER_MARCH, BUYER, SELLER, Invoiced, Json, invoiced_on

VAT = {"name": "VAT", "percent": "20"}
ROW = """
    SELECT document, basis::text, (
        SELECT string_agg(l::text, E'\\n' ORDER BY position) FROM invoice_line l WHERE l.invoice_id = i.id
    ), to_jsonb(i)::text
    FROM invoice i WHERE id = %s
"""
PATHS = ("", "/document.pdf", "/document.csv")


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[Invoiced]:
    with invoiced_on(module_database_url) as shop:
        yield shop


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator["psycopg.Connection[tuple[str, ...]]"]:
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        yield connection


Connection = psycopg.Connection[tuple[str, ...]]


def all_of(shop: Invoiced, connection: Connection, invoice: Json) -> Mapping[str, object]:
    """Everything that is said of it, as it is written, at a time at which it is not overdue."""
    shop.now, later = AFTER_MARCH, shop.now
    row = connection.execute(ROW, (invoice["id"],)).fetchone()
    assert row is not None
    answers = {}
    for path in PATHS:
        answer = shop.api.call("GET", f"/invoices/{invoice['id']}{path}")
        assert answer.status_code == 200, answer.data
        answers[path or "API"] = answer.data
    by_number = shop.api.call("GET", f"/invoices/{invoice['number']}")
    shop.now = later
    return {"row": row, "by number": by_number.data, **answers}


def rich_invoice(shop: Invoiced) -> Json:
    """With a tax, a credit, services and a free tier."""
    tenant = shop.tenant(timezone="Europe/Berlin")
    shop.ask("POST", f"/tenants/{tenant}/tax-rates", VAT, 201)
    credit = {"kind": "promotional", "amount": "7.77", "description": "Welcome"}
    shop.ask("POST", f"/tenants/{tenant}/credits", credit, 201)
    shop.use(tenant, 7, request_id="other")
    return shop.final(tenant) | {"tenant": tenant}


def change_plan(shop: Invoiced, tenant: str, connection: Connection) -> None:
    prices = [{"kind": "flat", "amount": "999"}]
    version = {"prices": prices, "effective_from": "2026-05-01T00:00:00Z", "applies": "immediately"}
    shop.ask("POST", f"/pricing-plans/{tenant}/versions", version, 201)
    shop.ask("PATCH", f"/pricing-plans/{tenant}", {"name": f"{tenant}-renamed", "active": False})
    shop.ask("POST", "/pricing-plans", {"name": f"{tenant}-new", "currency": "EUR", "prices": prices}, 201)
    given = {"plan": f"{tenant}-new", "applies": "immediately"}
    shop.ask("PUT", f"/tenants/{tenant}/pricing-plan", given)


def change_parties(shop: Invoiced, tenant: str, connection: Connection) -> None:
    seller = {**SELLER, "legal_name": "Another GmbH", "invoice_prefix": "RE-", "timezone": "Asia/Tokyo"}
    shop.ask("PUT", "/billing-entities/platform", {**seller, "payment_terms_days": 60, "grace_s": 1})
    buyer = {**BUYER, "legal_name": "Renamed SA", "language": "ru", "zero_invoices": True}
    shop.ask("PUT", f"/tenants/{tenant}/billing-details", {**buyer, "tax_exempt_reason": "reverse charge"})


def change_taxes(shop: Invoiced, tenant: str, connection: Connection) -> None:
    (rate,) = shop.ask("GET", f"/tenants/{tenant}/tax-rates")["items"]
    shop.ask("POST", f"/tenants/{tenant}/tax-rates/{rate['id']}/end", {"ends_at": "2026-01-01T00:00:00Z"})
    shop.ask("POST", f"/tenants/{tenant}/tax-rates", {"name": "Levy", "percent": "5", "inclusive": True}, 201)


def change_tenant(shop: Invoiced, tenant: str, connection: Connection) -> None:
    connection.execute(
        "UPDATE tenant SET name = 'Renamed', timezone = 'America/New_York', billing_email = 'x@y'"
        " WHERE slug = %s",
        (tenant,),
    )
    connection.execute(
        "UPDATE service SET name = name || '-renamed' WHERE tenant_id = (SELECT id FROM tenant"
        " WHERE slug = %s)",
        (tenant,),
    )


def change_usage(shop: Invoiced, tenant: str, connection: Connection) -> None:
    shop.use(tenant, 1_000, request_id="late")
    shop.use(tenant, 3, "2026-02-10T00:00:00Z")
    period = {"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-04-01T00:00:00Z"}
    shop.ask("POST", "/metrics/aggregate", {"tenant_id": tenant, **period})


def close_what_follows(shop: Invoiced, tenant: str, connection: Connection) -> None:
    shop.now = datetime(2026, 5, 1, 8, tzinfo=UTC)
    shop.use(tenant, 40, "2026-04-20T00:00:00Z", request_id="April")
    shop.ask("POST", f"/invoices/{shop.draft(tenant)['id']}/finalize", {})


CHANGES = (change_usage, change_plan, change_parties, change_taxes, change_tenant, close_what_follows)


def test_a_final_invoice_never_changes(shop: Invoiced, connection: Connection) -> None:
    invoice = rich_invoice(shop)
    before = all_of(shop, connection, invoice)
    assert b"7.77" in str(before["row"]).encode()
    for change in CHANGES:
        change(shop, invoice["tenant"], connection)
        after = all_of(shop, connection, invoice)
        for what, said in before.items():
            assert after[what] == said, f"{what} after {change.__name__}"
    (_, listed) = shop.ask("GET", f"/invoices?tenant_id={invoice['tenant']}")["items"]
    following = shop.ask("GET", f"/invoices/{listed['id']}")
    assert "adjustment" in {line["kind"] for line in following["document"]["lines"]}
    assert following["document"]["seller"]["name"] == "Another GmbH"


def test_money_changes_what_is_due_and_not_what_the_invoice_says(
    shop: Invoiced, connection: Connection
) -> None:
    invoice = rich_invoice(shop)
    before = all_of(shop, connection, invoice)
    shop.pay(invoice, amount="5")
    note = {
        "reason": "goodwill",
        "lines": [{"id": invoice["document"]["lines"][0]["id"], "amount": "1"}],
    }
    shop.ask("POST", f"/invoices/{invoice['id']}/credit-notes", note, 201)
    after = all_of(shop, connection, invoice)
    for what in ("/document.pdf", "/document.csv"):
        assert after[what] == before[what], what
    assert after["row"][:3] == before["row"][:3]  # type: ignore[index]
    assert after["API"] != before["API"]
