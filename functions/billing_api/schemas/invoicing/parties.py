"""Sellers, organisations of buyers and billing details on the wire."""

from datetime import date
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Input, Page, Time
from shared.domain.document import TEXT_MAX
from shared.domain.invoicing import parties as domain
from shared.domain.invoicing import party_change
from shared.domain.invoicing.parties import (
    GRACE_S,
    INTERVALS,
    INVOICING,
    LANGUAGES,
    PAYMENT_TERMS_DAYS,
    TaxIds,
)
from shared.domain.invoicing.party_document import (
    CREDIT_NOTE_PREFIX,
    GRACE_S_MAX,
    INVOICE_PREFIX,
    PAYMENT_TERMS_DAYS_MAX,
)
from shared.domain.invoicing.party_fields import LINES_MAX, TAX_IDS_MAX
from shared.service.invoicing.parties import Buyer
from shared.service.invoicing.ports import Member

TEXT: Final = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
TEXT_OR_NULL: Final = {"anyOf": [TEXT, {"type": "null"}]}
_LINES: Final = {"type": "array", "items": TEXT, "maxItems": LINES_MAX}
_TAX_IDS: Final = {
    "type": "array",
    "maxItems": TAX_IDS_MAX,
    "items": {
        "type": "object",
        "properties": {"name": TEXT, "value": TEXT},
        "required": ["name", "value"],
        "additionalProperties": False,
    },
}
_ADDRESSED: Final = {"legal_name": TEXT, "address": _LINES, "tax_ids": _TAX_IDS, "email": TEXT}


def body(properties: dict[str, Any], required: list[str], example: dict[str, Any]) -> dict[str, Any]:
    """What a route says of a body that the domain reads."""
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _prefix(default: str) -> dict[str, Any]:
    said = "Before year and number; both prefixes differ."
    return {"type": "string", "maxLength": 16, "default": default, "description": said}


def _whole(default: int, maximum: int, said: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": maximum, "default": default, "description": said}


ENTITY_BODY: Final = body(
    {
        "name": {**TEXT, "description": "What it is found by; unique."},
        **_ADDRESSED,
        "country": {"type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166-1 alpha-2."},
        "timezone": {"type": "string", "default": "UTC", "description": "Its years number the invoices."},
        "invoice_prefix": _prefix(INVOICE_PREFIX),
        "credit_note_prefix": _prefix(CREDIT_NOTE_PREFIX),
        "grace_s": _whole(GRACE_S, GRACE_S_MAX, "Seconds from a period's end until its invoice is final."),
        "payment_terms_days": _whole(
            PAYMENT_TERMS_DAYS, PAYMENT_TERMS_DAYS_MAX, "Days from the issue of an invoice until it is due."
        ),
        "bank_details": _LINES,
    },
    ["name", "legal_name", "country", "email"],
    {
        "name": "acme-eu",
        "legal_name": "ACME GmbH",
        "address": ["Hauptstr. 1", "10115 Berlin"],
        "tax_ids": [{"name": "VAT", "value": "DE123456789"}],
        "country": "DE",
        "timezone": "Europe/Berlin",
        "email": "billing@example.com",
    },
)
ORGANISATION_BODY: Final = body(
    {
        "slug": {"type": "string", "description": "Unique; it never changes."},
        "name": TEXT,
        "currency": {"type": "string", "description": "ISO 4217 code, that of its tenants; never changes."},
        "invoicing": {
            "enum": [*INVOICING, None],
            "description": "Whether each tenant gets its own invoice, or the payer one for all.",
        },
        "payer_tenant_id": {
            **TEXT_OR_NULL,
            "description": "UUID, slug or alias of the one of its tenants that gets the one invoice.",
        },
    },
    ["name"],
    {"slug": "acme", "name": "ACME", "currency": "EUR"},
)
DETAILS_BODY: Final = body(
    {
        **_ADDRESSED,
        "billing_entity_id": {
            **TEXT_OR_NULL,
            "description": "UUID or name of who sells to it; the only one there is where left out.",
        },
        "language": {"enum": [*LANGUAGES, None], "description": "Of its invoices; en where left out."},
        "cycle": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {
                        "interval": {"enum": [*INTERVALS, None]},
                        "anchor": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
                    },
                    "additionalProperties": False,
                },
                {"type": "null"},
            ],
            "description": "A period begins with each month or week, on the anchor's day of it: else on the "
            "1st, or on Monday. Calendar months where left out.",
        },
        "zero_invoices": {"type": "boolean", "default": False},
        "tax_exempt_reason": {**TEXT_OR_NULL, "description": "Why no tax is charged, as invoices state it."},
        "organisation_id": {**TEXT_OR_NULL, "description": "UUID or slug of the one it belongs to."},
    },
    ["legal_name", "email"],
    {"legal_name": "Demo Ltd", "address": ["1 High Street", "London"], "email": "ap@example.com"},
)
"""What the routes say of the bodies that `shared.domain.invoicing.party_document` reads."""


