"""Tenants and what they own."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the platform: billed in one currency, by the calendar of one IANA time zone.

    `slug` is lower-case, unique and immutable; a tenant is addressed by id, slug or alias.
    """

    id: UUID
    slug: str
    name: str
    billing_email: str | None
    currency: str
    timezone: str
    created_at: datetime
    updated_at: datetime
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A function of a tenant, registered by hand or on first sight."""

    id: UUID
    tenant_id: UUID
    name: str
    namespace: str
    created_at: datetime
    runtime: str | None = None
    memory_limit_mb: Decimal | None = None
    cpu_limit_cores: Decimal | None = None
