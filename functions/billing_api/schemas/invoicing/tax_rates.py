"""Taxes on what a tenant is charged, on the wire."""

from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Exact, Input, Instant, Page, Time
from functions.billing_api.schemas.invoicing.parties import TEXT, body
from functions.billing_api.schemas.tenants import TenantPath
from shared.domain.invoicing import parties as domain

_PERCENT: Final = {
    "anyOf": [{"type": "string", "pattern": r"^\d{1,3}(\.\d{1,18})?$"}, {"type": "integer"}],
    "description": "From 0 to 100.",
}


def _bound(said: str) -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    return {"anyOf": [time, {"type": "null"}], "description": f"A 5-minute instant; {said} where left out."}


TAX_RATE_BODY: Final = body(
    {
        "name": {**TEXT, "description": "As invoices state it; of one name one rate is valid at a time."},
        "percent": _PERCENT,
        "inclusive": {"type": "boolean", "default": False, "description": "Whether prices include it."},
        "valid_from": _bound("since ever"),
        "valid_until": _bound("for ever"),
    },
    ["name", "percent"],
    {"name": "VAT", "percent": "19", "valid_from": "2026-01-01T00:00:00Z"},
)
"""What the route says of the body that `read_tax_rate` reads."""


class TaxRate(Answer):
    """A tax on what a tenant is charged from `valid_from` (null: ever) until `valid_until` (null: ever)."""

    id: UUID
    name: str
    percent: Exact
    inclusive: bool
    valid_from: Time | None
    valid_until: Time | None

    @classmethod
    def of(cls, rate: domain.TaxRate) -> Self:
        return cls.model_validate(rate, from_attributes=True)


class TaxRateList(Page[TaxRate]):
    """In the order in which they were added."""


class TaxRatePath(TenantPath):
    rate: Annotated[UUID, Field(description="The tax rate's UUID.")]


class TaxRateEnd(Input):
    """When a rate is to end: at the next 5-minute instant where left out."""

    ends_at: Annotated[Instant | None, Field(description="A 5-minute instant.")] = None
