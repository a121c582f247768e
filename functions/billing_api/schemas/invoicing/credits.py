"""Credit of tenants on the wire."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Input, Instant, Money, Page, Time
from functions.billing_api.schemas.invoicing.money import Amount
from functions.billing_api.schemas.invoicing.payments import Refund
from functions.billing_api.schemas.tenants import TenantPath
from shared.domain.usage import TEXT_MAX
from shared.service.invoicing import money_ports


class NewCredit(Input):
    """Credit that a tenant bought (`prepaid`) or is given (`promotional`), in its currency."""

    kind: Literal["prepaid", "promotional"]
    amount: Amount
    description: Annotated[str, Field(max_length=TEXT_MAX, description="Invoices state it.")] = ""
    priority: Annotated[int, Field(description="Of several the smallest is used first.")] = 0
    expires_at: Annotated[
        Instant | None, Field(description="It pays no invoice that is made final from then on.")
    ] = None


class CreditPath(TenantPath):
    credit: Annotated[UUID, Field(description="The credit's UUID.")]


class Credit(Answer):
    """`remaining` of `amount` is left. `carried_over` is what `invoice_id` came to below zero, `credit_note`
    what was paid of it and taken back."""

    id: UUID
    kind: Literal["prepaid", "promotional", "carried_over", "credit_note"]
    description: str
    amount: Money
    remaining: Money
    currency: str
    priority: int
    expires_at: Time | None
    created_at: Time
    created_by: str
    invoice_id: UUID | None

    @classmethod
    def of(cls, credit: money_ports.CreditGrant) -> Self:
        grant = credit.grant
        return cls(
            id=grant.id,
            kind=grant.kind,
            description=grant.description,
            amount=credit.amount,
            remaining=grant.remaining,
            currency=grant.currency,
            priority=grant.priority,
            expires_at=grant.expires_at,
            created_at=grant.created_at,
            created_by=credit.created_by,
            invoice_id=credit.invoice_id,
        )


class CreditList(Page[Credit]):
    """In order of time, those that are used up, too."""


class PaidOutCredit(Answer):
    """A refund of credit, and what remains of it."""

    refund: Refund
    credit: Credit
