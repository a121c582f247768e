"""Parties to invoices as rows."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from psycopg.types.json import Jsonb

from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxIds, TaxRate
from shared.domain.money import exact_text

ENTITY = (
    "id, name, legal_name, address, tax_ids, country, timezone, invoice_prefix, credit_note_prefix,"
    " grace_s, payment_terms_days, bank_details, email, created_at"
)
ORGANISATION = "id, slug, name, currency, invoicing, created_at, payer_tenant_id"
DETAILS = (
    "tenant_id, billing_entity_id, legal_name, address, tax_ids, email, language, cycle_interval,"
    " cycle_anchor, zero_invoices, tax_exempt_reason, organisation_id"
)
TAX_RATE = "id, tenant_id, name, percent, inclusive, valid_from, valid_until"


def entity_of(row: Sequence[Any]) -> BillingEntity:
    columns = _named(ENTITY, row)
    return BillingEntity(
        **columns
        | {
            "address": tuple(columns["address"]),
            "tax_ids": _pairs(columns["tax_ids"]),
            "bank_details": tuple(columns["bank_details"]),
        }
    )


def organisation_of(row: Sequence[Any]) -> Organisation:
    return Organisation(*row)


def details_of(row: Sequence[Any]) -> BillingDetails:
    columns = _named(DETAILS, row)
    cycle = BillingCycle(columns.pop("cycle_interval"), columns.pop("cycle_anchor"))
    address, tax_ids = tuple(columns.pop("address")), _pairs(columns.pop("tax_ids"))
    return BillingDetails(address=address, tax_ids=tax_ids, cycle=cycle, **columns)


def tax_rate_of(row: Sequence[Any]) -> TaxRate:
    id, tenant_id, name, percent, *rest = row
    # Without the zeros that the column adds.
    return TaxRate(id, tenant_id, name, Decimal(exact_text(Fraction(percent))), *rest)


def entity_row(entity: BillingEntity) -> dict[str, object]:
    return _columns(ENTITY, entity) | {
        "address": list(entity.address),
        "tax_ids": Jsonb(entity.tax_ids),
        "bank_details": list(entity.bank_details),
    }


def organisation_row(organisation: Organisation) -> dict[str, object]:
    return _columns(ORGANISATION, organisation)


def details_row(details: BillingDetails) -> dict[str, object]:
    return _columns(DETAILS, details) | {
        "address": list(details.address),
        "tax_ids": Jsonb(details.tax_ids),
        "cycle_interval": details.cycle.interval,
        "cycle_anchor": details.cycle.anchor,
    }


def tax_rate_row(rate: TaxRate) -> dict[str, object]:
    return _columns(TAX_RATE, rate)


def _named(columns: str, row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(columns.split(", "), row, strict=True))


def _columns(columns: str, party: object) -> dict[str, object]:
    """The fields of a party that are columns of the same name."""
    return {name: getattr(party, name) for name in columns.split(", ") if hasattr(party, name)}


def _pairs(stored: Sequence[Sequence[str]]) -> TaxIds:
    return tuple((name, value) for name, value in stored)
