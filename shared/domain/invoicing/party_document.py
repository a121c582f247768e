"""Parties as clients enter them, as JSON objects: every fault is named, then all refused at once."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.domain.document import Document
from shared.domain.invoicing.parties import (
    CHILDREN,
    GRACE_S,
    INVOICING,
    LANGUAGES,
    PARENT,
    PAYMENT_TERMS_DAYS,
    BillingDetails,
    BillingEntity,
    Organisation,
    TaxRate,
)
from shared.domain.invoicing.party_fields import (
    Find,
    choice_of,
    cycle_of,
    email_of,
    grid_instant_of,
    is_uuid,
    lines_of,
    name_of,
    optional,
    prefix_of,
    reference_of,
    shaped,
    tax_ids_of,
    whole_number,
    zone_of,
)
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.tenant import Tenant

INVOICE_PREFIX: Final = "INV-"
CREDIT_NOTE_PREFIX: Final = "CN-"
GRACE_S_MAX: Final = 30 * 86_400
PAYMENT_TERMS_DAYS_MAX: Final = 366
_COUNTRY = re.compile(r"[A-Z]{2}")
_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def read_billing_entity(value: object, *, id: UUID, created_at: datetime) -> BillingEntity:
    """The seller that an object describes. Raises Rejected with the path of every fault."""
    document = Document(value)
    entity = BillingEntity(
        id=id,
        name=name_of(document),
        legal_name=document.text("legal_name"),
        address=lines_of(document, "address"),
        tax_ids=tax_ids_of(document),
        country=shaped(document, "country", _COUNTRY, "must be two capital letters, such as DE"),
        timezone=zone_of(document),
        invoice_prefix=prefix_of(document, "invoice_prefix", INVOICE_PREFIX),
        credit_note_prefix=prefix_of(document, "credit_note_prefix", CREDIT_NOTE_PREFIX),
        grace_s=whole_number(document, "grace_s", GRACE_S, GRACE_S_MAX),
        payment_terms_days=whole_number(
            document, "payment_terms_days", PAYMENT_TERMS_DAYS, PAYMENT_TERMS_DAYS_MAX
        ),
        bank_details=lines_of(document, "bank_details"),
        email=email_of(document),
        created_at=created_at,
    )
    if entity.invoice_prefix == entity.credit_note_prefix:
        document.fault("credit_note_prefix", "must be another than invoice_prefix")
    return document.finish(lambda: entity)


def read_organisation(
    value: object, *, id: UUID, created_at: datetime, find_tenant: Find, was: Organisation | None = None
) -> Organisation:
    """The organisation that an object describes, in place of `was`. Raises Rejected with the path of every
    fault."""
    document = Document(value)
    currency = was.currency if was and document.value("currency") is None else document.text("currency")
    slug = was.slug if was and document.value("slug") is None else document.text("slug")
    invoicing = choice_of(document, "invoicing", INVOICING, CHILDREN)
    if currency and currency not in CURRENCY_EXPONENTS:
        document.fault("currency", f"{currency!r} is not an ISO 4217 code")
    if slug and not _SLUG.fullmatch(slug):
        document.fault("slug", "must be 1 to 63 of a-z, 0-9 and -, with no dash at either end")
    if is_uuid(slug):
        document.fault("slug", "must not look like a UUID")
    for name, given, kept in (
        ("currency", currency, was and was.currency),
        ("slug", slug, was and was.slug),
    ):
        if kept is not None and given != kept:
            document.fault(name, f"never changes: it is {kept}")
    payer = reference_of(document, "payer_tenant_id", "tenant", find_tenant)
    if invoicing == PARENT and document.value("payer_tenant_id") is None:
        document.fault("payer_tenant_id", "is missing: which of its tenants gets the one invoice")
    if invoicing == CHILDREN and document.value("payer_tenant_id") is not None:
        document.fault("payer_tenant_id", f"goes with invoicing {PARENT!r}")
    name = document.text("name")
    return document.finish(lambda: Organisation(id, slug, name, currency, invoicing, created_at, payer))


def read_billing_details(
    value: object,
    tenant: Tenant,
    *,
    find_entity: Find,
    find_organisation: Callable[[str], Organisation | None],
) -> BillingDetails:
    """What the tenant is billed by, as an object describes it. Raises Rejected with the path of every
    fault."""
    document = Document(value)
    found: list[Organisation] = []

    def organisation_id(ref: str) -> UUID | None:
        organisation = find_organisation(ref)
        if organisation is None:
            return None
        found.append(organisation)
        return organisation.id

    details = BillingDetails(
        tenant_id=tenant.id,
        billing_entity_id=reference_of(document, "billing_entity_id", "billing entity", find_entity),
        legal_name=document.text("legal_name"),
        address=lines_of(document, "address"),
        tax_ids=tax_ids_of(document),
        email=email_of(document),
        language=choice_of(document, "language", LANGUAGES, "en"),
        cycle=cycle_of(document),
        zero_invoices=document.flag("zero_invoices", default=False),
        tax_exempt_reason=optional(document, "tax_exempt_reason", document.text),
        organisation_id=reference_of(document, "organisation_id", "organisation", organisation_id),
    )
    if found and found[0].currency != tenant.currency:
        said = f"is in {found[0].currency}, the tenant in {tenant.currency}"
        document.fault("organisation_id", said)
    return document.finish(lambda: details)


def read_tax_rate(value: object, *, id: UUID, tenant_id: UUID) -> TaxRate:
    """The tax rate that an object describes. Raises Rejected with the path of every fault."""
    document = Document(value)
    name, percent = document.text("name"), document.decimal("percent")
    inclusive = document.flag("inclusive", default=False)
    valid_from, valid_until = (grid_instant_of(document, field) for field in ("valid_from", "valid_until"))
    return document.finish(lambda: TaxRate(id, tenant_id, name, percent, inclusive, valid_from, valid_until))