class TaxId(Answer):
    """A number that a tax authority knows a party by."""

    name: str
    value: str

    @classmethod
    def all_of(cls, tax_ids: TaxIds) -> list[Self]:
        return [cls(name=name, value=value) for name, value in tax_ids]


class BillingEntity(Answer):
    """A seller."""

    id: UUID
    name: str
    legal_name: str
    address: list[str]
    tax_ids: list[TaxId]
    country: str
    timezone: str
    invoice_prefix: str
    credit_note_prefix: str
    grace_s: int
    payment_terms_days: int
    bank_details: list[str]
    email: str
    created_at: Time

    @classmethod
    def of(cls, entity: domain.BillingEntity) -> Self:
        given = {name: getattr(entity, name) for name in cls.model_fields}
        return cls(**given | {"tax_ids": TaxId.all_of(entity.tax_ids)})


class BillingEntityList(Page[BillingEntity]):
    """In order of id."""


class BillingEntityPath(Input):
    billing_entity: Annotated[str, Field(description="The billing entity's UUID or name.")]


class Organisation(Answer):
    """Tenants that belong together; `payer_tenant_id` is null where each gets its own invoice."""

    id: UUID
    slug: str
    name: str
    currency: str
    invoicing: Literal["children", "parent"]
    payer_tenant_id: UUID | None
    created_at: Time

    @classmethod
    def of(cls, organisation: domain.Organisation) -> Self:
        return cls.model_validate(organisation, from_attributes=True)


class OrganisationList(Page[Organisation]):
    """In order of id."""


class OrganisationPath(Input):
    organisation: Annotated[str, Field(description="The organisation's UUID or slug.")]


class OrganisationTenant(Answer):
    """A tenant of an organisation, by the billing details of the tenant."""

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    name: str

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(tenant_id=member.tenant_id, tenant=member.slug, name=member.name)


class OrganisationTenantList(Page[OrganisationTenant]):
    """In order of id."""


class BillingCycle(Answer):
    interval: Literal["month", "week"]
    anchor: date | None


class BillingDetails(Answer):
    """What a tenant is billed by. `seller_id` is who sells to it: its billing entity, else the only one
    there is; null where nobody does yet."""

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    billing_entity_id: UUID | None
    seller_id: UUID | None
    legal_name: str
    address: list[str]
    tax_ids: list[TaxId]
    email: str
    language: Literal["en", "ru"]
    cycle: BillingCycle
    zero_invoices: bool
    tax_exempt_reason: str | None
    organisation_id: UUID | None

    @classmethod
    def of(cls, buyer: Buyer) -> Self:
        details = buyer.details
        return cls(
            tenant_id=buyer.tenant.id,
            tenant=buyer.tenant.slug,
            billing_entity_id=details.billing_entity_id,
            seller_id=buyer.seller.id if buyer.seller else None,
            legal_name=details.legal_name,
            address=list(details.address),
            tax_ids=TaxId.all_of(details.tax_ids),
            email=details.email,
            language=details.language,
            cycle=BillingCycle(interval=details.cycle.interval, anchor=details.cycle.anchor),
            zero_invoices=details.zero_invoices,
            tax_exempt_reason=details.tax_exempt_reason,
            organisation_id=details.organisation_id,
        )


class PartyHistoryEntry(Answer):
    """Who changed what. `before` and `after` are what was and what is, null where there was or is nothing."""

    id: UUID
    at: Time
    who: str
    what: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, change: party_change.PartyChange) -> Self:
        return cls.model_validate(change, from_attributes=True)


class PartyHistoryList(Page[PartyHistoryEntry]):
    """The newest first; nothing of it is ever changed or removed."""
