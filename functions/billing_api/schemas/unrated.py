"""Unrated usage on the wire."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Page, PageQuery, TenantRef, Time
from shared.service import unrated


class UnratedQuery(PageQuery):
    tenant_id: TenantRef | None = None


class UnratedUsage(Answer):
    """Usage from `used_from` up to `used_until`, of a tenant that had no plan then.

    It has none from `no_plan_from` (null: from the beginning) up to `no_plan_until` (null: to this day).
    """

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    no_plan_from: Time | None
    no_plan_until: Time | None
    used_from: Time
    used_until: Time
    invocations: int

    @classmethod
    def of(cls, usage: unrated.UnratedUsage) -> Self:
        return cls.model_validate(usage, from_attributes=True)


class UnratedUsageList(Page[UnratedUsage]):
    """By tenant and time; listed until a plan is given for that time."""
