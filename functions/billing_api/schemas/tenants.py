"""Tenants and services on the wire."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    Exact,
    Input,
    Page,
    PageQuery,
    Size,
    TenantRef,
    Text,
    Time,
)
from shared.domain import tenant as domain
from shared.domain.usage import DEFAULT_NAMESPACE

_SLUG = "Lower-case letters, digits and dashes, at most 63; unique and immutable."


class NewTenant(Input):
    """A customer to register."""

    name: Text
    currency: Annotated[str, Field(description="ISO 4217 code.", json_schema_extra={"example": "EUR"})]
    slug: Annotated[str | None, Field(description=f"{_SLUG} Made from the name where left out.")] = None
    billing_email: str | None = None
    timezone: Annotated[str, Field(description="IANA time zone; its calendar months are billed.")] = "UTC"
    aliases: Annotated[tuple[str, ...], Field(description="Other names to find the tenant by.")] = ()


class Tenant(Answer):
    """A customer; addressed by id, slug or alias."""

    id: UUID
    slug: str
    name: str
    billing_email: str | None
    currency: str
    timezone: str
    aliases: tuple[str, ...]
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, tenant: domain.Tenant) -> Self:
        return cls.model_validate(tenant, from_attributes=True)


class TenantPath(Input):
    tenant: Annotated[str, Field(description="The tenant's UUID, slug or alias.")]


class TenantList(Page[Tenant]):
    """Tenants in the order they were registered."""


class NewService(Input):
    """A function to register; one that is not is registered with its first usage."""

    tenant_id: TenantRef
    name: Text
    namespace: Text = DEFAULT_NAMESPACE
    runtime: Text | None = None
    memory_limit_mb: Size | None = None
    cpu_limit_cores: Size | None = None


class Service(Answer):
    """A function of a tenant."""

    id: UUID
    tenant_id: UUID
    name: str
    namespace: str
    created_at: Time
    runtime: str | None
    memory_limit_mb: Exact | None
    cpu_limit_cores: Exact | None

    @classmethod
    def of(cls, service: domain.Service) -> Self:
        return cls.model_validate(service, from_attributes=True)


class ServiceQuery(PageQuery):
    tenant_id: TenantRef | None = None


class ServiceList(Page[Service]):
    """Services in the order they were registered."""
