"""The life of invoices over the API, on a real PostgreSQL: from the draft to the end, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.functions.billing_api.invoiced import BUYER, Invoiced, invoiced_on

MARCH = {"period_start": "2026-03-01T00:00:00Z", "period_end": "2026-04-01T00:00:00Z"}
VAT = {"name": "VAT", "percent": "20"}


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[Invoiced]:
    with invoiced_on(module_database_url) as shop:
        yield shop


def test_a_period_is_drafted_made_final_and_paid(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.use(tenant, 90)
    draft = shop.draft(tenant)
    assert (draft["status"], draft["total_amount"], draft["currency"]) == ("draft", "100.00", "EUR")
    assert (draft["number"], draft["amount_due"], draft["settlement"]) == (None, "0.00", None)
    assert {name: draft[name] for name in MARCH} == MARCH
    assert [item["amount"] for item in draft["line_items"]] == ["90.00", "10.00"]
    assert draft["line_items"] == draft["document"]["lines"]
    shop.use(tenant, 10, request_id="more")
    assert shop.ask("POST", f"/invoices/{draft['id']}/rate", {})["total_amount"] == "110.00"
    shop.use(tenant, 10, request_id="even more")
    again = shop.draft(tenant)
    assert (again["id"], again["total_amount"]) == (draft["id"], "120.00")
    final = shop.ask("POST", f"/invoices/{draft['id']}/finalize", {})
    assert (final["status"], final["amount_due"], final["overdue"]) == ("final", "120.00", False)
    assert final["due_at"] == "2026-04-15T02:00:00Z"
    paid = shop.pay(final)
    assert (paid["invoice"]["status"], paid["payment"]["amount"]) == ("paid", "120.00")
    found = shop.ask("GET", f"/invoices/{final['number']}")
    assert (found["status"], found["amount_due"]) == ("paid", "0.00")
    assert found["document"] == final["document"]
    refund = {"amount": "20", "reason": "too much"}
    payment = f"/invoices/{final['id']}/payments/{paid['payment']['id']}/refunds"
    repaid = shop.ask("POST", payment, refund, 201)
    assert (repaid["invoice"]["status"], repaid["invoice"]["amount_due"]) == ("final", "20.00")
    (entry,) = shop.ask("GET", f"/invoices/{final['id']}/payments")["items"]
    assert (entry["refunded"], entry["refunds"]) == ("20.00", [repaid["refund"]])


def test_invoices_are_listed_by_tenant_and_status_page_by_page(shop: Invoiced) -> None:
    tenant, other = shop.tenant(), shop.tenant()
    final = shop.final(tenant)
    shop.use(tenant, 5, "2026-04-01T01:00:00Z")
    draft = shop.draft(tenant)
    shop.final(other)
    first = shop.ask("GET", f"/invoices?tenant_id={tenant}&limit=1")
    rest = shop.ask("GET", f"/invoices?tenant_id={tenant}&limit=1&cursor={first['next_cursor']}")
    assert [one["id"] for one in first["items"] + rest["items"]] == [final["id"], draft["id"]]
    assert rest["next_cursor"] is None
    (only,) = shop.ask("GET", f"/invoices?tenant_id={tenant}&status=final")["items"]
    assert only == {name: final[name] for name in only}
    assert list(shop.refused("GET", "/invoices?tenant_id=nobody", None, 422)) == ["tenant_id"]
    assert list(shop.refused("GET", "/invoices?status=open", None, 422)) == ["status"]


def test_a_draft_can_be_discarded_and_a_final_one_cannot(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.use(tenant, 90)
    draft = shop.draft(tenant)
    assert shop.ask("DELETE", f"/invoices/{draft['id']}")["id"] == draft["id"]
    assert list(shop.refused("GET", f"/invoices/{draft['id']}", None, 404)) == ["invoice"]
    final = shop.ask("POST", f"/invoices/{shop.draft(tenant)['id']}/finalize", {})
    for method, path, body in (("DELETE", "", None), ("POST", "/rate", {}), ("POST", "/finalize", {})):
        faults = shop.refused(method, f"/invoices/{final['id']}{path}", body, 409)
        assert faults == {
            "status": f"invoice {final['number']} is final: correct it by a credit note, or void it"
        }


def test_what_holds_an_invoice_is_listed_and_only_some_of_it_can_be_overridden(shop: Invoiced) -> None:
    tenant = shop.tenant(buyer=None)
    shop.use(tenant, 90)
    draft = shop.draft(tenant)
    holds = shop.ask("GET", f"/invoices/{draft['id']}/holds")["items"]
    assert [(hold["reason"], hold["overridable"]) for hold in holds] == [("no_billing_details", False)]
    refused = shop.refused("POST", f"/invoices/{draft['id']}/finalize", {}, 409)
    assert refused == {
        "no_billing_details": "nobody is named as the buyer (1): give the tenant billing details"
    }
    body = {"override": {"reasons": ["no_billing_details"], "why": "never mind"}}
    assert list(shop.refused("POST", f"/invoices/{draft['id']}/finalize", body, 422)) == ["reasons"]
    shop.ask("PUT", f"/tenants/{tenant}/billing-details", BUYER)
    assert shop.ask("GET", f"/invoices/{draft['id']}/holds")["items"] == []
    assert shop.ask("POST", f"/invoices/{draft['id']}/finalize", {})["status"] == "final"


def test_usage_without_a_plan_holds_an_invoice_until_somebody_answers_for_it(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.use(tenant, 90)
    other = f"{tenant}-late"
    shop.ask("POST", "/tenants", {"name": other, "currency": "EUR"}, 201)
    shop.ask("PUT", f"/tenants/{other}/billing-details", BUYER)
    late = {"plan": tenant, "starts_at": "2026-03-20T00:00:00Z", "applies": "immediately"}
    shop.ask("PUT", f"/tenants/{other}/pricing-plan", late)
    shop.use(other, 7)
    shop.use(other, 90, "2026-03-25T12:00:00Z")
    draft = shop.draft(other)
    held = shop.refused("POST", f"/invoices/{draft['id']}/finalize", {}, 409)
    assert list(held) == ["unrated_usage"]
    body = {"override": {"reasons": ["unrated_usage"], "why": "a gift"}}
    final = shop.ask("POST", f"/invoices/{draft['id']}/finalize", body)
    assert [(one["who"], one["why"], one["reasons"]) for one in final["overrides"]] == [
        ("admin", "a gift", ["unrated_usage"])
    ]


def test_a_payment_has_an_amount_that_is_due_and_a_key_that_is_its_own(shop: Invoiced) -> None:
    final = shop.final(shop.tenant())
    path = f"/invoices/{final['id']}/payments"
    body = {"method": "card", "amount": "100.01"}
    faults = {"amount": "is more than the 100.00 EUR that are due"}
    assert shop.refused("POST", path, body, 422) == faults
    assert list(shop.refused("POST", path, {"amount": "0.001"}, 422)) == ["method"]
    assert list(shop.refused("POST", path, {"method": "card", "amount": "0.001"}, 422)) == ["amount"]
    assert list(shop.refused("POST", path, {"method": "card", "amount": 1.5}, 422)) == ["amount"]
    first = shop.pay(final, "key", amount="40")
    assert shop.pay(final, "key", amount="40") == first
    headers = {"Idempotency-Key": "key"}
    other = {"method": "bank_transfer", "amount": "50"}
    assert list(shop.refused("POST", path, other, 409, headers=headers)) == ["idempotency_key"]
    assert shop.ask("GET", f"/invoices/{final['id']}")["settlement"] == {
        "total": "100.00",
        "credits_applied": "0.00",
        "paid": "40.00",
        "credited": "0.00",
        "refundable": "0.00",
        "returned": "0.00",
        "written_off": "0.00",
        "due": "60.00",
    }
    refunds = f"{path}/{uuid4()}/refunds"
    assert list(shop.refused("POST", refunds, {"reason": "oops"}, 404)) == ["payment"]


def test_a_void_invoice_frees_its_period_and_keeps_its_number(shop: Invoiced) -> None:
    tenant = shop.tenant()
    first = shop.final(tenant)
    void = shop.ask("POST", f"/invoices/{first['id']}/void", {"reason": "wrong buyer"})
    assert (void["status"], void["void_reason"], void["amount_due"]) == ("void", "wrong buyer", "0.00")
    assert void["document"] == first["document"]
    second = shop.ask("POST", f"/invoices/{shop.draft(tenant)['id']}/finalize", {})
    assert second["number"] > first["number"]
    shop.pay(second, amount="1")
    assert list(shop.refused("POST", f"/invoices/{second['id']}/void", {"reason": "x"}, 409)) == ["status"]
    assert list(shop.refused("POST", f"/invoices/{second['id']}/void", {}, 422)) == ["reason"]


def test_what_never_comes_is_written_off(shop: Invoiced) -> None:
    final = shop.final(shop.tenant())
    written_off = shop.ask("POST", f"/invoices/{final['id']}/write-off", {"reason": "bankrupt"})
    assert (written_off["status"], written_off["amount_due"]) == ("uncollectible", "0.00")
    assert written_off["settlement"]["written_off"] == "100.00"
    path = f"/invoices/{final['id']}/payments"
    assert list(shop.refused("POST", path, {"method": "card"}, 409)) == ["status"]


def test_a_credit_note_takes_lines_back_with_their_tax(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.ask("POST", f"/tenants/{tenant}/tax-rates", VAT, 201)
    final = shop.final(tenant)
    assert final["total_amount"] == "120.00"
    usage, fee = final["document"]["lines"]
    path = f"/invoices/{final['id']}/credit-notes"
    wrong = {"reason": "late", "lines": [{"id": usage["id"], "amount": "90.01"}, {"id": "x", "amount": "1"}]}
    faults = shop.refused("POST", path, wrong, 422)
    assert faults == {
        "lines[0].amount": "is more than the 90.00 EUR left to credit of the line",
        "lines[1].id": f"invoice {final['number']} has no such line",
    }
    body = {"reason": "an outage", "lines": [{"id": fee["id"], "amount": "5"}]}
    preview = shop.ask("POST", f"{path}/preview", body)["document"]
    assert (preview["number"], preview["total"]) == ("", "6.00")
    headers = {"Idempotency-Key": "note"}
    issued = shop.ask("POST", path, body, 201, headers=headers)
    assert shop.ask("POST", path, body, 201, headers=headers) == issued
    note = issued["credit_note"]
    assert (note["number"], note["total_amount"], note["net"]) == ("CN-2026-000001", "6.00", "5.00")
    assert (note["invoice_number"], issued["invoice"]["amount_due"]) == (final["number"], "114.00")
    assert shop.ask("GET", "/credit-notes/CN-2026-000001") == note
    assert [one["id"] for one in shop.ask("GET", path)["items"]] == [note["id"]]
    assert [one["id"] for one in shop.ask("GET", f"/credit-notes?tenant_id={tenant}")["items"]] == [
        note["id"]
    ]
    whole = shop.ask("POST", path, {"reason": "all of it"}, 201)
    assert (whole["credit_note"]["total_amount"], whole["invoice"]["status"]) == ("114.00", "paid")
    assert list(shop.refused("POST", path, {"reason": "more"}, 409)) == ["invoice"]
    assert list(shop.refused("GET", "/credit-notes/none", None, 404)) == ["credit_note"]


def test_credit_pays_the_next_invoice_and_what_is_left_is_paid_out(shop: Invoiced) -> None:
    tenant = shop.tenant()
    path = f"/tenants/{tenant}/credits"
    headers = {"Idempotency-Key": "gift"}
    gift = {"kind": "promotional", "amount": "30.00", "description": "Welcome", "priority": -1}
    granted = shop.ask("POST", path, gift, 201, headers=headers)
    assert shop.ask("POST", path, gift, 201, headers=headers) == granted
    bought = shop.ask("POST", path, {"kind": "prepaid", "amount": "80"}, 201)
    final = shop.final(tenant)
    assert (final["status"], final["settlement"]["credits_applied"]) == ("paid", "100.00")
    assert [credit["amount"] for credit in final["document"]["credits"]] == ["30.00", "70.00"]
    left = {credit["id"]: credit["remaining"] for credit in shop.ask("GET", path)["items"]}
    assert left == {granted["id"]: "0.00", bought["id"]: "10.00"}
    refund = shop.ask("POST", f"{path}/{bought['id']}/refunds", {"reason": "leaving"}, 201)
    assert (refund["refund"]["amount"], refund["credit"]["remaining"]) == ("10.00", "0.00")
    refused = shop.refused("POST", f"{path}/{granted['id']}/refunds", {"reason": "leaving"}, 409)
    assert list(refused) == ["grant"]
    assert list(shop.refused("POST", path, {"kind": "gift", "amount": "1"}, 422)) == ["kind"]
    nobody = shop.refused("POST", "/tenants/nobody/credits", {"kind": "prepaid", "amount": "1"}, 404)
    assert list(nobody) == ["tenant"]


def test_the_ledger_balances_and_is_read_page_by_page(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.ask("POST", f"/tenants/{tenant}/tax-rates", VAT, 201)
    shop.pay(shop.final(tenant), amount="20")
    kinds, cursor = [], ""
    while True:
        page = shop.ask("GET", f"/tenants/{tenant}/ledger?limit=1{cursor}")
        kinds += [posting["kind"] for posting in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert kinds == ["payment", "invoice"]
    assert {balance["account"]: balance["amount"] for balance in page["balances"]} == {
        "accounts_receivable": "100.00",
        "cash": "20.00",
        "revenue": "-100.00",
        "tax": "-20.00",
    }
    assert list(shop.refused("GET", "/tenants/nobody/ledger", None, 404)) == ["tenant"]


def test_a_final_invoice_waits_for_the_end_of_its_period(shop: Invoiced) -> None:
    tenant = shop.tenant()
    shop.use(tenant, 90, "2026-04-01T01:00:00Z")
    draft = shop.draft(tenant)
    assert draft["period_end"] == "2026-05-01T00:00:00Z"
    refused = shop.refused("POST", f"/invoices/{draft['id']}/finalize", {}, 409)
    assert refused == {"period": "it runs until 2026-05-01T00:00:00Z: an invoice is made after its end"}
    body = {"tenant_id": tenant, "period_start": "2026-04-02T00:00:00Z"}
    assert list(shop.refused("POST", "/billing/generate", body, 422)) == ["period_start"]
    assert list(shop.refused("POST", "/billing/generate", {"tenant_id": "nobody"}, 422)) == ["tenant_id"]


def test_an_invoice_is_overdue_when_its_day_has_passed(shop: Invoiced) -> None:
    final = shop.final(shop.tenant())
    before = shop.now
    try:
        shop.now = datetime(2026, 4, 15, 2, 0, 1, tzinfo=UTC)
        assert shop.ask("GET", f"/invoices/{final['id']}")["overdue"]
    finally:
        shop.now = before
