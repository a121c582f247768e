"""Parties read from JSON, with everything that is wrong with them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.errors import Rejected
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.invoicing.party_document import (
    read_billing_details,
    read_billing_entity,
    read_organisation,
    read_tax_rate,
)
from shared.domain.tenant import Tenant

AT = datetime(2025, 12, 1, tzinfo=UTC)
ID, TENANT_ID, ENTITY_ID, ORGANISATION_ID = (UUID(int=number) for number in (1, 2, 3, 4))
TENANT = Tenant(TENANT_ID, "demo", "Demo", None, "EUR", "Europe/Paris", AT, AT)
ENTITY: Mapping[str, Any] = {
    "name": "acme-eu",
    "legal_name": "ACME GmbH",
    "address": ["Hauptstr. 1", "10115 Berlin"],
    "tax_ids": [{"name": "VAT", "value": "DE123456789"}],
    "country": "DE",
    "timezone": "Europe/Berlin",
    "email": "billing@example.com",
}
DETAILS: Mapping[str, Any] = {"legal_name": "Demo SARL", "email": "ap@example.com"}
TAX: Mapping[str, Any] = {"name": "VAT", "percent": "19"}
LONG = "x" * 257


def entity(value: object) -> BillingEntity:
    return read_billing_entity(value, id=ID, created_at=AT)


def organisation(value: object, was: Organisation | None = None) -> Organisation:
    return read_organisation(
        value, id=ID, created_at=AT, find_tenant=lambda ref: TENANT_ID if ref == "demo" else None, was=was
    )


def details(value: object) -> BillingDetails:
    currencies = {"acme": "EUR", "dollars": "USD"}

    def find(ref: str) -> Organisation | None:
        currency = currencies.get(ref)
        return (currency and Organisation(ORGANISATION_ID, ref, ref, currency, "children", AT)) or None

    return read_billing_details(
        value,
        TENANT,
        find_entity=lambda ref: ENTITY_ID if ref == "acme-eu" else None,
        find_organisation=find,
    )


def tax_rate(value: object) -> TaxRate:
    return read_tax_rate(value, id=ID, tenant_id=TENANT_ID)


def fields(refusal: pytest.ExceptionInfo[Rejected]) -> list[str]:
    return [fault.field for fault in refusal.value.faults]


def test_what_is_left_out_of_a_seller_has_its_usual_value() -> None:
    read = entity(ENTITY)
    assert (read.address, read.tax_ids) == (("Hauptstr. 1", "10115 Berlin"), (("VAT", "DE123456789"),))
    assert (read.invoice_prefix, read.credit_note_prefix) == ("INV-", "CN-")
    assert (read.grace_s, read.payment_terms_days, read.bank_details) == (3_600, 14, ())
    assert entity({**ENTITY, "timezone": None}).timezone == "UTC"


def test_a_prefix_may_be_of_any_alphabet() -> None:
    read = entity({**ENTITY, "invoice_prefix": "СЧ-", "credit_note_prefix": "КСЧ/1-"})
    assert (read.invoice_prefix, read.credit_note_prefix) == ("СЧ-", "КСЧ/1-")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": str(ID)}, "name"),
        ({"legal_name": LONG}, "legal_name"),
        ({"address": "Berlin"}, "address"),
        ({"address": ["Berlin", ""]}, "address[1]"),
        ({"address": ["a\nb"]}, "address[0]"),
        ({"address": ["x"] * 13}, "address"),
        ({"tax_ids": [{"name": "VAT"}]}, "tax_ids[0].value"),
        ({"tax_ids": [{"name": "VAT", "value": "1", "country": "DE"}]}, "tax_ids[0].country"),
        ({"tax_ids": [{"name": "VAT", "value": "1"}] * 9}, "tax_ids"),
        ({"country": "de"}, "country"),
        ({"country": "DEU"}, "country"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": 1}, "timezone"),
        ({"invoice_prefix": ""}, "invoice_prefix"),
        ({"invoice_prefix": "=1+1"}, "invoice_prefix"),
        ({"invoice_prefix": "A B"}, "invoice_prefix"),
        ({"invoice_prefix": "x" * 17}, "invoice_prefix"),
        ({"invoice_prefix": "CN-"}, "credit_note_prefix"),
        ({"grace_s": -1}, "grace_s"),
        ({"grace_s": 2_592_001}, "grace_s"),
        ({"grace_s": "60"}, "grace_s"),
        ({"payment_terms_days": True}, "payment_terms_days"),
        ({"payment_terms_days": 367}, "payment_terms_days"),
        ({"bank_details": [1]}, "bank_details[0]"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"id": str(ID)}, "id"),
    ],
)
def test_a_fault_of_a_seller_is_named(change: Mapping[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        entity({**ENTITY, **change})
    assert fields(refusal) == [field]


def test_every_fault_of_a_seller_is_named_at_once() -> None:
    with pytest.raises(Rejected) as refusal:
        entity({"country": "d", "timezone": "?", "email": "x", "grace_s": 0.5, "what": 1})
    assert set(fields(refusal)) == {"name", "legal_name", "country", "timezone", "email", "grace_s", "what"}


def test_an_organisation_invoices_its_tenants_unless_it_says_otherwise() -> None:
    read = organisation({"slug": "acme", "name": "ACME", "currency": "EUR"})
    assert (read.invoicing, read.payer_tenant_id) == ("children", None)
    changed = organisation({"name": "ACME", "invoicing": "parent", "payer_tenant_id": "demo"}, was=read)
    assert (changed.slug, changed.currency, changed.payer_tenant_id) == ("acme", "EUR", TENANT_ID)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Acme"}, "slug"),
        ({"slug": None}, "slug"),
        ({"slug": str(ID)}, "slug"),
        ({"name": None}, "name"),
        ({"currency": "XXX"}, "currency"),
        ({"invoicing": "both"}, "invoicing"),
        ({"invoicing": "parent"}, "payer_tenant_id"),
        ({"payer_tenant_id": "demo"}, "payer_tenant_id"),
        ({"invoicing": "parent", "payer_tenant_id": "nobody"}, "payer_tenant_id"),
        ({"tenants": []}, "tenants"),
    ],
)
def test_a_fault_of_an_organisation_is_named(change: Mapping[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        organisation({"slug": "acme", "name": "ACME", "currency": "EUR", **change})
    assert fields(refusal) == [field]


def test_slug_and_currency_of_an_organisation_never_change() -> None:
    was = organisation({"slug": "acme", "name": "ACME", "currency": "EUR"})
    with pytest.raises(Rejected) as refusal:
        organisation({"slug": "other", "name": "ACME", "currency": "USD"}, was=was)
    assert set(fields(refusal)) == {"slug", "currency"}


def test_billing_details_refer_to_a_seller_and_an_organisation_by_name() -> None:
    read = details(
        {
            **DETAILS,
            "billing_entity_id": "acme-eu",
            "organisation_id": "acme",
            "language": "ru",
            "cycle": {"interval": "week", "anchor": "2025-01-31"},
            "zero_invoices": True,
            "tax_exempt_reason": "reverse charge",
        }
    )
    assert (read.billing_entity_id, read.organisation_id) == (ENTITY_ID, ORGANISATION_ID)
    assert read.cycle == BillingCycle("week", date(2025, 1, 31))
    assert (read.language, read.zero_invoices, read.tax_exempt_reason) == ("ru", True, "reverse charge")
    assert details(DETAILS).cycle == BillingCycle("month", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"legal_name": None}, "legal_name"),
        ({"email": None}, "email"),
        ({"language": "de"}, "language"),
        ({"billing_entity_id": "nobody"}, "billing_entity_id"),
        ({"billing_entity_id": 1}, "billing_entity_id"),
        ({"organisation_id": "nobody"}, "organisation_id"),
        ({"organisation_id": "dollars"}, "organisation_id"),
        ({"cycle": "month"}, "cycle"),
        ({"cycle": {"interval": "day"}}, "cycle.interval"),
        ({"cycle": {"anchor": "31 January"}}, "cycle.anchor"),
        ({"cycle": {"anchor": "2025-02-30"}}, "cycle.anchor"),
        ({"cycle": {"anchor": "1999-12-31"}}, "cycle.anchor"),
        ({"cycle": {"day": 1}}, "cycle.day"),
        ({"zero_invoices": "yes"}, "zero_invoices"),
        ({"tax_exempt_reason": ""}, "tax_exempt_reason"),
        ({"tenant_id": "demo"}, "tenant_id"),
    ],
)
def test_a_fault_of_billing_details_is_named(change: Mapping[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        details({**DETAILS, **change})
    assert fields(refusal) == [field]


def test_a_tax_rate_is_valid_within_its_bounds() -> None:
    read = tax_rate({**TAX, "valid_from": "2025-01-01T00:00:00+01:00", "valid_until": "2026-01-01T00:00:00Z"})
    begins = datetime(2024, 12, 31, 23, tzinfo=UTC)
    assert (read.percent, read.inclusive, read.valid_from) == (Decimal(19), False, begins)
    assert read.is_valid(begins)
    assert not read.is_valid(datetime(2026, 1, 1, tzinfo=UTC))
    assert tax_rate(TAX).is_valid(begins)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"percent": None}, "percent"),
        ({"percent": "-1"}, "percent"),
        ({"percent": "100.000001"}, "percent"),
        ({"percent": "1e2"}, "percent"),
        ({"percent": Decimal("7.5")}, "percent"),
        ({"inclusive": "no"}, "inclusive"),
        ({"valid_from": "2025-01-01"}, "valid_from"),
        ({"valid_from": "2025-01-01T00:01:00Z"}, "valid_from"),
        ({"valid_from": "1999-01-01T00:00:00Z"}, "valid_from"),
        ({"valid_from": "9999-12-31T23:59:59-12:00"}, "valid_from"),
        ({"valid_from": "2025-01-01T00:00:00Z", "valid_until": "2025-01-01T00:00:00Z"}, "valid_until"),
        ({"tenant_id": "demo"}, "tenant_id"),
    ],
)
def test_a_fault_of_a_tax_rate_is_named(change: Mapping[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        tax_rate({**TAX, **change})
    assert fields(refusal) == [field]


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: object) -> None:
    for read in (entity, organisation, details, tax_rate):
        with pytest.raises(Rejected):
            read(value)
